package symbolize

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// lookup returns the frames of each address. They are the caller's.
func (m *module) lookup(addrs []model.VirtAddr) [][]model.Frame {
	c := collector{answers: make([][]model.Frame, len(addrs)), texts: map[string]string{}}
	m.each(addrs, c.add)
	return c.answers
}

// collector keeps what is visited.
type collector struct {
	answers [][]model.Frame
	// texts are the copies made, so that neither sections nor an index are kept
	// for as long as a report.
	texts map[string]string
	// block is memory for frames, of which each answer gets a part.
	block []model.Frame
}

func (c *collector) add(i int, frames []model.Frame) {
	if len(frames) == 0 {
		return
	}
	if cap(c.block)-len(c.block) < len(frames) {
		const most = 512
		c.block = make([]model.Frame, 0, max(len(frames), min(most, 4*len(c.answers))))
	}
	start := len(c.block)
	c.block = append(c.block, frames...)
	answer := c.block[start:len(c.block):len(c.block)]
	for j := range answer {
		f := &answer[j]
		f.Function, f.LinkageName, f.File = c.text(f.Function), c.text(f.LinkageName), c.text(f.File)
	}
	c.answers[i] = answer
}

func (c *collector) text(text string) string {
	if text == "" {
		return ""
	}
	if copied, ok := c.texts[text]; ok {
		return copied
	}
	copied := strings.Clone(text)
	c.texts[copied] = copied
	return copied
}
