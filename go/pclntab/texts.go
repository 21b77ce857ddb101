package pclntab

import "bytes"

// textID is the number of a name or path in texts; 0 is "".
type textID uint32

// texts are names and paths by where they lie in the table. Each has one id
// for as long as the answers of a call are put together; its bytes are given
// back when all of them take too much room, and read again when wanted.
type texts struct {
	ids     numbers // by address in the image
	entries []textEntry
	kept    int  // bytes that entries hold
	late    bool // nothing is read before it is asked for
}

type textEntry struct {
	in     *region
	offset uint32
	held   bool
	bad    bool // has no end
	empty  bool
	text   string
}

func (x *texts) reset() {
	x.ids.reset()
	clear(x.entries)
	x.entries, x.kept = append(x.entries[:0], textEntry{held: true}), 0
}

// textAt is the id of what lies at offset in names or files, 0 where that is
// empty.
func (t *Table) textAt(in *region, offset uint32) textID {
	if uint64(offset) >= in.size {
		t.damaged(in, uint64(offset), "a name that does not end")
		return 0
	}
	id, added := t.texts.ids.number(in.addr + uint64(offset))
	if added {
		first := in.at(uint64(offset))
		t.texts.entries = append(doubled(t.texts.entries), textEntry{in: in, offset: offset, empty: len(first) > 0 && first[0] == 0})
	}
	e := &t.texts.entries[id]
	if e.empty {
		return 0
	}
	if !e.held && !t.texts.late && t.texts.kept < maxKeptBytes {
		t.hold(e)
	}
	return textID(id)
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
		raw = t.rawText(e.in, uint64(e.offset))
	}
	if raw == nil {
		e.bad = e.in.problem == nil
		t.damaged(e.in, uint64(e.offset), "a name that does not end")
		return
	}
	if t.textBytes -= len(raw); t.textBytes < 0 {
		t.overdrawn(e.in, "names and paths")
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

// rawText returns the bytes up to the NUL; nil where there is none in time.
// They are good until the next call.
func (t *Table) rawText(in *region, offset uint64) []byte {
	end := min(in.size, offset+maxNameBytes)
	for t.name = t.name[:0]; offset < end; {
		part := in.at(offset)
		if part == nil {
			return nil
		}
		part = part[:min(end-offset, in.room(offset))]
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
