package render

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ffikit/ffikit/go/model"
)

// excerptAround is how many lines are shown above and below the blamed one.
const excerptAround = 2

// excerpt shows the source around a frame's line, with a caret under its
// column where that is known. Nothing is shown unless the line itself can be
// read.
func (p *textPrinter) excerpt(f *model.Frame) {
	if p.opts.Sources == nil || f.File == "" || f.Line < 1 {
		return
	}
	if _, ok := p.opts.Sources.Line(f.File, f.Line); !ok {
		return
	}
	p.line()
	digits := len(strconv.Itoa(f.Line + excerptAround))
	const margin = "      "
	room := p.opts.Width - len(margin) - digits - 3
	for n := max(f.Line-excerptAround, 1); n <= f.Line+excerptAround; n++ {
		text, ok := p.opts.Sources.Line(f.File, n)
		if !ok {
			continue
		}
		number := strconv.Itoa(n)
		number = strings.Repeat(" ", digits-len(number)) + number
		if n != f.Line {
			p.line(margin, p.paint(styleDim, number+" │ "), p.paint(styleDim, window(sourceText(text), 0, room)))
			continue
		}
		caret := -1
		if f.Column > 0 && f.Column <= len(text)+1 {
			caret = runes(sourceText(text[:f.Column-1]))
		}
		start := 0
		if caret > room-8 {
			start = caret - room/2
		}
		p.line("    ", p.paint(styleRed, "▶ "), p.paint(styleBold, number), p.paint(styleDim, " │ "), window(sourceText(text), start, room))
		if caret >= 0 {
			p.line(margin, p.paint(styleDim, strings.Repeat(" ", digits)+" │ "), strings.Repeat(" ", caret-start), p.paint(styleRed, "^"))
		}
	}
}

// sourceText is a source line as it is shown: tabs as four spaces, all else
// that a terminal obeys escaped.
func sourceText(line string) string {
	line = strings.TrimRight(line, "\r\n")
	return printable(strings.ReplaceAll(line, "\t", "    "), maxPrintableRunes)
}

// window is the part of s from column start that fits into width.
func window(s string, start, width int) string {
	all := []rune(s)
	if start >= len(all) {
		return ""
	}
	all = all[start:]
	if len(all) > width {
		return string(all[:width-1]) + "…"
	}
	if !utf8.ValidString(s) {
		return strings.ToValidUTF8(string(all), "\uFFFD")
	}
	return string(all)
}
