package pclntab

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Resolve returns the frames of each address, leaf first, calls that were
// inlined before the function that they were inlined into. An address is one
// within the instruction: of a caller, one before its return address. A list
// is empty where nothing is known, also in the padding between functions; its
// frame has no file where only the function is known. Frames have Function,
// Language, File, Line, FunctionLine and Inlined; type arguments are elided in
// the names (`F[...]`), as Go's linker wrote them. An error is the first
// damage met; the frames are good as far as they go.
func (t *Table) Resolve(addrs []model.VirtAddr) ([][]model.Frame, error) {
	t.begin(len(addrs))
	frames := make([][]model.Frame, len(addrs))
	order := make([]int, len(addrs))
	for i := range order {
		order[i] = i
	}
	// In order, each function is decoded once.
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(addrs[a], addrs[b]) })
	for _, i := range order {
		if !t.enter(uint64(addrs[i])) {
			continue
		}
		offset, _ := t.offsetOf(uint64(addrs[i]))
		if chain := t.framesAt(offset - t.current.entry); len(chain) > 0 {
			frames[i] = slices.Clone(chain)
		}
	}
	return frames, t.finish()
}

// begin grants the budget of a call about that many addresses.
func (t *Table) begin(addrs int) {
	t.problem = nil
	t.textBytes, t.frames = freeTextBytes+textPerAddr*addrs, freeFrames+framesPerAddr*addrs
}

// finish returns the first problem of a call.
func (t *Table) finish() error {
	for _, p := range []*pages{t.pages, t.inline} {
		if p != nil && p.problem != nil {
			t.problem, p.problem = t.image.readError(t.segment, p.problem), nil
		}
	}
	return t.problem
}

// damaged notes that what lies at an offset in the table's segment is wrong.
func (t *Table) damaged(offset uint64, format string, args ...any) {
	if t.problem == nil {
		t.problem = t.image.errorAt(t.segment+offset, object.ErrFormat, "%s", fmt.Sprintf(format, args...))
	}
}

// enter makes the function that holds addr the current one.
func (t *Table) enter(addr uint64) bool {
	offset, ok := t.offsetOf(addr)
	if !ok {
		return false
	}
	f := &t.current
	if f.index >= 0 && offset >= f.entry && offset < f.end {
		return true
	}
	f.index = -1
	var next function
	if !t.read(t.indexOf(offset), &next) {
		return false
	}
	*f = next
	span := f.end - f.entry
	t.lineRows = t.decode(f.pcLine, span, t.lineRows[:0])
	t.fileRows = t.decode(f.pcFile, span, t.fileRows[:0])
	t.calls = t.calls[:0]
	if f.hasCalls {
		t.calls = t.decode(f.pcCall, span, t.calls)
	}
	return true
}

// framesAt returns the frames at pc, an offset from the entry of the current
// function. The slice is good until the next call.
func (t *Table) framesAt(pc uint32) []model.Frame {
	f := &t.current
	chain := t.chain[:0]
	defer func() { t.chain = chain }()
	if f.pcLine == 0 {
		// C code in Go's text has a name only.
		if name := t.text(t.names, f.name); name != "" && t.spendFrame() {
			chain = append(chain, model.Frame{Function: name})
		}
		return chain
	}
	if _, ok := valueAt(t.lineRows, pc); !ok {
		return nil
	}
	last := int32(maxInlineDepth)
	for t.spendFrame() {
		frame := t.place(pc)
		index, ok := valueAt(t.calls, pc)
		if !ok || index < 0 {
			frame.Function = t.text(t.names, f.name)
			if t.startsIn(frame.File) {
				declare(&frame, f.startLine)
			}
			return append(chain, frame)
		}
		c, ok := t.callAt(index)
		// A call stands behind the one that it was inlined into.
		if !ok || len(chain) > 0 && index >= last || len(chain) >= maxInlineDepth {
			t.damaged(t.table.start+8*uint64(f.index), "inlined call %d of function %d", index, f.index)
			// What the line belongs to is not known.
			return append(chain[:0], model.Frame{Function: t.text(t.names, f.name), Language: frame.Language})
		}
		frame.Function, frame.Inlined = t.text(t.names, c.name), true
		declare(&frame, c.startLine)
		chain = append(chain, frame)
		pc, last = c.parent, index
	}
	return nil
}

func (t *Table) spendFrame() bool {
	if t.frames--; t.frames >= 0 {
		return true
	}
	if t.problem == nil {
		t.problem = t.image.errorAt(t.segment+t.table.start, object.ErrLimit, "frames of inlined calls")
	}
	return false
}

// declare tells how far from its declaration a frame stands.
func declare(frame *model.Frame, startLine int32) {
	if startLine > 0 && int(startLine) <= frame.Line {
		frame.FunctionLine = int(startLine)
	}
}

// startsIn tells whether the current function is declared in file: a line
// directive may lead into another one, where its first line means nothing.
func (t *Table) startsIn(file string) bool {
	if index, ok := valueAt(t.calls, 0); ok && index >= 0 {
		return true
	}
	return t.place(0).File == file
}

// place is the source line at pc.
func (t *Table) place(pc uint32) model.Frame {
	frame := model.Frame{Language: model.LanguageGo}
	number, ok := valueAt(t.fileRows, pc)
	if !ok || number < 0 {
		return frame
	}
	index := uint64(t.current.unit) + uint64(number)
	if index >= t.units.size/4 {
		t.damaged(t.units.start, "file %d of unit %d", number, t.current.unit)
		return frame
	}
	const absentFile = ^uint32(0)
	name, ok := t.pages.u32(t.units.start + 4*index)
	if !ok || name == absentFile {
		return frame
	}
	frame.File = t.text(t.files, name)
	if line, ok := valueAt(t.lineRows, pc); ok && frame.File != "" {
		frame.Line = max(0, int(line))
	}
	return frame
}

// call is one runtime.inlinedCall.
type call struct {
	name      uint32
	parent    uint32 // where in the function it was inlined
	startLine int32
}

func (t *Table) callAt(index int32) (call, bool) {
	const size = 16
	if t.inline == nil {
		return call{}, false
	}
	data := t.inline.bytes(t.goFunc+uint64(t.current.callTree)+size*uint64(index), size)
	if data == nil {
		return call{}, false
	}
	c := call{
		name: t.image.Order.Uint32(data[4:]), parent: t.image.Order.Uint32(data[8:]),
		startLine: int32(t.image.Order.Uint32(data[12:])),
	}
	return c, c.parent < t.current.end-t.current.entry
}

// text reads the string at offset in a region. Equal ones share their bytes.
func (t *Table) text(in region, offset uint32) string {
	at := in.start + uint64(offset)
	if text, ok := t.texts[at]; ok {
		return text
	}
	raw := t.rawText(in, offset)
	if raw == nil {
		t.damaged(at, "a name that does not end")
		return ""
	}
	if t.textBytes -= len(raw); t.textBytes < 0 {
		if t.problem == nil {
			t.problem = t.image.errorAt(t.segment+at, object.ErrLimit, "names and paths")
		}
		return ""
	}
	if t.keptBytes += len(raw); t.keptBytes > maxKeptBytes || len(t.texts) >= maxTexts {
		clear(t.texts)
		t.keptBytes = len(raw)
	}
	text := string(raw)
	t.texts[at] = text
	return text
}

// rawText returns the bytes up to the NUL; nil where there is none in time.
// They are good until the next call.
func (t *Table) rawText(in region, offset uint32) []byte {
	if uint64(offset) >= in.size {
		return nil
	}
	at, left := in.start+uint64(offset), min(in.size-uint64(offset), maxNameBytes)
	part := t.pages.from(at)
	if length := bytes.IndexByte(part[:min(uint64(len(part)), left)], 0); length >= 0 {
		return part[:length]
	}
	c := cursor{pages: t.pages, offset: at, end: at + left}
	for t.name = t.name[:0]; ; {
		b, ok := c.next()
		if !ok {
			return nil
		}
		if b == 0 {
			return t.name
		}
		t.name = append(t.name, b)
	}
}
