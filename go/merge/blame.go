package merge

import (
	"fmt"
	"path"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Blame chooses the frame of a normalized report to look at first; nil where
// all is machinery or lies in system folders.
func Blame(r *model.Report, opts Options) *model.Blame {
	blamed, _ := blame(r, opts)
	return blamed
}

// blame chooses the frame to look at first, and those of the other stacks
// that belong to the story.
//
// The first frame from the leaf that is no machinery and whose file lies
// below the source root, failing that in no system folder, is blamed: of the
// fault stack, of the allocation stack for a leak. Failing that too, the first
// frame with a name, then the first at all, in a module outside of system
// folders: logs without debug information have no files. A stack that has no
// such frame (memory read by the interpreter itself) passes the blame on to
// the stack that freed, then to the one that allocated; the reason says so.
func blame(r *model.Report, opts Options) (*model.Blame, []model.Blame) {
	var blamed *model.Blame
	order := blameOrder(r)
	for place, i := range order {
		frame, why := blamedFrame(r.Stacks[i].Frames, opts)
		if frame < 0 {
			continue
		}
		reason := fmt.Sprintf("the first frame of the %s %s", stackNoun(r.Stacks[i].Role), why)
		if place > 0 {
			reason = fmt.Sprintf("the %s has no frame of the user's; this is %s", stackNoun(r.Stacks[order[0]].Role), reason)
		}
		blamed = &model.Blame{Stack: i, Frame: frame, Role: r.Stacks[i].Role, Reason: reason}
		break
	}
	return blamed, related(r, blamed, opts)
}

// blameOrder lists the stacks that may carry the blame, the proper one first.
func blameOrder(r *model.Report) []int {
	roles := []model.Role{model.RoleFault, model.RoleFree, model.RoleAllocation}
	if isLeak(r) {
		roles = []model.Role{model.RoleAllocation, model.RoleFault}
	}
	var order []int
	for _, role := range roles {
		for i := range r.Stacks {
			if r.Stacks[i].Role == role {
				order = append(order, i)
			}
		}
	}
	if len(order) == 0 {
		for i := range r.Stacks {
			if r.Stacks[i].Role != model.RoleThread {
				order = append(order, i)
			}
		}
	}
	return order
}

func isLeak(r *model.Report) bool {
	return r.Leaked != nil || r.Tool == "LeakSanitizer" || strings.Contains(r.Kind, "leak")
}

// related names the user's frame in each other stack that tells who freed,
// who allocated, who started the thread.
func related(r *model.Report, blamed *model.Blame, opts Options) []model.Blame {
	var list []model.Blame
	for _, i := range stackOrder(r.Stacks) {
		role := r.Stacks[i].Role
		if (blamed != nil && blamed.Stack == i) || (role != model.RoleFree && role != model.RoleAllocation && role != model.RoleThread) {
			continue
		}
		frame, why := blamedFrame(r.Stacks[i].Frames, opts)
		if frame < 0 {
			continue
		}
		list = append(list, model.Blame{Stack: i, Frame: frame, Role: role, Reason: relatedVerb(role) + ": the first frame " + why})
	}
	return list
}

func relatedVerb(role model.Role) string {
	switch role {
	case model.RoleFree:
		return "freed here"
	case model.RoleAllocation:
		return "allocated here"
	}
	return "thread started here"
}

func stackNoun(role model.Role) string {
	switch role {
	case model.RoleFault, model.RoleFree, model.RoleAllocation, model.RoleThread:
		return string(role) + " stack"
	}
	return "stack"
}

// blamedFrame gives the frame of one stack to look at, and why; −1 where all
// is machinery or lies in system folders.
func blamedFrame(frames []model.Frame, opts Options) (int, string) {
	first := func(accept func(*model.Frame) bool) int {
		for i := range frames {
			if !frames[i].Runtime && accept(&frames[i]) {
				return i
			}
		}
		return -1
	}
	if opts.SourceRoot != "" {
		root := path.Clean(opts.SourceRoot)
		if i := first(func(f *model.Frame) bool { return isOwnFile(f, root) }); i >= 0 {
			return i, "that is no language's own machinery and lies below the source root " + root
		}
	}
	if i := first(func(f *model.Frame) bool { return f.File != "" && !isSystemFile(f) }); i >= 0 {
		return i, "that is no language's own machinery and lies in no system folder"
	}
	if i := first(func(f *model.Frame) bool { return f.File == "" && f.Function != "" && !isSystemFolder(f.Module) }); i >= 0 {
		return i, "that is no language's own machinery, by its name alone: its source is not known"
	}
	if i := first(func(f *model.Frame) bool { return f.File == "" && f.Module != "" && !isSystemFolder(f.Module) }); i >= 0 {
		return i, "whose module lies in no system folder: it is not symbolized"
	}
	if i := first(func(f *model.Frame) bool { return f.File == "" && isPythonPackage(f.Module) }); i >= 0 {
		return i, "that is no language's own machinery, in an installed Python package: its source is not known"
	}
	return -1, ""
}

// isOwnFile reports that a frame's file lies below root (both cleaned) and,
// from there on, in no folder of installed packages (a virtual environment in
// the project). A relative path that does not climb counts as below: builds
// with trimmed paths have no other.
func isOwnFile(f *model.Frame, root string) bool {
	if f.File == "" || f.File[0] == '<' || isGoLibrary(f) {
		return false
	}
	rest := f.File
	if strings.HasPrefix(rest, "/") {
		below, ok := strings.CutPrefix(rest, strings.TrimSuffix(root, "/")+"/")
		if !ok {
			return false
		}
		rest = below
	}
	return rest != ".." && !strings.HasPrefix(rest, "../") && !isInstalled("/"+rest)
}
