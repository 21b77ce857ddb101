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
	// strings are the texts themselves, "" where they are not held.
	strings []string
	kept    int  // bytes that strings hold
	late    bool // nothing is read before it is asked for
}

type textEntry struct {
	in     *region
	offset uint32
	bad    bool // has no end
	empty  bool
}

func (x *texts) reset() {
	x.ids.reset()
	clear(x.strings)
	x.entries, x.strings, x.kept = append(x.entries[:0], textEntry{}), append(x.strings[:0], ""), 0
}

// textAt is the id of what lies at offset in names or files, 0 where that is
// empty.
func (t *Table) textAt(in *region, offset uint32) textID {
	if uint64(offset) >= in.size {
		t.damaged(in, uint64(offset), "a name that does not end")
		return 0
	}
	x := &t.texts
	id, added := x.ids.number(in.addr + uint64(offset))
	if added {
		first := in.at(uint64(offset))
		x.entries = append(doubled(x.entries), textEntry{in: in, offset: offset, empty: len(first) > 0 && first[0] == 0})
		x.strings = append(doubled(x.strings), "")
	}
	if x.entries[id].empty {
		return 0
	}
	if x.strings[id] == "" && !x.late && x.kept < maxKeptBytes {
		t.hold(textID(id))
	}
	return textID(id)
}

// text is the text itself.
func (t *Table) text(id textID) string {
	if text := t.texts.strings[id]; text != "" || id == 0 {
		return text
	}
	return t.hold(id)
}

// hold reads a text, which is kept for as long as there is room.
func (t *Table) hold(id textID) string {
	x := &t.texts
	text := t.readText(&x.entries[id])
	if x.kept += len(text); x.kept > maxKeptBytes {
		clear(x.strings)
		x.kept = len(text)
	}
	x.strings[id] = text
	return text
}

// readText reads a text as long as the budget lasts.
func (t *Table) readText(e *textEntry) string {
	var raw []byte
	switch {
	case t.textBytes < 0:
		return "" // it was overdrawn
	case !e.bad:
		raw = t.rawText(e.in, uint64(e.offset))
	}
	if raw == nil {
		e.bad = e.in.problem == nil
		t.damaged(e.in, uint64(e.offset), "a name that does not end")
		return ""
	}
	if t.textBytes -= len(raw); t.textBytes < 0 {
		t.overdrawn(e.in, "names and paths")
		return ""
	}
	return string(raw)
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
