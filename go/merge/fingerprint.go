package merge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"path"

	"github.com/ffikit/ffikit/go/model"
)

// fingerprintVersion stands before every fingerprint: one that was stored
// under another version is not comparable.
const fingerprintVersion = "1"

// fingerprintBytes is how much of the SHA-256 is kept: enough that nobody
// makes two faults collide, so that one hides the other.
const fingerprintBytes = 16

// Fingerprint is the stable hash of a normalized report: "1:" and 32
// hexadecimal digits. It is made of
//
//   - tool, kind, and whether memory was read or written;
//   - of each stack, in the order fault, free, allocation, thread, others: its
//     role and frames, machinery left out unless the stack has nothing else.
//     Of those that started threads, only the ones that a user's call did: when
//     Go starts threads, and which goroutine runs on which, differs from run to run;
//   - of a frame: its function (normalized, so without hashes and clone
//     suffixes), language, the base name of its file, and its line counted
//     from the line that declares the function.
//
// Neighbours of one function count once, with the line of the leaf's.
// So it holds no address, process, folder or size, and does not ask
// whether a call was inlined: it is the same in another run, for a build in
// another folder, after lines were inserted above the function, and for
// another optimization level as far as the levels differ in inlining only.
// The relative line tells two faults of one function apart. Logs that another
// tool symbolized do not say where a function starts; there the column, which
// moves as little as the relative line, takes its place. gcc's runtime names
// no columns either, and a module without debug information no lines: there
// the line itself, or the file-virtual address, must do. They move with edits,
// but a fault that is taken for another one is lost.
//
// A frame without a name is the base name of its file and its line; without
// those its module's base name, build ID and file-virtual address: stable
// over runs of one build, but not over builds. Rust's two manglings may read
// differently and so give two fingerprints.
func Fingerprint(r *model.Report) string {
	var h encoding
	h.text("ffikit.fingerprint/" + fingerprintVersion)
	h.text(r.Tool)
	h.text(r.Kind)
	access := ""
	if r.Access != nil {
		access = r.Access.Type
	}
	h.text(access)

	order := stackOrder(r.Stacks)
	h.number(len(order))
	for _, i := range order {
		h.stack(&r.Stacks[i])
	}
	sum := sha256.Sum256(h)
	return fingerprintVersion + ":" + hex.EncodeToString(sum[:fingerprintBytes])
}

// roleOrder is the order of roles in a fingerprint; unknown roles come last.
var roleOrder = []model.Role{model.RoleFault, model.RoleFree, model.RoleAllocation, model.RoleThread}

// stackOrder lists the stacks by role, equal roles as they come.
func stackOrder(stacks []model.Stack) []int {
	order := make([]int, 0, len(stacks))
	for _, role := range roleOrder {
		for i := range stacks {
			if stacks[i].Role == role && (role != model.RoleThread || isStartedByUser(&stacks[i])) {
				order = append(order, i)
			}
		}
	}
	for i := range stacks {
		if !isOrderedRole(stacks[i].Role) {
			order = append(order, i)
		}
	}
	return order
}

// goThreadStarters are what Go's runtime starts threads through where there is
// cgo (runtime/cgo/gcc_libinit.c, gcc_util.c, gcc_linux_*.c).
var goThreadStarters = map[string]bool{
	"x_cgo_thread_start": true, "x_cgo_sys_thread_create": true, "_cgo_sys_thread_start": true, "_cgo_try_pthread_create": true,
}

// isStartedByUser tells the stack of a thread that the program itself started.
func isStartedByUser(s *model.Stack) bool {
	user := false
	for i := range s.Frames {
		f := &s.Frames[i]
		if f.Runtime && goThreadStarters[f.Function] {
			return false
		}
		user = user || !f.Runtime
	}
	return user
}

func isOrderedRole(role model.Role) bool {
	for _, known := range roleOrder {
		if role == known {
			return true
		}
	}
	return false
}

// encoding puts values behind one another so that different sequences never
// give the same bytes: each text is preceded by its length.
type encoding []byte

func (e *encoding) number(n int) { *e = binary.LittleEndian.AppendUint64(*e, uint64(n)) }

func (e *encoding) text(s string) {
	e.number(len(s))
	*e = append(*e, s...)
}

func (h *encoding) stack(s *model.Stack) {
	h.text(string(s.Role))
	frames := make([]*model.Frame, 0, len(s.Frames))
	for i := range s.Frames {
		if !s.Frames[i].Runtime {
			frames = append(frames, &s.Frames[i])
		}
	}
	if len(frames) == 0 {
		for i := range s.Frames {
			frames = append(frames, &s.Frames[i])
		}
	}
	var parts []string
	for i, f := range frames {
		if i > 0 && isSameFunction(frames[i-1], f) {
			continue
		}
		parts = append(parts, encodeFrame(f))
	}
	h.number(len(parts))
	for _, part := range parts {
		h.text(part)
	}
}

// isSameFunction: a recursion, whose depth differs from run to run; or the
// caller's inlined part of a function that the compiler split (gcc's
// `f.part.0`), which another optimization level leaves whole.
func isSameFunction(callee, caller *model.Frame) bool {
	if callee.Function == "" {
		return encodeFrame(callee) == encodeFrame(caller)
	}
	return callee.Function == caller.Function && callee.Language == caller.Language && base(callee.File) == base(caller.File)
}

// encodeFrame gives different text for different frames, in the sense of
// Fingerprint.
func encodeFrame(f *model.Frame) string {
	var out encoding
	switch {
	case f.Function == "" && f.File != "":
		// UBSan's header names a place only.
		out.text("place")
		out.text(base(f.File))
		out.number(f.Line)
	case f.Function == "":
		out.text("address")
		out.text(base(f.Module))
		out.text(f.BuildID)
		out.number(int(f.VirtAddr))
	default:
		out.text("function")
		out.text(f.Function)
		out.text(string(f.Language))
		out.text(base(f.File))
		switch {
		case f.Line > 0 && f.FunctionLine > 0:
			out.text("line")
			out.number(f.Line - f.FunctionLine)
		case f.Column > 0:
			out.text("column")
			out.number(f.Column)
		case f.Line > 0:
			out.text("absolute line")
			out.number(f.Line)
		case f.VirtAddr != 0:
			out.text("address")
			out.text(base(f.Module))
			out.number(int(f.VirtAddr))
		}
	}
	return string(out)
}

func base(p string) string {
	if p == "" {
		return ""
	}
	return path.Base(p)
}
