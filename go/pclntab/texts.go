package pclntab

import (
	"bytes"

	"github.com/ffikit/ffikit/go/object"
)

// textID is the number of a name or path in texts; 0 is "".
type textID uint32

// texts are names and paths by where they lie in the table. Each has one id
// for as long as the answers of a call are put together; its bytes are given
// back when all of them take too much room, and read again when wanted.
type texts struct {
	entries []textEntry
	slots   []textID // open addressing by offset; 0 is empty
	kept    int      // bytes that entries hold
}

type textEntry struct {
	offset uint64 // in pages
	end    uint64 // of what it may lie in
	text   string
	held   bool
	bad    bool // has no end
}

func (x *texts) reset() {
	if len(x.slots) == 0 || len(x.slots) > 1<<16 {
		x.slots = make([]textID, 1<<10)
	}
	clear(x.slots)
	clear(x.entries)
	x.entries, x.kept = append(x.entries[:0], textEntry{held: true}), 0
}

func textSlot(offset uint64) uint64 {
	offset *= 0x9e3779b97f4a7c15
	return offset ^ offset>>29
}

// id is the number of the text at offset, which is read when it is asked for.
func (x *texts) id(offset, end uint64) textID {
	mask := uint64(len(x.slots) - 1)
	slot := textSlot(offset) & mask
	for ; x.slots[slot] != 0; slot = (slot + 1) & mask {
		if x.entries[x.slots[slot]].offset == offset {
			return x.slots[slot]
		}
	}
	id := textID(len(x.entries))
	x.entries = append(x.entries, textEntry{offset: offset, end: end})
	x.slots[slot] = id
	if len(x.entries) > len(x.slots)/2 {
		x.grow()
	}
	return id
}

func (x *texts) grow() {
	x.slots = make([]textID, 4*len(x.slots))
	mask := uint64(len(x.slots) - 1)
	for id := 1; id < len(x.entries); id++ {
		slot := textSlot(x.entries[id].offset) & mask
		for x.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		x.slots[slot] = textID(id)
	}
}

// textAt is the id of what lies at offset in a region.
func (t *Table) textAt(in region, offset uint32) textID {
	if uint64(offset) >= in.size {
		t.damaged(in.start+uint64(offset), "a name that does not end")
		return 0
	}
	id := t.texts.id(in.start+uint64(offset), in.start+in.size)
	if e := &t.texts.entries[id]; !e.held && t.texts.kept < maxKeptBytes {
		t.hold(e)
	}
	return id
}

// text is the text itself.
func (t *Table) text(id textID) string {
	e := &t.texts.entries[id]
	if !e.held {
		t.hold(e)
	}
	return e.text
}

func (t *Table) hold(e *textEntry) {
	var raw []byte
	switch {
	case t.textBytes < 0:
		return // the budget was overdrawn
	case !e.bad:
		raw = t.rawText(e.offset, e.end)
	}
	if raw == nil {
		e.bad = t.pages.problem == nil
		t.damaged(e.offset, "a name that does not end")
		return
	}
	if t.textBytes -= len(raw); t.textBytes < 0 {
		if t.problem == nil {
			t.problem = t.image.errorAt(t.segment+e.offset, object.ErrLimit, "names and paths")
		}
		return
	}
	if t.texts.kept += len(raw); t.texts.kept > maxKeptBytes {
		for i := range t.texts.entries[1:] {
			t.texts.entries[i+1].text, t.texts.entries[i+1].held = "", false
		}
		t.texts.kept = len(raw)
	}
	e.text, e.held = string(raw), true
}

// rawText returns the bytes from offset to a NUL before end; nil where there is
// none in time. They are good until the next call.
func (t *Table) rawText(offset, end uint64) []byte {
	end = min(end, offset+maxNameBytes)
	for t.name = t.name[:0]; offset < end; {
		part := t.pages.at(offset)
		if part == nil {
			return nil
		}
		part = part[:min(end-offset, t.pages.span(offset))]
		length := bytes.IndexByte(part, 0)
		switch {
		case length >= 0 && len(t.name) == 0:
			return part[:length]
		case length >= 0:
			return append(t.name, part[:length]...)
		}
		t.name = append(t.name, part...)
		offset += uint64(len(part))
	}
	return nil
}
