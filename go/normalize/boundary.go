package normalize

import "github.com/ffikit/ffikit/go/model"

// markBoundaries sets Boundary on the frames that were entered from another
// language: "caller>callee", on the first frame after the crossing that is no
// machinery. Going from the root to the leaf, some frames speak for a language:
// a user's frame for its own, the CPython core for Python, the Go runtime for
// Go. The caller is the last language that spoke before the callee's did. Glue
// of all kinds (cgo's and Cython's wrappers, trampolines, interceptors, libc,
// libffi, Rust's library) is transparent, and so is assembly, which has no
// boundary of its own. After a frame of unknown language nothing is claimed
// until a language is known again; nor after a signal handler, which the kernel
// called. The root has no caller, hence no boundary.
func markBoundaries(frames []model.Frame) {
	// current is the language that spoke last; entered is the one before it,
	// until a frame of the user's shows the crossing.
	var current, entered model.Language
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		if isGoSignal(f) {
			current, entered = model.LanguageUnknown, model.LanguageUnknown
			continue
		}
		spoken := f.Language
		if f.Runtime {
			spoken = speaksFor(f.Machinery)
		}
		if spoken == model.LanguageAsm || (f.Runtime && spoken == model.LanguageUnknown) {
			continue
		}
		if spoken != current {
			entered = current
		}
		current = spoken
		if f.Runtime {
			continue
		}
		if entered != model.LanguageUnknown && current != model.LanguageUnknown {
			f.Boundary = string(entered) + ">" + string(current)
		}
		entered = model.LanguageUnknown
	}
}

// speaksFor is the language that machinery runs on behalf of.
func speaksFor(machinery string) model.Language {
	switch machinery {
	case ownerCPython:
		return model.LanguagePython
	case ownerGo:
		return model.LanguageGo
	}
	return model.LanguageUnknown
}
