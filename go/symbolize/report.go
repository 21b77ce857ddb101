package symbolize

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// maxPartials bounds what one Symbolizer tells of: a log may name any number
// of modules.
const maxPartials = 1000

// request is what one report wants of one module.
type request struct {
	key   moduleKey
	addrs []model.VirtAddr
	// missing are the addresses of frames that have no function yet: for
	// these it is worth telling what could not be found.
	missing []model.VirtAddr
	frames  map[model.VirtAddr][]model.Frame
}

// Report replaces the unsymbolized frames of r by what their modules say: each
// frame with a module and an address by its inline chain, whose frames all
// keep the module, build ID and addresses of the one that they replace. Frames
// with a function and a file stay as they are.
//
// It returns one Partial for each module that could not be used or has no
// debug information, with the reason. What one Report call told of is not told
// again by later ones of the same Symbolizer.
func (s *Symbolizer) Report(r *model.Report) []model.Partial {
	requests := requestsOf(r)
	var partials []model.Partial
	for _, request := range requests {
		partials = append(partials, s.answer(request)...)
	}
	byKey := map[moduleKey]*request{}
	for _, request := range requests {
		byKey[request.key] = request
	}
	for i := range r.Stacks {
		replaceFrames(&r.Stacks[i], byKey)
	}
	return s.untold(partials)
}

func keyOf(frame *model.Frame) moduleKey {
	return moduleKey{frame.Module, strings.ToLower(frame.BuildID)}
}

func needsLookup(frame *model.Frame) bool {
	return frame.Module != "" && frame.VirtAddr != 0 && (frame.Function == "" || frame.File == "")
}

// requestsOf lists the modules that r needs, in the order of their frames.
func requestsOf(r *model.Report) []*request {
	var requests []*request
	byKey := map[moduleKey]*request{}
	for i := range r.Stacks {
		for j := range r.Stacks[i].Frames {
			frame := &r.Stacks[i].Frames[j]
			if !needsLookup(frame) {
				continue
			}
			key := keyOf(frame)
			if byKey[key] == nil {
				byKey[key] = &request{key: key}
				requests = append(requests, byKey[key])
			}
			byKey[key].addrs = append(byKey[key].addrs, frame.VirtAddr)
			if frame.Function == "" {
				byKey[key].missing = append(byKey[key].missing, frame.VirtAddr)
			}
		}
	}
	for _, request := range requests {
		slices.Sort(request.addrs)
		request.addrs = slices.Compact(request.addrs)
	}
	return requests
}

// answer looks up the addresses of request and tells what stood in the way.
func (s *Symbolizer) answer(request *request) []model.Partial {
	path := request.key.path
	var partials []model.Partial
	tell := func(reason string, offset int64) {
		if len(request.missing) > 0 {
			partials = append(partials, model.Partial{File: path, Reason: reason, OffsetBytes: offset})
		}
	}
	if request.key.buildID == "" {
		if !s.opts.TrustPaths {
			tell("the log names no build ID for this module, so it was not opened; --trust-paths opens it by its path alone", 0)
			return partials
		}
		tell("the log names no build ID for this module; it was opened by its path alone and may be another build", 0)
	}
	m := s.acquire(path, request.key.buildID)
	defer m.mu.Unlock()
	if m.failure != nil {
		tell(reasonOf(m.failure))
		return partials
	}
	request.frames = map[model.VirtAddr][]model.Frame{}
	for i, frames := range m.lookup(request.addrs) {
		request.frames[request.addrs[i]] = frames
	}
	if m.damage != nil {
		tell(reasonOf(m.damage))
	} else if m.dwarfFile() == nil && request.lacksLines() {
		if source := m.symbolSource(); source == "" {
			tell("no debug information and no symbols: its frames have addresses only", 0)
		} else {
			tell("no debug information: its frames have function names from "+source+" only", 0)
		}
	}
	return partials
}

func (r *request) lacksLines() bool {
	return slices.ContainsFunc(r.missing, func(addr model.VirtAddr) bool {
		frames := r.frames[addr]
		return len(frames) == 0 || frames[0].File == ""
	})
}

// reasonOf puts err into words for a Partial, which names the file itself.
func reasonOf(err error) (reason string, offset int64) {
	var mismatch *MismatchError
	if errors.As(err, &mismatch) {
		return mismatch.reason() + "; its frames stay unsymbolized", 0
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "no such module here; its frames stay unsymbolized", 0
	}
	var objectErr *object.Error
	if errors.As(err, &objectErr) {
		if objectErr.Reason == "" {
			return objectErr.Err.Error(), objectErr.OffsetBytes
		}
		return objectErr.Reason + ": " + objectErr.Err.Error(), objectErr.OffsetBytes
	}
	return err.Error(), 0
}

// replaceFrames puts what was found in the place of each frame that asked.
func replaceFrames(stack *model.Stack, requests map[moduleKey]*request) {
	var frames []model.Frame
	changed := false
	for i := range stack.Frames {
		physical := &stack.Frames[i]
		var found []model.Frame
		if needsLookup(physical) {
			found = requests[keyOf(physical)].frames[physical.VirtAddr]
		}
		if !worthwhile(physical, found) {
			frames = append(frames, *physical)
			continue
		}
		changed = true
		for depth, frame := range found {
			// A symbol table knows no lines; UBSan's header may.
			if depth == 0 && frame.File == "" {
				frame.File, frame.Line, frame.Column = physical.File, physical.Line, physical.Column
			}
			frame.Module, frame.BuildID = physical.Module, physical.BuildID
			frame.VirtAddr, frame.AbsAddr = physical.VirtAddr, physical.AbsAddr
			frame.Boundary, frame.Runtime = physical.Boundary, physical.Runtime
			if frame.Function == "" {
				frame.Function = physical.Function
			}
			frames = append(frames, frame)
		}
	}
	if changed {
		stack.Frames = frames
	}
}

// worthwhile tells whether found says more than the frame has: a function that
// the log named is not exchanged for one from a symbol table.
func worthwhile(physical *model.Frame, found []model.Frame) bool {
	return len(found) > 0 && (physical.Function == "" || found[0].File != "")
}

// untold drops the partials that were returned before.
func (s *Symbolizer) untold(partials []model.Partial) []model.Partial {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fresh []model.Partial
	for _, partial := range partials {
		if s.told[partial] || len(s.told) > maxPartials {
			continue
		}
		if len(s.told) == maxPartials {
			partial = model.Partial{Reason: "more modules could not be used; they are not listed"}
		}
		s.told[partial] = true
		fresh = append(fresh, partial)
	}
	return fresh
}
