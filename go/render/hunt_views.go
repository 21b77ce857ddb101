package render

import (
	"fmt"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// crossings shows the memory by the change of language that asked for it.
func (p *huntPrinter) crossings() {
	if len(p.doc.Crossings) == 0 {
		p.line(huntIndent, "No memory was asked for across a change of language.")
		p.line()
		return
	}
	p.title("by crossing", "")
	for i := range p.doc.Crossings {
		c := &p.doc.Crossings[i]
		if i == p.top {
			p.line(p.paint(styleDim, fmt.Sprintf("%s… %d more (--top N)", huntIndent, len(p.doc.Crossings)-i)))
			break
		}
		caller, callee, _ := strings.Cut(printable(c.Boundary, 40), ">")
		text := fmt.Sprintf("%s in %s, of %s asked for", model.Bytes(c.LiveBytes), counted(c.LiveCount, "block"), model.Bytes(c.AllocatedBytes))
		if c.BytesPerSecond >= 1 {
			text += ", " + p.rate(c.BytesPerSecond)
		}
		p.line(p.paint(styleBold, pad(fmt.Sprintf("#%d", i+1), 4)), p.paint(styleCyan, caller+" → "+callee), "  ", p.paint(styleBold, text))
		p.line("      ", p.paint(styleDim, "from "), p.oneLine(&c.Caller, p.opts.Width-12))
		p.line("      ", p.paint(styleDim, "into "), p.oneLine(&c.Callee, p.opts.Width-12))
	}
	p.line()
}

// changes shows what differs between two hunts.
func (p *huntPrinter) changes() {
	var more, less int64
	shown, same := 0, 0
	for i := range p.doc.Changes {
		c := &p.doc.Changes[i]
		delta := int64(min(c.AfterBytes, 1<<62)) - int64(min(c.BeforeBytes, 1<<62))
		switch {
		case delta > 0:
			more += delta
		case delta < 0:
			less -= delta
		default:
			same++
			continue
		}
		if shown++; shown <= p.top {
			p.change(c, delta, shown)
		}
	}
	if beyond := shown - p.top; beyond > 0 {
		p.line(p.paint(styleDim, fmt.Sprintf("%s… %d more that differ (--top N)", huntIndent, beyond)))
	}
	p.line(fmt.Sprintf("%s: %s more at the end, %s less; %d are the same",
		counted(uint64(len(p.doc.Changes)), "site"), model.Bytes(uint64(max(more, 0))), model.Bytes(uint64(max(less, 0))), same))
}

func (p *huntPrinter) change(c *model.Change, delta int64, number int) {
	sign, color, size := "+", styleRed, uint64(delta)
	if delta < 0 {
		sign, color, size = "−", styleCyan, uint64(-delta)
	}
	p.line(p.paint(styleBold, pad(fmt.Sprintf("#%d", number), 4)), p.paint(color, sign+model.Bytes(size)), "  ",
		p.paint(styleBold, printable(c.Kind, 12)), fmt.Sprintf("  %s → %s, %d → %s",
			model.Bytes(c.BeforeBytes), model.Bytes(c.AfterBytes), c.BeforeCount, counted(c.AfterCount, "block")))
	p.blamed(c.Stack.Frames, c.Blame)
	p.line()
	p.stackOf(&c.Stack, c.Blame)
	p.line()
}
