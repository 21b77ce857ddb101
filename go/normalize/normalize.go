// Package normalize makes frames comparable between languages and runs:
// readable names, languages, runtime marks, mapped paths, boundaries.
//
// Reports enter as evidence (possibly symbolized); the same reports leave.
// Frames are marked, never removed, and what the evidence called a function
// stays in LinkageName. What is unknown stays absent: a frame without file,
// module and telling name gets no language and no mark.
//
// Nothing here opens a file or knows the machine: names and paths are judged
// by their text alone. Names are a stranger's: their length is bounded
// (maxNameBytes) before any of them is taken apart.
package normalize

import "github.com/ffikit/ffikit/go/model"

// PathMapping replaces the path prefix From by To, at whole path elements.
type PathMapping struct{ From, To string }

// Options steer normalization.
type Options struct {
	// PathMap is applied to every path of a report: of files, of modules, and
	// within its message, its details and the headings of its stacks
	// (UBSan's header names a file). The longest matching From wins.
	PathMap []PathMapping
}

// Report normalizes all frames of r in place. Frames are marked, never removed.
// A stack that ends at Go before its root says why (Truncated), unless it has
// a reason already or the evidence knows that it is complete.
func Report(r *model.Report, opts Options) {
	mapper := newPathMapper(opts.PathMap)
	r.Message = mapper.text(r.Message)
	for i, detail := range r.Details {
		r.Details[i] = mapper.text(detail)
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		s.Name = mapper.text(s.Name)
		normalizeFrames(s.Frames, mapper)
		if s.Truncated == "" && !s.Complete { // else the evidence itself says why
			s.Truncated = endsEarly(s)
		}
	}
}

// Frames normalizes one stack's frames in place, leaf first. For the frames
// of bare addresses, call it once per address: frames of different addresses
// are no stack.
func Frames(frames []model.Frame, opts Options) {
	normalizeFrames(frames, newPathMapper(opts.PathMap))
}

func normalizeFrames(frames []model.Frame, mapper pathMapper) {
	for i := range frames {
		f := &frames[i]
		f.File = mapper.path(f.File)
		f.Module = mapper.path(f.Module)
	}
	for i := range frames {
		name(frames, i)
	}
	// From the root: an inlined call takes its language from the physical
	// frame that it was compiled into.
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		f.Language = language(f)
		if f.Language == model.LanguageUnknown && f.Inlined && i+1 < len(frames) && isHeader(f.File) {
			f.Language = frames[i+1].Language
		}
		if owner := machineryOf(f); owner != "" {
			f.Runtime, f.Machinery = true, owner
		}
	}
	markCgoClosures(frames)
	markBoundaries(frames)
}
