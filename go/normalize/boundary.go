package normalize

import "github.com/ffikit/ffikit/go/model"

// markBoundaries sets Boundary on the frames that were entered from another
// language: "caller>callee", on the first frame after the crossing that is no
// machinery. Going from the root to the leaf, the caller is the last frame
// that speaks for a language: a user's frame for its own, the CPython core
// for Python, the Go runtime for Go. Glue of all kinds (cgo's and Cython's
// wrappers, trampolines, interceptors, libc, libffi, Rust's library) is
// transparent, and so is assembly, which has no boundary of its own. After a
// frame of unknown language nothing is claimed until a language is known
// again. The root has no caller, hence no boundary.
func markBoundaries(frames []model.Frame) {
	caller := model.LanguageUnknown
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		if f.Runtime {
			if lang := speaksFor(f.Machinery); lang != model.LanguageUnknown {
				caller = lang
			}
			continue
		}
		if f.Language == model.LanguageAsm {
			continue
		}
		if f.Language != model.LanguageUnknown && caller != model.LanguageUnknown && f.Language != caller {
			f.Boundary = string(caller) + ">" + string(f.Language)
		}
		caller = f.Language
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
