package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// marks are the frames of one stack that stand out.
type marks struct {
	blamed  int // -1 is none
	related map[int]string
}

func (p *textPrinter) stack(r *model.Report, index, width int) {
	s := &r.Stacks[index]
	m := marks{blamed: -1, related: map[int]string{}}
	if r.Blame != nil && r.Blame.Stack == index {
		m.blamed = r.Blame.Frame
	}
	for _, related := range r.Related {
		if related.Stack == index {
			m.related[related.Frame] = related.Reason
		}
	}
	heading := shortenMiddle(printable(string(s.Role), 40), 20)
	name := printable(strings.TrimSuffix(strings.TrimSpace(s.Name), ":"), 300)
	if heading == "" || heading == string(model.RoleOther) {
		heading = "stack"
	}
	if name != "" {
		name = " — " + shortenMiddle(name, p.opts.Width-runes(heading)-6)
	}
	p.line("   ", p.paint(styleBold, heading), p.paint(styleDim, name))
	if len(s.Frames) == 0 {
		p.line("       (no frames)")
	}
	p.frames(s.Frames, width, &m)
	if s.Truncated != "" {
		p.wrapped("       ⋯ ", "         ", "ends here: "+printable(s.Truncated, 0), styleDim)
	}
}

// columns of a frame's line: mark 4, number 4, language 7, then function and
// place.
const (
	framePrefix  = 17
	minFunction  = 16
	foldIndent   = "            "
	boundaryRule = "╌╌╌╌"
)

// frames writes frames leaf first: each on a line of its own, a run of
// machinery folded into one line, a crossing under the frame that was entered
// by it.
func (p *textPrinter) frames(frames []model.Frame, width int, m *marks) {
	digits := len(strconv.Itoa(max(len(frames)-1, 0)))
	shown := p.shownMachinery(frames)
	for i := 0; i < len(frames); {
		f := &frames[i]
		if f.Runtime && i != m.blamed && i >= shown {
			end := i
			for end < len(frames) && frames[end].Runtime && end != m.blamed {
				end++
			}
			p.line(foldIndent, p.paint(styleDim, foldText(frames[i:end], p.opts.Width-len(foldIndent))))
			i = end
			continue
		}
		p.frame(f, i, digits, width, m)
		if f.Boundary != "" {
			caller, callee, _ := strings.Cut(f.Boundary, ">")
			crossing := shortenMiddle(printable(caller, 20), 12) + " → " + shortenMiddle(printable(callee, 20), 12)
			p.line(foldIndent, p.paint(styleCyan, boundaryRule+" "+crossing+" "+boundaryRule))
		}
		i++
		if n := repeats(frames, i, m); n >= minRepeats && !p.opts.AllFrames {
			p.line(foldIndent, p.paint(styleDim, fmt.Sprintf("… the same frame %d times more, to #%d", n, i+n-1)))
			i += n
		}
	}
}

// minRepeats is how many equal frames fold, as a recursion leaves them.
const minRepeats = 3

// repeats counts the frames from i on that read like the one before it.
func repeats(frames []model.Frame, i int, m *marks) int {
	n := 0
	before := &frames[i-1]
	for i+n < len(frames) {
		f := &frames[i+n]
		same := f.Function == before.Function && f.File == before.File && f.Line == before.Line && f.Module == before.Module &&
			f.VirtAddr == before.VirtAddr && f.Boundary == before.Boundary && f.Inlined == before.Inlined
		if _, marked := m.related[i+n]; !same || marked || i+n == m.blamed || (f.Function == "" && f.File == "" && f.Module == "") {
			break
		}
		n++
	}
	return n
}

// shownMachinery is how many leading frames are shown though they are
// machinery: all where asked for; three where the stack has nothing else.
func (p *textPrinter) shownMachinery(frames []model.Frame) int {
	if p.opts.AllFrames {
		return len(frames)
	}
	for i := range frames {
		if !frames[i].Runtime {
			return 0
		}
	}
	return 3
}

// functionWidth is the width of the function column, the same for all stacks
// of a report: what the functions need, at most what leaves the longest place
// its room, at least half of what there is.
func (p *textPrinter) functionWidth(stacks []model.Stack) int {
	room := p.opts.Width - framePrefix - 2
	function, place := minFunction, 0
	for _, s := range stacks {
		shown := p.shownMachinery(s.Frames)
		for i := range s.Frames {
			if f := &s.Frames[i]; !f.Runtime || i < shown {
				function = max(function, runes(frameTitle(f)))
				place = max(place, runes(p.place(f)))
			}
		}
	}
	return min(function, max(room-place, room/2))
}

func frameTitle(f *model.Frame) string {
	title := functionText(f)
	if title == "" {
		title = "??"
	}
	if f.Inlined {
		title += " (inlined)"
	}
	return title
}

func (p *textPrinter) frame(f *model.Frame, index, digits, width int, m *marks) {
	mark, markStyle, titleStyle := "    ", style(""), styleBold
	reason, isRelated := m.related[index]
	switch {
	case index == m.blamed:
		mark, markStyle, titleStyle = " ▶  ", styleRed, styleYellow
	case isRelated:
		mark, markStyle = " ▷  ", styleYellow
	case f.Runtime:
		titleStyle = styleDim
	}
	number := pad("#"+strconv.Itoa(index), digits+1)
	title := functionText(f)
	if title == "" {
		title = "??"
	}
	suffix := ""
	if f.Inlined {
		suffix = " (inlined)"
	}
	title = shortenFunction(title, width-len(suffix))
	gap := strings.Repeat(" ", max(width-runes(title)-len(suffix), 0))
	prefix := pad(number, 4) + " "
	place := shortenPlace(p.place(f), p.opts.Width-framePrefix-2-width)
	placeStyle := style("")
	if f.Runtime {
		placeStyle = styleDim
	}
	p.line(p.paint(markStyle, mark), p.paint(styleDim, prefix), p.paint(languageStyles[f.Language], pad(shortenMiddle(printable(string(f.Language), 7), 7), 7)), " ",
		p.paint(titleStyle, title), p.paint(styleDim, suffix), gap, "  ", p.paint(placeStyle, place))
	if isRelated && reason != "" {
		said, _, _ := strings.Cut(printable(reason, 0), ":")
		p.line(foldIndent, p.paint(styleYellow, "└ "+shortenMiddle(said, p.opts.Width-len(foldIndent)-2)))
	}
}

// foldText sums up a run of machinery: "… 20 runtime frames (CPython, libc)";
// one or two frames are named.
func foldText(frames []model.Frame, width int) string {
	var owners []string
	var names []string
	for i := range frames {
		f := &frames[i]
		owner := printable(f.Machinery, 40)
		if owner == "" {
			owner = printable(string(f.Language), 40)
		}
		if owner != "" && !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
		if name := functionText(f); name != "" && i < 2 {
			names = append(names, shortenFunction(name, 32))
		}
	}
	text := fmt.Sprintf("… %s", counted(uint64(len(frames)), "runtime frame"))
	if len(frames) <= 2 && len(names) == len(frames) {
		text += ": " + strings.Join(names, " ← ")
	}
	if len(owners) > 0 {
		text += " (" + strings.Join(owners, ", ") + ")"
	}
	return shortenMiddle(text, width)
}
