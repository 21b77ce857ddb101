package leak

import (
	"cmp"
	"slices"
	"time"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

// Options steer Analyse.
type Options struct {
	// Rules set sites apart; nil: none do.
	Rules *Rules
	Merge merge.Options
}

// maxGrowth bounds how many sites are ranked: those that hold most.
const maxGrowth = 10_000

// Analyse sets Growth, Crossings and Verdict of a hunt whose Processes and
// Samples are there. What it finds wrong with them (a series of another length
// than the timeline) it takes for unknown.
func Analyse(h *model.Hunt, opts Options) {
	observed := make([]span, len(h.Processes))
	for i := range h.Processes {
		observed[i] = observe(&h.Processes[i], h.Samples, i)
	}
	growth := make([]model.Growth, 0, min(len(h.Samples), maxGrowth))
	for i := range h.Samples {
		s := &h.Samples[i]
		if s.Process < 0 || s.Process >= len(observed) {
			continue
		}
		g, ok := judge(s, &observed[s.Process])
		if !ok {
			continue
		}
		g.Sample = i
		if rule := opts.Rules.find(s.Stack.Frames); rule != nil {
			setApart(&g, rule.Kind, rule.Text, rule.Reason)
		}
		growth = append(growth, g)
	}
	for i := range growth {
		g := &growth[i]
		report := model.Report{Tool: "ffikit hunt", Leaked: &model.Leaked{}, Stacks: []model.Stack{h.Samples[g.Sample].Stack}}
		g.Blame = merge.Blame(&report, opts.Merge)
	}
	sortGrowth(h, growth)
	h.Growth = growth[:min(len(growth), maxGrowth)]
	h.Crossings = crossings(h)
	h.Verdict = verdict(h, observed)
}

func setApart(g *model.Growth, kind, rule, reason string) {
	g.Kind, g.Rule = model.GrowthKind(kind), rule
	if kind == "leak" {
		g.Kind = model.GrowthCache
	}
	if reason != "" {
		g.Reason = reason
	} else {
		g.Reason = "a rule sets it apart"
	}
}

var kindOrder = map[model.GrowthKind]int{model.GrowthRising: 0, model.GrowthUnknown: 1, model.GrowthOneOff: 2, model.GrowthCache: 3, model.GrowthStartUp: 4}

// sortGrowth sorts by kind, those of one blamed line together: the line that
// grows fastest, or holds most, first, and of one line the site that does.
func sortGrowth(h *model.Hunt, growth []model.Growth) {
	type sum struct {
		rate  float64
		bytes uint64
	}
	lines := make([]line, len(h.Samples))
	sums := map[line]sum{}
	for i := range growth {
		g := &growth[i]
		at := lineOf(h, g)
		lines[g.Sample] = at
		of := sums[at]
		sums[at] = sum{of.rate + g.BytesPerSecond, of.bytes + g.LiveBytes}
	}
	slices.SortStableFunc(growth, func(a, b model.Growth) int {
		first, second := sums[lines[a.Sample]], sums[lines[b.Sample]]
		byRate, ownRate := 0, 0
		if a.Kind == model.GrowthRising {
			byRate, ownRate = cmp.Compare(second.rate, first.rate), cmp.Compare(b.BytesPerSecond, a.BytesPerSecond)
		}
		return cmp.Or(cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]), byRate, cmp.Compare(second.bytes, first.bytes),
			lines[a.Sample].compare(lines[b.Sample]), ownRate, cmp.Compare(b.LiveBytes, a.LiveBytes))
	})
}

// line is the line of a user's that a growth is blamed on, of a kind.
type line struct {
	kind           model.GrowthKind
	function, file string
	number         int
	// fingerprint tells apart what has no such line.
	fingerprint string
}

func lineOf(h *model.Hunt, g *model.Growth) line {
	frames := h.Samples[g.Sample].Stack.Frames
	if g.Blame == nil || g.Blame.Frame >= len(frames) {
		return line{kind: g.Kind, fingerprint: h.Samples[g.Sample].Fingerprint}
	}
	f := &frames[g.Blame.Frame]
	return line{g.Kind, f.Function, f.File, f.Line, ""}
}

func (l line) compare(other line) int {
	return cmp.Or(cmp.Compare(l.function, other.function), cmp.Compare(l.file, other.file), cmp.Compare(l.number, other.number), cmp.Compare(l.fingerprint, other.fingerprint))
}

// span is the time in which a process was watched at its work.
type span struct {
	process *model.Process
	// moments are how many of the timeline count: not those in which a process
	// that ended in an orderly way gave back what it had.
	moments int
	// end is when it was last seen, or allocated.
	end time.Duration
	// borders are the indexes of the moments that end each eighth of the time;
	// nil where there were too few, or too little time passed.
	borders []int
}

const (
	// parts is into how many parts the time is divided.
	parts = 8
	// shortest is how long a process must have been watched for its parts to differ.
	shortest = 500 * time.Millisecond
)

func observe(p *model.Process, samples []model.Sample, index int) span {
	o := span{process: p, moments: len(p.Timeline)}
	for i := range samples {
		if samples[i].Process == index {
			o.end = max(o.end, samples[i].Last)
		}
	}
	if o.moments == 0 {
		return o
	}
	o.end = max(o.end, p.Timeline[o.moments-1].SinceStart)
	at := func(i int) uint64 { return p.Timeline[i].LiveBytes + p.Timeline[i].MappedBytes }
	for p.Ended == "exited" && o.moments > 1 && at(o.moments-1) < at(o.moments-2) {
		o.moments--
	}
	first, last := p.Timeline[0].SinceStart, p.Timeline[o.moments-1].SinceStart
	if o.moments <= parts || last-first < shortest {
		return o
	}
	for part := 1; part <= parts; part++ {
		border := first + (last-first)/parts*time.Duration(part)
		if part == parts {
			border = last
		}
		i, _ := slices.BinarySearchFunc(p.Timeline[:o.moments], border, func(m model.Moment, t time.Duration) int {
			if m.SinceStart <= t {
				return -1
			}
			return 1
		})
		o.borders = append(o.borders, max(i-1, 0))
	}
	return o
}
