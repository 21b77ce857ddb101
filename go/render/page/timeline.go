package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// processView is what a process held over time.
type processView struct {
	Name, About string
	// Lines are drawn into a box of chartWidth × chartHeight; none: nothing was watched.
	Lines  []lineView
	XTicks []tickView
	YTicks []tickView
}

type lineView struct{ Class, Name, Path, From, To string }

type tickView struct {
	At   int
	Text string
}

const (
	chartWidth  = 800
	chartHeight = 180
	// maxPoints bounds the points of a line: more cannot be seen.
	maxPoints = 400
)

func processName(p *model.Process) string {
	return commandLine(p.Arguments) + " (" + strconv.Itoa(p.PID) + ")"
}

// processViews are the processes that hold most.
func processViews(h *model.Hunt) []processView {
	live, blocks := make([]uint64, len(h.Processes)), make([]uint64, len(h.Processes))
	for i := range h.Samples {
		if s := &h.Samples[i]; s.Class == model.ClassHeap && s.Process >= 0 && s.Process < len(live) {
			live[s.Process], blocks[s.Process] = saturatingAdd(live[s.Process], s.LiveBytes()), saturatingAdd(blocks[s.Process], s.LiveCount())
		}
	}
	order := make([]int, len(live))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(live[b], live[a]) })
	var views []processView
	for _, i := range order[:min(len(order), maxProcesses)] {
		p := &h.Processes[i]
		v := processView{Name: processName(p)}
		if n := len(p.Timeline); n > 0 {
			v.About = fmt.Sprintf("%.1f s, ", p.Timeline[n-1].SinceStart.Seconds())
		}
		v.About += fmt.Sprintf("at the end %s in %s", model.Bytes(live[i]), counted(blocks[i], "block"))
		if p.SampleBytes > 0 {
			v.About += fmt.Sprintf(" (estimated: one allocation in about %s was tracked)", model.Bytes(p.SampleBytes))
		}
		v.draw(p.Timeline)
		views = append(views, v)
	}
	return views
}

func (v *processView) draw(moments []model.Moment) {
	if len(moments) < 2 || moments[len(moments)-1].SinceStart <= 0 {
		return
	}
	end := moments[len(moments)-1].SinceStart.Seconds()
	series := []struct {
		class, name string
		of          func(*model.Moment) uint64
	}{
		{"rss", "RSS", func(m *model.Moment) uint64 { return m.RSSBytes }},
		{"live", "live (malloc)", func(m *model.Moment) uint64 { return m.LiveBytes }},
		{"mapped", "live (mmap)", func(m *model.Moment) uint64 { return m.MappedBytes }},
		{"gosys", "Go Sys", func(m *model.Moment) uint64 { return m.GoSysBytes }},
		{"goheap", "Go heap", func(m *model.Moment) uint64 { return m.GoHeapBytes }},
	}
	var most, mapped uint64
	for _, s := range series {
		for i := range moments {
			if s.class == "mapped" {
				mapped = max(mapped, s.of(&moments[i]))
			} else {
				most = max(most, s.of(&moments[i]))
			}
		}
	}
	if mapped/3 > most { // what runtimes reserve is address space, and would flatten all else
		v.About += fmt.Sprintf("; up to %s by mmap, most of it reserved only, are not drawn", model.Bytes(mapped))
		series = slices.Delete(series, 2, 3)
	} else {
		most = max(most, mapped)
	}
	top, step := scale(most)
	for _, s := range series {
		var points strings.Builder
		var first, last uint64
		n := 0
		for k := range min(len(moments), maxPoints) {
			i := k
			if len(moments) > maxPoints {
				i = k * (len(moments) - 1) / (maxPoints - 1)
			}
			m := &moments[i]
			value := s.of(m)
			if value == 0 && s.class != "live" { // unknown
				continue
			}
			if n == 0 {
				first = value
			}
			last = value
			x := min(max(m.SinceStart.Seconds()/end, 0), 1) * chartWidth
			fmt.Fprintf(&points, "%c%.1f %.1f", "ML"[min(n, 1)], x, chartHeight-float64(value)/top*chartHeight)
			n++
		}
		if n > 1 {
			v.Lines = append(v.Lines, lineView{Class: s.class, Name: s.name, Path: points.String(), From: model.Bytes(first), To: model.Bytes(last)})
		}
	}
	for at := 0.0; at <= top*1.001; at += step {
		v.YTicks = append(v.YTicks, tickView{At: int(chartHeight - at/top*chartHeight), Text: model.Bytes(uint64(at))})
	}
	for i := range 5 {
		v.XTicks = append(v.XTicks, tickView{At: i * chartWidth / 4, Text: secondsText(end * float64(i) / 4)})
	}
}

// scale is the upper end of an axis for values up to most, and the way between
// its ticks: a round number of some unit of bytes.
func scale(most uint64) (top, step float64) {
	value := max(float64(most), 4)
	unit := 1.0
	for value/unit >= 1024 {
		unit *= 1024
	}
	for _, round := range []float64{0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 256, 512} {
		if step = round * unit; step*4 >= value {
			break
		}
	}
	for top = step; top < value; {
		top += step
	}
	return top, step
}

func secondsText(s float64) string {
	switch {
	case s >= 7200:
		return fmt.Sprintf("%.1f h", s/3600)
	case s >= 120:
		return fmt.Sprintf("%.1f min", s/60)
	}
	return fmt.Sprintf("%.1f s", s)
}

// course is the path of a small drawing of values, 100 × 20.
func course(values []uint64) string {
	if len(values) < 2 {
		return ""
	}
	most := uint64(1)
	for _, v := range values {
		most = max(most, v)
	}
	var out strings.Builder
	points := min(len(values), 50)
	for k := range points {
		v := values[k*(len(values)-1)/(points-1)]
		fmt.Fprintf(&out, "%c%.0f %.1f", "ML"[min(k, 1)], float64(k)*100/float64(points-1), 19-float64(v)/float64(most)*18)
	}
	return out.String()
}
