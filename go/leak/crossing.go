package leak

import (
	"cmp"
	"slices"

	"github.com/ffikit/ffikit/go/model"
)

// crossings groups the samples by the change of language next to the leaf; those
// that have none are in no group. The one that holds most comes first.
func crossings(h *model.Hunt) []model.Crossing {
	type key struct{ boundary, caller, callerFile, callee, calleeFile string }
	places := map[key]int{}
	found := []model.Crossing{}
	rates := make(map[int]float64, len(h.Growth))
	for i := range h.Growth {
		rates[h.Growth[i].Sample] = h.Growth[i].BytesPerSecond
	}
	for i := range h.Samples {
		s := &h.Samples[i]
		callee, caller, ok := crossingOf(s.Stack.Frames)
		if !ok {
			continue
		}
		of := key{callee.Boundary, caller.Function, caller.File, callee.Function, callee.File}
		at, met := places[of]
		if !met {
			at = len(found)
			places[of] = at
			found = append(found, model.Crossing{Boundary: callee.Boundary, Caller: *caller, Callee: *callee})
		}
		c := &found[at]
		c.Samples = append(c.Samples, i)
		c.Allocations += s.Allocations
		c.AllocatedBytes += s.AllocatedBytes
		c.LiveBytes += s.LiveBytes()
		c.LiveCount += s.LiveCount()
		c.BytesPerSecond += rates[i]
	}
	slices.SortStableFunc(found, func(a, b model.Crossing) int { return cmp.Compare(b.LiveBytes, a.LiveBytes) })
	return found
}

// crossingOf gives the frame that was entered from another language, the
// nearest to the leaf, and the user's frame that called it.
func crossingOf(frames []model.Frame) (callee, caller *model.Frame, ok bool) {
	for i := range frames {
		if frames[i].Boundary == "" {
			continue
		}
		for j := i + 1; j < len(frames); j++ {
			if !frames[j].Runtime {
				return &frames[i], &frames[j], true
			}
		}
		return &frames[i], &model.Frame{}, true
	}
	return nil, nil, false
}
