package render

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// TextOptions steer Text.
type TextOptions struct {
	// Color adds ANSI colours.
	Color bool
	// AllFrames unfolds runtime frames.
	AllFrames bool
	// Sources adds a source excerpt around the blamed line; nil for none.
	Sources Sources
	// Roots are folders whose files are shown by their path from there: the
	// source root, the working folder. The longest matching one counts.
	Roots []string
	// Width is how many columns to fill; 0 means 100. Less than 60 counts as 60.
	Width int
}

const (
	defaultWidth = 100
	minWidth     = 60
)

// Text writes doc for a person. Control characters that came from the
// evidence are escaped; long names and paths are shortened to the width. The
// error is w's.
func Text(w io.Writer, doc *Document, opts TextOptions) error {
	if opts.Width == 0 {
		opts.Width = defaultWidth
	}
	opts.Width = max(opts.Width, minWidth)
	p := &textPrinter{opts: opts}
	if doc.Addresses != nil {
		for i := range doc.Addresses {
			p.address(&doc.Addresses[i])
			if err := p.flush(w); err != nil {
				return err
			}
		}
	}
	for i := range doc.Reports {
		p.report(&doc.Reports[i], i+1, len(doc.Reports))
		if err := p.flush(w); err != nil {
			return err
		}
	}
	p.closing(doc)
	return p.flush(w)
}

type textPrinter struct {
	opts TextOptions
	out  bytes.Buffer
}

func (p *textPrinter) flush(w io.Writer) error {
	_, err := w.Write(p.out.Bytes())
	p.out.Reset()
	return err
}

func (p *textPrinter) line(parts ...string) {
	p.out.WriteString(strings.TrimRight(strings.Join(parts, ""), " "))
	p.out.WriteByte('\n')
}

// wrapped writes printable text in lines that start with indent, the first
// one after lead instead (of the same width).
func (p *textPrinter) wrapped(lead, indent, text string, s style) {
	room := p.opts.Width - runes(indent)
	for {
		end := runesEnd(text, room)
		if end == len(text) {
			p.line(lead, p.paint(s, text))
			return
		}
		cut := strings.LastIndexByte(text[:end], ' ')
		if cut <= 0 {
			cut = end
		}
		p.line(lead, p.paint(s, text[:cut]))
		text = strings.TrimPrefix(text[cut:], " ")
		lead = indent
	}
}

// runesEnd is where the first n characters of s end.
func runesEnd(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func (p *textPrinter) report(r *model.Report, number, total int) {
	title := printable(r.Tool, 80) + ": " + printable(r.Kind, 200)
	mark := ""
	if total > 1 {
		mark = fmt.Sprintf(" %d of %d ──", number, total)
	}
	title = shortenMiddle(title, p.opts.Width-runes(mark)-8)
	rule := strings.Repeat("─", max(p.opts.Width-runes(title)-runes(mark)-4, 0))
	p.line(p.paint(styleDim, "── "), p.paint(styleRed, title), " ", p.paint(styleDim, rule+mark))
	p.facts(r)
	p.blame(r)
	width := p.functionWidth(r.Stacks)
	for i := range r.Stacks {
		p.line()
		p.stack(r, i, width)
	}
	p.footer(r)
	p.line()
}

// facts tells what is known besides the stacks.
func (p *textPrinter) facts(r *model.Report) {
	const indent = "   "
	var access []string
	if r.Access != nil && r.Access.Type != "" {
		text := printable(r.Access.Type, 40)
		if r.Access.SizeBytes > 0 {
			text += " of " + counted(r.Access.SizeBytes, "byte")
		}
		access = append(access, text)
	}
	if r.AbsAddr != nil {
		access = append(access, "at "+r.AbsAddr.String())
	}
	line := strings.Join(access, " ")
	if r.PID != 0 {
		line = joined(line, "process "+strconv.Itoa(r.PID))
	}
	if message := ownMessage(r); message != "" {
		p.wrapped(indent, indent, printable(message, 0), "")
	}
	if line != "" {
		p.line(indent, line)
	}
	for _, detail := range r.Details {
		if isHeading(r, detail) {
			continue
		}
		p.wrapped(indent, indent, printable(strings.TrimSpace(detail), 0), styleDim)
	}
}

// isHeading: the detail stands above a stack already.
func isHeading(r *model.Report, detail string) bool {
	for i := range r.Stacks {
		if strings.TrimSpace(r.Stacks[i].Name) == strings.TrimSpace(detail) {
			return true
		}
	}
	return false
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + " · " + b
}

// ownMessage is the message as far as it says more than kind, address and
// registers, which are shown or of no use to a reader.
func ownMessage(r *model.Report) string {
	message := r.Message
	for _, noise := range []string{" at pc 0x", " (pc 0x"} {
		if i := strings.Index(message, noise); i >= 0 {
			message = message[:i]
		}
	}
	message = strings.TrimSuffix(strings.TrimSpace(message), ":")
	message = strings.TrimSuffix(message, " allocated from")
	if r.AbsAddr != nil {
		message = strings.TrimSuffix(message, fmt.Sprintf(" on address 0x%012x", uint64(*r.AbsAddr)))
		message = strings.TrimSuffix(message, " on address "+r.AbsAddr.String())
	}
	if message == r.Kind {
		return ""
	}
	return strings.TrimPrefix(message, r.Kind+": ")
}

func (p *textPrinter) blame(r *model.Report) {
	f := blamedFrame(r, r.Blame)
	if f == nil {
		return
	}
	const lead, indent = "   blame: ", "          "
	p.line()
	room := p.opts.Width - len(lead)
	text := p.place(f)
	if function := functionText(f); function != "" {
		text = shortenFunction(function, max(room-runes(text)-5, 24))
		if place := p.place(f); place != "" {
			text += " at " + shortenPlace(place, max(room-runes(text)-4, 20))
		}
	}
	p.line(p.paint(styleBold, lead), p.paint(styleYellow, text))
	p.wrapped(indent, indent, printable(r.Blame.Reason, 0), styleDim)
	p.excerpt(f)
}

// blamedFrame is the frame that b points at; nil where it points nowhere.
func blamedFrame(r *model.Report, b *model.Blame) *model.Frame {
	if b == nil || b.Stack < 0 || b.Stack >= len(r.Stacks) {
		return nil
	}
	frames := r.Stacks[b.Stack].Frames
	if b.Frame < 0 || b.Frame >= len(frames) {
		return nil
	}
	return &frames[b.Frame]
}

func (p *textPrinter) footer(r *model.Report) {
	var parts []string
	if r.Count > 1 {
		parts = append(parts, fmt.Sprintf("met %d times", r.Count))
	}
	if r.Fingerprint != "" {
		parts = append(parts, "fingerprint "+printable(r.Fingerprint, 80))
	}
	if len(parts) > 0 || r.Source.File != "" {
		p.line()
	}
	if len(parts) > 0 {
		p.wrapped("   ", "   ", strings.Join(parts, " · "), styleDim)
	}
	if r.Source.File != "" {
		at := fmt.Sprintf(", byte %d", r.Source.OffsetBytes)
		p.line(p.paint(styleDim, "   from "+shortenPlace(printable(r.Source.File, 1000), p.opts.Width-8-len(at))+at))
	}
}

func (p *textPrinter) closing(doc *Document) {
	if c := doc.Command; c != nil {
		args := make([]string, len(c.Args))
		for i, arg := range c.Args {
			args[i] = printable(arg, 200)
		}
		end := fmt.Sprintf("exit status %d", c.ExitStatus)
		if c.Signal != "" {
			end += " (" + printable(c.Signal, 40) + ")"
		}
		p.wrapped("", "", "command: "+printable(strings.Join(args, " "), 1000)+" — "+end, "")
	}
	if len(doc.Partial) == 0 {
		return
	}
	p.line(p.paint(styleBold, "not all could be read:"))
	for _, partial := range doc.Partial {
		where := ""
		if partial.File != "" {
			where = printable(partial.File, 0)
			if partial.OffsetBytes != 0 {
				where += fmt.Sprintf(", byte %d", partial.OffsetBytes)
			}
			where += ": "
		}
		p.wrapped("  • ", "    ", where+printable(partial.Reason, 0), "")
	}
}

func (p *textPrinter) address(a *model.AddressFrames) {
	if a.AbsAddr == 0 {
		p.line(p.paint(styleBold, a.VirtAddr.String()))
	} else {
		place := ""
		if a.Module != "" {
			place = "  " + shortenPlace(printable(a.Module, 1000), p.opts.Width-40) + "+" + a.VirtAddr.String()
		}
		p.line(p.paint(styleBold, a.AbsAddr.String()), p.paint(styleDim, place))
	}
	if len(a.Frames) == 0 {
		p.line("    (nothing is known of it)")
		return
	}
	all := p.opts
	p.opts.AllFrames = true
	p.frames(a.Frames, p.functionWidth([]model.Stack{{Frames: a.Frames}}), &marks{blamed: -1})
	p.opts = all
}

// place is where a frame stands: file:line:column from the nearest root, or
// module+address, or nothing.
func (p *textPrinter) place(f *model.Frame) string {
	if f.File == "" {
		switch {
		case f.Module != "" && f.VirtAddr != 0:
			return printable(path.Base(f.Module), 200) + "+" + f.VirtAddr.String()
		case f.Module != "":
			return printable(path.Base(f.Module), 200)
		case f.AbsAddr != 0:
			return f.AbsAddr.String()
		}
		return ""
	}
	place := printable(p.fromRoot(f.File), 1000)
	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line)
		if f.Column > 0 {
			place += ":" + strconv.Itoa(f.Column)
		}
	}
	return place
}

func (p *textPrinter) fromRoot(file string) string {
	best := file
	for _, root := range p.opts.Roots {
		root = strings.TrimSuffix(path.Clean(root), "/") + "/"
		if rest, ok := strings.CutPrefix(file, root); ok && len(rest) < len(best) && rest != "" {
			best = rest
		}
	}
	return best
}

func functionText(f *model.Frame) string {
	if f.Function == "" {
		return ""
	}
	return printable(f.Function, 2000)
}

func counted(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}
