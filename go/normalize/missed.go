package normalize

import (
	"slices"

	"github.com/ffikit/ffikit/go/model"
)

// Missed leaves out what nobody misses of what could not be symbolized: that a
// module lacks lines of which all frames in the stacks, which are normalized, are
// a language's own machinery. The interpreter's have names at least; those of
// sanitizers, libffi and libc, which are stripped, need none. It returns
// unresolved's own memory.
func Missed(stacks []model.Stack, unresolved []model.Partial) []model.Partial {
	if len(unresolved) == 0 {
		return unresolved
	}
	type use struct{ named, missed bool }
	uses := map[string]use{}
	for _, stack := range stacks {
		for i := range stack.Frames {
			frame := &stack.Frames[i]
			of := uses[frame.Module]
			of.named = true
			of.missed = of.missed || !frame.Runtime || frame.Function == "" && frame.Machinery == ownerCPython
			uses[frame.Module] = of
		}
	}
	return slices.DeleteFunc(unresolved, func(p model.Partial) bool {
		of := uses[p.File]
		return of.named && !of.missed
	})
}
