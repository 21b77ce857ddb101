package leak

import (
	"fmt"
	"slices"
	"time"

	"github.com/ffikit/ffikit/go/model"
)

// judge says how a site keeps what it holds; ok is false for one that holds
// nothing.
func judge(s *model.Sample, o *span) (g model.Growth, ok bool) {
	g = model.Growth{LiveBytes: s.LiveBytes(), LiveCount: s.LiveCount()}
	if o.borders == nil || len(s.LiveSeries) != len(o.process.Timeline) {
		if g.LiveBytes == 0 {
			return g, false
		}
		judgeByAge(&g, s, o)
		return g, true
	}
	kept := lowerEnvelope(s.LiveSeries[:o.moments])
	end := kept[len(kept)-1]
	if end == 0 {
		return g, false
	}
	judgeByTime(&g, s, o, kept)
	if o.process.Ended == "exited" && g.LiveBytes < end/2 {
		g.Reason += "; it gave all back when the program ended"
		if g.LiveBytes > 0 {
			g.Reason += ", but " + model.Bytes(g.LiveBytes)
		}
		g.LiveBytes, g.LiveCount = end, 0
	}
	return g, true
}

// lowerEnvelope is at each moment the least that was live from then on.
func lowerEnvelope(series []uint64) []uint64 {
	kept := make([]uint64, len(series))
	least := ^uint64(0)
	for i := len(series) - 1; i >= 0; i-- {
		least = min(least, series[i])
		kept[i] = least
	}
	return kept
}

// leastGrowth is what a site must have kept more of to be said to grow: every
// program keeps a few bytes more now and then.
const leastGrowth = 4096

// judgeByTime looks at what was kept at the end of each part of the time but
// the last, which is there to see what was given back: at the very end
// everything seems to be kept.
func judgeByTime(g *model.Growth, s *model.Sample, o *span, kept []uint64) {
	const last = parts - 2
	at := func(part int) uint64 { return kept[o.borders[part]] }
	when := func(part int) string { return seconds(o.process.Timeline[o.borders[part]].SinceStart) }
	before := func(part int) uint64 { return slices.Max(s.LiveSeries[:o.borders[part]+1]) }
	end := at(parts - 1)
	// A rise of less is an object more or less.
	least := max(at(last)/200, 1)
	rises, first, latest := 0, 0, 0
	for part := 1; part <= last; part++ {
		if at(part) > at(part-1) && at(part)-at(part-1) >= least {
			rises, latest = rises+1, part
			if first == 0 {
				first = part
			}
		}
	}
	timeline := o.process.Timeline
	if elapsed := timeline[o.borders[last]].SinceStart - timeline[o.borders[0]].SinceStart; elapsed > 0 && at(last) > at(0) {
		g.BytesPerSecond = float64(at(last)-at(0)) / elapsed.Seconds()
	}
	switch {
	case before(last) < end/2:
		g.Kind = model.GrowthUnknown
		g.Reason = fmt.Sprintf("most of it came after %s of %s: a longer run would tell whether it goes on", when(last), when(parts-1))
	case rises == 0:
		g.Kind = model.GrowthStartUp
		g.Reason = fmt.Sprintf("it has held this since %s of %s", when(0), when(parts-1))
	case latest < last-1 || latest < last && rises < 3 && end-at(latest) < least:
		g.Kind = model.GrowthOneOff
		g.Reason = fmt.Sprintf("it grew until %s of %s, and not since", when(latest), when(parts-1))
	case first > 1 && before(first-1) >= end/10*9:
		g.Kind = model.GrowthOneOff
		g.Reason = fmt.Sprintf("it goes up and down, and had as much at %s of %s", when(first-1), when(parts-1))
	case first > 1 && before(first-1) >= end/2:
		g.Kind = model.GrowthUnknown
		g.Reason = fmt.Sprintf("it rises since %s, but before it had as much and gave it back: a longer run would tell", when(first-1))
	case at(last)-at(0) < leastGrowth:
		g.Kind = model.GrowthUnknown
		g.Reason = fmt.Sprintf("it rose in %d of %d parts of %s, but by %s only: a longer run would tell", rises, last, when(parts-1), model.Bytes(at(last)-at(0)))
	case rises < 3:
		g.Kind = model.GrowthUnknown
		g.Reason = fmt.Sprintf("it grew in %d of %d parts of %s: a longer run would tell whether it goes on", rises, last, when(parts-1))
	default:
		g.Kind = model.GrowthRising
		g.Reason = fmt.Sprintf("what it keeps rose in %d of %d parts of %s, from %s to %s",
			rises, last, when(parts-1), model.Bytes(at(0)), model.Bytes(end))
		if s.Frees == 0 && s.Allocations > 1 {
			g.Reason += fmt.Sprintf("; of %d blocks it gave back none", s.Allocations)
		}
	}
}

// judgeByAge has the counts alone: when it allocated first and last, and how
// much of that it still has.
func judgeByAge(g *model.Growth, s *model.Sample, o *span) {
	spread := s.Last - s.First
	switch {
	case o.end < shortest:
		g.Kind, g.Reason = model.GrowthUnknown, fmt.Sprintf("the program was seen for %s only: too short to tell", seconds(o.end))
	case s.Last <= o.end/parts:
		g.Kind, g.Reason = model.GrowthStartUp, fmt.Sprintf("it allocated last at %s of %s", seconds(s.Last), seconds(o.end))
	case s.Allocations < parts:
		g.Kind, g.Reason = model.GrowthOneOff, fmt.Sprintf("it allocated %d times in %s", s.Allocations, seconds(o.end))
	case spread >= o.end/2 && s.Last >= o.end/4*3 && s.FreedBytes <= s.AllocatedBytes/10:
		g.Kind, g.BytesPerSecond = model.GrowthRising, float64(g.LiveBytes)/spread.Seconds()
		g.Reason = fmt.Sprintf("it allocated from %s to %s of %s, %d times, and still has %d %% of it",
			seconds(s.First), seconds(s.Last), seconds(o.end), s.Allocations, percent(g.LiveBytes, s.AllocatedBytes))
	default:
		g.Kind, g.Reason = model.GrowthUnknown, "it was looked at once only: whether it grows is not known"
	}
}

func percent(part, whole uint64) uint64 {
	if whole == 0 {
		return 0
	}
	return uint64(float64(part) / float64(whole) * 100)
}

func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
