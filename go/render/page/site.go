package page

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// siteView are the allocation sites that are blamed on one line.
type siteView struct {
	ID, Rate, Live, Blocks, Class, Reason string
	Function, Place, Language             string
	// Course is the path of a small drawing of what was live.
	Course string
	Stacks []stackView
	// MoreStacks are those that are not shown.
	MoreStacks int

	rate          float64
	bytes, blocks uint64
}

type stackView struct {
	About     string
	Frames    []frameView
	Truncated string
}

type frameView struct {
	Function, Place, Language, Machinery string
	// Boundary is the change of language between this frame and its caller.
	Boundary                     string
	IsBlamed, IsRuntime, IsCount bool
}

// apartView are sites that are set apart for one reason.
type apartView struct {
	Kind, Reason, Live, Sites string
	bytes                     uint64
	sites                     uint64
}

type crossingView struct {
	Boundary, Live, Blocks, Rate, Caller, CallerPlace, Callee, CalleePlace string
}

// maxStacks and maxFrames are how many are shown of one line, and of one stack.
const (
	maxStacks = 5
	maxFrames = 150
)

func counted(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}

func rateText(bytesPerSecond float64) string {
	if !(bytesPerSecond >= 1) {
		return ""
	}
	return "+" + model.Bytes(uint64(min(bytesPerSecond, 1<<62))) + "/s"
}

// blocksText is empty where nobody counted the blocks that are held.
func blocksText(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func saturatingAdd(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}

// sampleOf is the site of a growth; nil where it names none.
func sampleOf(h *model.Hunt, g *model.Growth) *model.Sample {
	if g.Sample < 0 || g.Sample >= len(h.Samples) {
		return nil
	}
	return &h.Samples[g.Sample]
}

func blamedOf(frames []model.Frame, blame *model.Blame) *model.Frame {
	if blame == nil || blame.Frame < 0 || blame.Frame >= len(frames) {
		return nil
	}
	return &frames[blame.Frame]
}

// siteViews are the lines of a kind, in the order of the hunt: the worst first.
func siteViews(h *model.Hunt, kind model.GrowthKind, prefix string) []siteView {
	type key struct {
		function, file string
		line           int
		print          string
	}
	index := map[key]int{}
	var views []siteView
	for i := range h.Growth {
		g := &h.Growth[i]
		s := sampleOf(h, g)
		if g.Kind != kind || s == nil {
			continue
		}
		k := key{print: s.Fingerprint}
		blame := blamedOf(s.Stack.Frames, g.Blame)
		if blame != nil {
			k = key{function: blame.Function, file: blame.File, line: blame.Line}
		}
		at, ok := index[k]
		if !ok {
			at = len(views)
			index[k] = at
			views = append(views, newSite(prefix+"-"+strconv.Itoa(at+1), s, g, blame))
		}
		v := &views[at]
		v.rate, v.bytes, v.blocks = v.rate+g.BytesPerSecond, saturatingAdd(v.bytes, g.LiveBytes), saturatingAdd(v.blocks, g.LiveCount)
		if len(v.Stacks) == maxStacks {
			v.MoreStacks++
			continue
		}
		v.Stacks = append(v.Stacks, stackViewOf(h, s, g))
	}
	for i := range views {
		v := &views[i]
		v.Rate, v.Live, v.Blocks = rateText(v.rate), model.Bytes(v.bytes), blocksText(v.blocks)
	}
	return views
}

func newSite(id string, s *model.Sample, g *model.Growth, blame *model.Frame) siteView {
	v := siteView{ID: id, Reason: render.Printable(g.Reason), Course: course(s.LiveSeries), Function: "no line of yours"}
	if s.Class != model.ClassHeap {
		v.Class = render.Printable(string(s.Class))
	}
	if blame != nil {
		v.Function, v.Place, v.Language = render.FrameName(blame), render.FramePlace(blame), languageClass(blame.Language)
	}
	return v
}

func stackViewOf(h *model.Hunt, s *model.Sample, g *model.Growth) stackView {
	v := stackView{Truncated: render.Printable(s.Stack.Truncated)}
	v.About = model.Bytes(g.LiveBytes)
	if g.LiveCount > 0 {
		v.About += " in " + counted(g.LiveCount, "block")
	}
	v.About += ", of " + model.Bytes(s.AllocatedBytes) + " allocated"
	if len(h.Processes) > 1 && s.Process >= 0 && s.Process < len(h.Processes) {
		v.About += fmt.Sprintf(", process %d", h.Processes[s.Process].PID)
	}
	frames := s.Stack.Frames
	for i := range frames[:min(len(frames), maxFrames)] {
		f := &frames[i]
		view := frameView{
			Function: render.FrameName(f), Place: render.FramePlace(f), Language: languageClass(f.Language),
			IsRuntime: f.Runtime, IsBlamed: g.Blame != nil && g.Blame.Frame == i,
		}
		if f.Runtime {
			view.Machinery = render.Printable(f.Machinery)
		}
		if f.Boundary != "" {
			view.Boundary = boundaryText(f.Boundary)
		}
		v.Frames = append(v.Frames, view)
	}
	if n := len(frames) - maxFrames; n > 0 {
		v.Frames = append(v.Frames, frameView{Function: counted(uint64(n), "more frame"), Language: "other", IsCount: true})
	}
	return v
}

// apartViews sum up what is neither growing nor unknown, by reason.
func apartViews(h *model.Hunt) []apartView {
	index := map[string]int{}
	var views []apartView
	for i := range h.Growth {
		g := &h.Growth[i]
		if g.Kind == model.GrowthRising || g.Kind == model.GrowthUnknown {
			continue
		}
		key, reason := string(g.Kind), "the largest: "+g.Reason
		if g.Rule != "" {
			key, reason = key+"\x00"+g.Rule, g.Reason+" (rule "+g.Rule+")"
		}
		at, ok := index[key]
		if !ok {
			at = len(views)
			index[key] = at
			views = append(views, apartView{Kind: render.Printable(string(g.Kind)), Reason: render.Printable(reason)})
		}
		views[at].bytes, views[at].sites = saturatingAdd(views[at].bytes, g.LiveBytes), views[at].sites+1
	}
	for i := range views {
		views[i].Live, views[i].Sites = model.Bytes(views[i].bytes), strconv.FormatUint(views[i].sites, 10)
	}
	slices.SortStableFunc(views, func(a, b apartView) int {
		if a.bytes > b.bytes {
			return -1
		}
		return 0
	})
	return views[:min(len(views), maxRows)]
}

func crossingViews(h *model.Hunt) []crossingView {
	var views []crossingView
	for i := range h.Crossings[:min(len(h.Crossings), maxRows)] {
		c := &h.Crossings[i]
		views = append(views, crossingView{
			Boundary: boundaryText(c.Boundary), Live: model.Bytes(c.LiveBytes), Blocks: blocksText(c.LiveCount), Rate: rateText(c.BytesPerSecond),
			Caller: render.FrameName(&c.Caller), CallerPlace: render.FramePlace(&c.Caller), Callee: render.FrameName(&c.Callee), CalleePlace: render.FramePlace(&c.Callee),
		})
	}
	return views
}
