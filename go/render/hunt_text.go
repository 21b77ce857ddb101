package render

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// HuntText writes doc for a person, as Text does: the verdict, what grows with
// its stacks, what may, and what is set apart with the reason. The error is w's.
func HuntText(w io.Writer, doc *HuntDocument, opts HuntOptions) error {
	if opts.Width == 0 {
		opts.Width = defaultWidth
	}
	opts.Width = max(opts.Width, minWidth)
	if opts.Top <= 0 {
		opts.Top = defaultTop
	}
	p := &huntPrinter{textPrinter: &textPrinter{opts: opts.TextOptions}, doc: doc, top: opts.Top}
	switch {
	case doc.Changes != nil:
		p.changes()
	case opts.ByCrossing:
		p.heading()
		p.crossings()
	default:
		p.heading()
		p.growth()
		p.setApart()
	}
	p.closing(&Document{ReportSet: model.ReportSet{Partial: doc.Partial}, Command: doc.Command})
	return p.flush(w)
}

type huntPrinter struct {
	*textPrinter
	doc *HuntDocument
	top int
}

const huntIndent = "   "

func (p *huntPrinter) title(text, side string) {
	text = shortenMiddle(text, p.opts.Width-runes(side)-8)
	rule := strings.Repeat("─", max(p.opts.Width-runes(text)-runes(side)-4, 0))
	p.line(p.paint(styleDim, "── "), p.paint(styleBold, text), " ", p.paint(styleDim, rule+side))
}

// heading says what was watched, and the verdict.
func (p *huntPrinter) heading() {
	live := p.livePerProcess()
	order := make([]int, len(live))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(live[b].bytes, live[a].bytes) })
	for n, i := range order {
		if n == maxShownProcesses {
			var rest uint64
			for _, other := range order[n:] {
				rest += live[other].bytes
			}
			p.line(p.paint(styleDim, fmt.Sprintf("%s… and %s that hold less, %s together", huntIndent, counted(uint64(len(order)-n), "program"), model.Bytes(rest))))
			break
		}
		p.process(&p.doc.Processes[i], live[i])
	}
	if p.doc.Verdict != nil {
		p.line()
		p.wrapped(huntIndent, huntIndent, printable(p.doc.Verdict.Text, 0), styleYellow)
	}
	p.line()
}

// maxShownProcesses is of how many programs, those that hold most, the course is shown.
const maxShownProcesses = 3

// liveSum is what a process holds at the end.
type liveSum struct{ bytes, blocks, allocations uint64 }

func (p *huntPrinter) livePerProcess() []liveSum {
	live := make([]liveSum, len(p.doc.Processes))
	for i := range p.doc.Samples {
		s := &p.doc.Samples[i]
		if s.Class == model.ClassHeap && s.Process >= 0 && s.Process < len(live) {
			of := &live[s.Process]
			of.bytes, of.blocks, of.allocations = of.bytes+s.LiveBytes(), of.blocks+s.LiveCount(), of.allocations+s.Allocations
		}
	}
	return live
}

func (p *huntPrinter) process(process *model.Process, live liveSum) {
	name := "process"
	if len(process.Arguments) > 0 {
		args := make([]string, 0, len(process.Arguments))
		for _, arg := range process.Arguments[:min(len(process.Arguments), 50)] {
			args = append(args, printable(arg, 200))
		}
		args[0] = path.Base(args[0])
		name = strings.Join(args, " ")
	}
	p.title(name, fmt.Sprintf(" process %d ──", process.PID))
	about := ""
	if process.SampleBytes > 0 {
		about = fmt.Sprintf(" (estimated: one in %s was tracked)", model.Bytes(process.SampleBytes))
	}
	ran := ""
	if n := len(process.Timeline); n > 0 {
		ran = fmt.Sprintf("%.1f s, ", process.Timeline[n-1].SinceStart.Seconds())
	}
	p.wrapped(huntIndent, huntIndent, fmt.Sprintf("%sat the end %s in %s, of %s%s", ran, model.Bytes(live.bytes), counted(live.blocks, "block"), counted(live.allocations, "allocation"), about), "")
	p.timeline(process.Timeline)
}

// timeline shows the course of live memory and RSS.
func (p *huntPrinter) timeline(moments []model.Moment) {
	if len(moments) < 2 {
		return
	}
	rows := []struct {
		name string
		of   func(*model.Moment) uint64
	}{
		{"live", func(m *model.Moment) uint64 { return m.LiveBytes }},
		{"mapped", func(m *model.Moment) uint64 { return m.MappedBytes }},
		{"RSS", func(m *model.Moment) uint64 { return m.RSSBytes }},
		{"Go heap", func(m *model.Moment) uint64 { return m.GoHeapBytes }},
	}
	for _, row := range rows {
		values := make([]uint64, 0, len(moments))
		for i := range moments {
			if n := row.of(&moments[i]); n > 0 || row.name == "live" {
				values = append(values, n)
			}
		}
		if len(values) < 2 || row.name == "mapped" && slices.Min(values) == slices.Max(values) {
			continue
		}
		p.line(huntIndent, p.paint(styleDim, pad(row.name, 8)), p.paint(styleCyan, courseOf(values, 40)), "  ",
			model.Bytes(values[0])+" → "+model.Bytes(values[len(values)-1]))
	}
}

// courseOf draws values as a line of at most width blocks, the largest as a whole one.
func courseOf(values []uint64, width int) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	width = min(width, len(values))
	most := uint64(1)
	for _, v := range values {
		most = max(most, v)
	}
	out := make([]rune, width)
	for i := range out {
		v := values[i*len(values)/width]
		if i == width-1 {
			v = values[len(values)-1]
		}
		out[i] = blocks[min(int(float64(v)/float64(most)*float64(len(blocks))), len(blocks)-1)]
	}
	return string(out)
}

// siteGroup are the neighbours in Growth that are blamed on one line: a call of
// a library asks for memory in many places, and many processes may call it.
type siteGroup struct {
	first  *model.Growth
	stacks int
	rate   float64
	bytes  uint64
	blocks uint64
}

// groups are the sites of a kind by the blamed line.
func (p *huntPrinter) groups(kind model.GrowthKind) []siteGroup {
	var groups []siteGroup
	var last *model.Frame
	lastPrint := ""
	for i := range p.doc.Growth {
		g := &p.doc.Growth[i]
		if g.Kind != kind || g.Sample < 0 || g.Sample >= len(p.doc.Samples) {
			continue
		}
		s := &p.doc.Samples[g.Sample]
		blame := blamedOf(s.Stack.Frames, g.Blame)
		isSame := blame == nil && last == nil && s.Fingerprint != "" && s.Fingerprint == lastPrint
		if blame != nil && last != nil {
			isSame = blame.Function == last.Function && blame.File == last.File && blame.Line == last.Line
		}
		if last, lastPrint = blame, s.Fingerprint; !isSame {
			groups = append(groups, siteGroup{first: g})
		}
		of := &groups[len(groups)-1]
		of.stacks, of.rate, of.bytes, of.blocks = of.stacks+1, of.rate+g.BytesPerSecond, of.bytes+g.LiveBytes, of.blocks+g.LiveCount
	}
	return groups
}

// growth shows what grows, and what may.
func (p *huntPrinter) growth() {
	isNone := true
	for _, of := range []struct {
		kind  model.GrowthKind
		title string
	}{{model.GrowthRising, "keeps growing"}, {model.GrowthUnknown, "held, and perhaps growing"}} {
		groups := p.groups(of.kind)
		if len(groups) == 0 {
			continue
		}
		isNone = false
		p.title(of.title, "")
		shown := min(len(groups), p.top)
		if of.kind == model.GrowthUnknown {
			shown = p.worthwhile(groups[:shown])
		}
		for i := range groups[:shown] {
			p.site(&groups[i], i+1, of.kind == model.GrowthRising || i < maxExcerpts)
		}
		if beyond := groups[shown:]; len(beyond) > 0 {
			var bytes uint64
			for i := range beyond {
				bytes += beyond[i].bytes
			}
			p.line(p.paint(styleDim, fmt.Sprintf("%s… %d more, of %s (--top N)", huntIndent, len(beyond), model.Bytes(bytes))))
			p.line()
		}
	}
	if isNone {
		text := "Nothing that is tracked grows."
		if len(p.doc.Processes) == 0 {
			text = "Nothing was tracked, which says nothing about leaks."
		}
		p.line(huntIndent, text)
		p.line()
	}
}

// worthwhile is how many groups, which are sorted by it, hold a hundredth of all
// that is held: but one at least.
func (p *huntPrinter) worthwhile(groups []siteGroup) int {
	var all uint64
	for i := range p.doc.Growth {
		all += p.doc.Growth[i].LiveBytes
	}
	n := 1
	for n < len(groups) && groups[n].bytes >= all/100 {
		n++
	}
	return n
}

// site shows the allocation sites of one line, with the stack of the first.
func (p *huntPrinter) site(of *siteGroup, number int, withStack bool) {
	g := of.first
	s := &p.doc.Samples[g.Sample]
	head := model.Bytes(of.bytes)
	if of.blocks > 0 {
		head += " in " + counted(of.blocks, "block")
	}
	if s.Class != model.ClassHeap {
		head += ", " + printable(string(s.Class), 40)
	}
	if of.stacks > 1 {
		head += fmt.Sprintf(", by %d sites", of.stacks)
	}
	rate, course := "", ""
	if g.Kind == model.GrowthRising {
		rate = p.rate(of.rate) + "  "
	}
	if len(s.LiveSeries) > 1 {
		course = "  " + courseOf(s.LiveSeries, 24)
	}
	p.line(p.paint(styleBold, pad(fmt.Sprintf("#%d", number), 4)), p.paint(styleRed, rate), p.paint(styleBold, head), p.paint(styleCyan, course))
	p.blamed(s.Stack.Frames, g.Blame)
	p.wrapped("    why: ", "         ", printable(g.Reason, 0), styleDim)
	if blame := blamedOf(s.Stack.Frames, g.Blame); blame != nil && number <= maxExcerpts {
		p.excerpt(blame)
	}
	p.line()
	if withStack {
		p.stackOf(&s.Stack, g.Blame)
		p.line()
	}
}

// maxExcerpts is how many sites of a kind are shown with their source, and of those
// that perhaps grow with their stacks.
const maxExcerpts = 3

func (p *huntPrinter) rate(bytesPerSecond float64) string {
	if !(bytesPerSecond >= 1) {
		return "slowly"
	}
	return "+" + model.Bytes(uint64(min(bytesPerSecond, 1<<62))) + "/s"
}

func blamedOf(frames []model.Frame, blame *model.Blame) *model.Frame {
	if blame == nil || blame.Frame < 0 || blame.Frame >= len(frames) {
		return nil
	}
	return &frames[blame.Frame]
}

// blamed names the frame to look at first.
func (p *huntPrinter) blamed(frames []model.Frame, blame *model.Blame) {
	if f := blamedOf(frames, blame); f != nil {
		p.line("    ", p.paint(styleYellow, p.oneLine(f, p.opts.Width-4)))
	}
}

// oneLine is a frame's function and place in width columns.
func (p *huntPrinter) oneLine(f *model.Frame, width int) string {
	place := p.place(f)
	name := functionText(f)
	if name == "" {
		return shortenPlace(place, width)
	}
	name = shortenFunction(name, max(width-runes(place)-4, width/2))
	if place == "" {
		return name
	}
	return name + " at " + shortenPlace(place, max(width-runes(name)-4, 12))
}

func (p *huntPrinter) stackOf(s *model.Stack, blame *model.Blame) {
	m := marks{blamed: -1}
	if blame != nil {
		m.blamed = blame.Frame
	}
	if len(s.Frames) == 0 {
		p.line("       (no frames)")
	}
	p.frames(s.Frames, p.functionWidth([]model.Stack{*s}), &m)
	if s.Truncated != "" {
		p.wrapped("       ⋯ ", "         ", "ends here: "+printable(s.Truncated, 0), styleDim)
	}
}

// setApart sums up what holds memory for a known reason.
func (p *huntPrinter) setApart() {
	type group struct {
		kind, reason, rule string
		sites              int
		bytes              uint64
		largest            *model.Growth
	}
	var groups []*group
	byRule := map[string]*group{}
	for i := range p.doc.Growth {
		g := &p.doc.Growth[i]
		if g.Kind == model.GrowthRising || g.Kind == model.GrowthUnknown || g.Sample < 0 || g.Sample >= len(p.doc.Samples) {
			continue
		}
		key := string(g.Kind) + "\x00" + g.Reason
		if g.Rule == "" {
			key = string(g.Kind)
		}
		of := byRule[key]
		if of == nil {
			of = &group{kind: string(g.Kind), reason: g.Reason, rule: g.Rule, largest: g}
			byRule[key] = of
			groups = append(groups, of)
		}
		of.sites++
		of.bytes += g.LiveBytes
	}
	if len(groups) == 0 {
		return
	}
	p.title("set apart", "")
	for _, of := range groups {
		text := fmt.Sprintf("%s in %s", model.Bytes(of.bytes), counted(uint64(of.sites), "site"))
		p.line(huntIndent, p.paint(styleBold, pad(printable(of.kind, 12), 9)), text)
		reason := printable(of.reason, 0)
		if of.rule != "" {
			reason += " (rule " + printable(of.rule, 200) + ")"
		} else if of.sites > 1 {
			reason = "the largest: " + reason
		}
		p.wrapped("            ", "            ", reason, styleDim)
		if s := &p.doc.Samples[of.largest.Sample]; of.rule == "" && blamedOf(s.Stack.Frames, of.largest.Blame) != nil {
			p.line("            ", p.oneLine(blamedOf(s.Stack.Frames, of.largest.Blame), p.opts.Width-12))
		}
	}
	p.line()
}
