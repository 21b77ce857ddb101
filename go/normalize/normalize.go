// Package normalize makes frames comparable between languages and runs:
// readable names, languages, runtime marks, mapped paths, boundaries.
package normalize

import "github.com/ffikit/ffikit/go/model"

// PathMapping replaces the path prefix From by To, at whole path elements.
type PathMapping struct{ From, To string }

// Options steer normalization.
type Options struct {
	// PathMap is applied to every path of a report; the longest matching From
	// wins.
	PathMap []PathMapping
}

// Report normalizes all frames of r in place. Frames are marked, never removed.
func Report(r *model.Report, opts Options) {}

// Frames normalizes one stack's frames in place.
func Frames(frames []model.Frame, opts Options) {}

// Demangle gives the readable form of a linkage name and the language that
// its mangling shows. A name that is not mangled comes back as it is, with
// LanguageUnknown.
func Demangle(name string) (string, model.Language) { return name, model.LanguageUnknown }
