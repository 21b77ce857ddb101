package join

import (
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
)

// put replaces the frames of s by recorded ones, if both are of one stack.
//
// A recorded stack begins inside of the sanitizer, which called the companion;
// the log's begins where the fault is, or at the sanitizer's own function that
// the program called. The first frame of the log that is in both joins them.
func put(s *model.Stack, recorded []model.Frame, truncated string) bool {
	frames := join(s.Frames, recorded)
	if frames == nil || truncated != "" && len(frames) <= len(s.Frames) {
		return false // the log's stack is the longer one
	}
	s.Frames, s.Truncated, s.Complete = frames, truncated, truncated == ""
	return true
}

func join(logged, recorded []model.Frame) []model.Frame {
	if len(logged) == 1 && logged[0].AbsAddr == 0 && logged[0].File != "" {
		return placed(logged[0], recorded)
	}
	at := anchored(logged, recorded)
	if at < 0 {
		// Behind the companion's own function, which keeps no frame pointers, the sanitizer's walk was a guess.
		if i := slices.IndexFunc(logged, func(f model.Frame) bool { return normalize.IsCompanionModule(f.Module) }); i >= 0 {
			logged = logged[:i+1]
		}
		return beyondRuntime(logged, recorded)
	}
	below := slices.IndexFunc(recorded, func(f model.Frame) bool { return f.AbsAddr == logged[at].AbsAddr })
	frames := slices.Concat(logged[:at+1], recorded[below+1:])
	for i := range frames[:at+1] {
		// gcc's runtime names no build IDs.
		if f := &frames[i]; f.AbsAddr == recorded[below].AbsAddr && f.BuildID == "" && f.Module == recorded[below].Module {
			f.BuildID = recorded[below].BuildID
		}
	}
	return frames
}

// anchored gives the log's first frame, of those that may be in both stacks,
// that is; −1: none. Only the leaf may be one of the sanitizer's own: those
// behind it are of its signal handler, not of who called it.
func anchored(logged, recorded []model.Frame) int {
	addresses := make(map[model.AbsAddr]bool, len(recorded))
	for i := range recorded {
		addresses[recorded[i].AbsAddr] = recorded[i].AbsAddr != 0
	}
	for i := range logged {
		f := &logged[i]
		if addresses[f.AbsAddr] && !f.Inlined && (i == 0 || !normalize.IsSanitizerModule(f.Module)) {
			return i
		}
	}
	return -1
}

// beyondRuntime joins where the log's stack is one frame of the sanitizer's own
// (malloc_context_size=1, or a caller that it could not walk to): what the
// recorded one has behind the sanitizer's. nil: the log's tells more.
func beyondRuntime(logged, recorded []model.Frame) []model.Frame {
	if len(logged) > 1 && !slices.ContainsFunc(logged, func(f model.Frame) bool { return !normalize.IsSanitizerModule(f.Module) }) {
		logged = logged[:1]
	}
	if len(logged) > 1 || len(logged) == 1 && !normalize.IsSanitizerModule(logged[0].Module) {
		return nil
	}
	first := slices.IndexFunc(recorded, func(f model.Frame) bool { return !normalize.IsSanitizerModule(f.Module) })
	if first < 0 {
		return nil
	}
	return slices.Concat(logged, recorded[first:])
}

// placed gives a recorded stack the place that UBSan prints above a finding,
// where that is all that the log has.
func placed(place model.Frame, recorded []model.Frame) []model.Frame {
	frames := beyondRuntime(nil, recorded)
	if len(frames) == 0 || frames[0].AbsAddr == 0 {
		return nil
	}
	frames[0].File, frames[0].Line, frames[0].Column = place.File, place.Line, place.Column
	return frames
}

// noteShort says of a stack that is the log's own why there is so little of
// it: under the companion the sanitizer keeps two frames of each allocation, and
// cannot walk past the companion's pthread_create.
func noteShort(s *model.Stack) {
	if s.Truncated != "" {
		return
	}
	physical, own := 0, 0
	for i := range s.Frames {
		if !s.Frames[i].Inlined {
			physical++
		}
		if normalize.IsSanitizerModule(s.Frames[i].Module) {
			own++
		}
	}
	switch s.Role {
	case model.RoleFree, model.RoleAllocation:
		if physical <= 2 {
			s.Truncated = notRecorded
		}
	case model.RoleThread:
		if own == len(s.Frames) {
			s.Truncated = notRecorded
		}
	}
}

const notRecorded = "the companion recorded no stack for this, and the sanitizer itself kept no more: the callers are unknown"

// namesThread says whether a recorded thread may be the one that the heading
// of s is about ("Thread T1 created by T0 here").
func namesThread(s *model.Stack, name string) bool {
	return name == "" || strings.HasPrefix(s.Name, "Thread "+name+" ")
}
