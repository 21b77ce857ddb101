package symbolize

import (
	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
)

// waiting holds answers, in a third of the memory of frames, until those before
// them are known.
type waiting struct {
	// open are the indices of the addresses that are still asked for.
	open []int
	// first is the index that lens and frames start at; next, what was taken.
	first, next int
	lens        []uint16
	frames      []waitingFrame
	at          int
	taken       []model.Frame
}

type waitingFrame struct {
	function, linkage, file    string
	line, column, functionLine int
	discriminator              uint32
	language                   uint8
	inlined                    bool
}

// add takes the answer to index i; they come in order.
func (w *waiting) add(i int, frames []model.Frame, open bool) {
	if len(w.lens) == 0 {
		w.first, w.next = i, i
	}
	if open {
		w.open = append(w.open, i)
	}
	w.lens = append(w.lens, uint16(len(frames)))
	for j := range frames {
		f := &frames[j]
		w.frames = append(w.frames, waitingFrame{
			function: f.Function, linkage: f.LinkageName, file: f.File,
			line: f.Line, column: f.Column, functionLine: f.FunctionLine, discriminator: f.Discriminator,
			language: codemap.LanguageCode(f.Language), inlined: f.Inlined,
		})
	}
}

// flush emits what waits before index end.
func (w *waiting) flush(end int, emit func(i int, frames []model.Frame)) {
	for w.next < end {
		i := w.next
		emit(i, w.take())
	}
}

// take returns the next answer; it is good until the next call.
func (w *waiting) take() []model.Frame {
	n := int(w.lens[w.next-w.first])
	w.next++
	w.taken = w.taken[:0]
	for _, f := range w.frames[w.at : w.at+n] {
		w.taken = append(w.taken, model.Frame{
			Function: f.function, LinkageName: f.linkage, File: f.file,
			Line: f.line, Column: f.column, FunctionLine: f.functionLine, Discriminator: f.discriminator,
			Language: codemap.ModelLanguage(f.language), Inlined: f.inlined,
		})
	}
	w.at += n
	return w.taken
}
