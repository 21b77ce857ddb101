package leak

import (
	"fmt"

	"github.com/ffikit/ffikit/go/model"
)

// verdict says whose memory grows. It is nil where nothing was seen over time
// and nothing is known to grow.
func verdict(h *model.Hunt, observed []span) *model.Verdict {
	v := &model.Verdict{}
	watched := false
	for i := range observed {
		o := &observed[i]
		if o.borders == nil {
			continue
		}
		watched = true
		first, last := &o.process.Timeline[o.borders[0]], &o.process.Timeline[o.moments-1]
		v.LiveGrowthBytes += signed(last.LiveBytes) - signed(first.LiveBytes)
		v.MappedGrowthBytes += signed(last.MappedBytes) - signed(first.MappedBytes)
		v.RSSGrowthBytes += rssGrowth(o.process.Timeline[o.borders[0]:o.moments])
	}
	var rising []*model.Growth
	var rate float64
	for i := range h.Growth {
		if g := &h.Growth[i]; g.Kind == model.GrowthRising {
			rising = append(rising, g)
			rate += g.BytesPerSecond
		}
	}
	switch {
	case len(rising) > 0:
		worst, blamed := rising[0], 0.0
		for _, g := range rising {
			if lineOf(h, g) == lineOf(h, worst) {
				blamed += g.BytesPerSecond
			}
		}
		v.Text = fmt.Sprintf("Native memory grows by %s a second; %d %% of that is asked for by %s",
			model.Bytes(rounded(rate)), percent(rounded(blamed), rounded(rate)), placeOf(h, worst))
		if watched {
			v.Text += " (" + changes(v) + ")"
		}
		v.Text += "."
	case watched:
		v.Text = "No allocation site keeps growing (" + changes(v) + ", after the first eighth of the time)."
	default:
		return nil
	}
	return v
}

// rssGrowth is from the first to the last moment of which the kernel told RSS:
// of one behind the end it does not.
func rssGrowth(moments []model.Moment) int64 {
	var known []uint64
	for i := range moments {
		if rss := moments[i].RSSBytes; rss > 0 {
			known = append(known, rss)
		}
	}
	if len(known) < 2 {
		return 0
	}
	return signed(known[len(known)-1]) - signed(known[0])
}

func placeOf(h *model.Hunt, g *model.Growth) string {
	frames := h.Samples[g.Sample].Stack.Frames
	if g.Blame == nil || g.Blame.Frame >= len(frames) {
		return "code that is no user's"
	}
	f := &frames[g.Blame.Frame]
	name := f.Function
	if name == "" {
		name = f.Module
	}
	if f.File != "" {
		name += fmt.Sprintf(" at %s:%d", f.File, f.Line)
	}
	return name
}

func signed(n uint64) int64 { return int64(min(n, 1<<62)) }

func rounded(f float64) uint64 {
	if !(f > 0) {
		return 0
	}
	return uint64(min(f+0.5, 1<<62))
}

// changes are the numbers behind the words.
func changes(v *model.Verdict) string {
	text := "malloc: " + change(v.LiveGrowthBytes)
	if v.MappedGrowthBytes != 0 {
		text += ", mmap: " + change(v.MappedGrowthBytes)
	}
	return text + ", RSS: " + change(v.RSSGrowthBytes)
}

func change(n int64) string {
	if n < 0 {
		return "−" + model.Bytes(uint64(-n))
	}
	return "+" + model.Bytes(uint64(n))
}
