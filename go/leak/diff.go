package leak

import (
	"cmp"
	"slices"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

// Diff compares what the sites of two hunts held at the end, those of one
// fingerprint together whatever the process; the largest rise comes first, the
// largest fall last. Sites that held nothing in both are left out.
func Diff(before, after *model.Hunt, opts merge.Options) []model.Change {
	places := map[string]int{}
	changes := []model.Change{}
	collect := func(h *model.Hunt, isAfter bool) {
		rates := map[int]float64{}
		for _, g := range h.Growth {
			rates[g.Sample] = g.BytesPerSecond
		}
		for i := range h.Samples {
			s := &h.Samples[i]
			key := string(s.Class) + " " + s.Fingerprint
			at, met := places[key]
			if !met {
				at = len(changes)
				places[key] = at
				changes = append(changes, model.Change{Fingerprint: s.Fingerprint, Class: s.Class, Stack: s.Stack})
			}
			c := &changes[at]
			if !isAfter {
				c.BeforeBytes, c.BeforeCount, c.BeforeBytesPerSecond = c.BeforeBytes+s.LiveBytes(), c.BeforeCount+s.LiveCount(), c.BeforeBytesPerSecond+rates[i]
				continue
			}
			c.Stack = s.Stack
			c.AfterBytes, c.AfterCount, c.AfterBytesPerSecond = c.AfterBytes+s.LiveBytes(), c.AfterCount+s.LiveCount(), c.AfterBytesPerSecond+rates[i]
		}
	}
	collect(before, false)
	collect(after, true)
	changes = slices.DeleteFunc(changes, func(c model.Change) bool { return c.BeforeBytes == 0 && c.AfterBytes == 0 })
	for i := range changes {
		c := &changes[i]
		c.Kind = kindOfChange(c)
		report := model.Report{Leaked: &model.Leaked{}, Stacks: []model.Stack{c.Stack}}
		c.Blame = merge.Blame(&report, opts)
	}
	slices.SortStableFunc(changes, func(a, b model.Change) int {
		return cmp.Or(cmp.Compare(signed(b.AfterBytes)-signed(b.BeforeBytes), signed(a.AfterBytes)-signed(a.BeforeBytes)), cmp.Compare(b.AfterBytes, a.AfterBytes))
	})
	return changes
}

func kindOfChange(c *model.Change) string {
	switch {
	case c.BeforeBytes == 0:
		return "new"
	case c.AfterBytes == 0:
		return "gone"
	case c.AfterBytes > c.BeforeBytes:
		return "more"
	case c.AfterBytes < c.BeforeBytes:
		return "less"
	}
	return "same"
}
