package pclntab

import (
	"slices"
	"sort"
)

// row says that value holds from the end of the row before up to end, an
// offset from the function's entry.
type row struct {
	end   uint32
	value int32
}

// rowDecoder reads one table of pctab: pairs of a difference of values, in
// zigzag, and how far the pc advances, up to a difference of 0.
type rowDecoder struct {
	rows         []row
	value        int32
	pc, span     uint64
	quantum      uint64
	ended, wrong bool
}

// decode reads the rows of the table at offset in pctab, of a function of span
// bytes, into the room of rows. Offset 0 is no table. Each row advances, so a
// table has no more rows than its function has bytes.
func (t *Table) decode(offset, span uint32, rows []row) []row {
	if offset == 0 {
		return rows[:0]
	}
	if uint64(offset) >= t.pcs.size {
		t.damaged(t.pcs, 0, "a table of lines at 0x%x, outside of all of them", offset)
		return rows[:0]
	}
	d := rowDecoder{rows: rows[:0], value: -1, span: uint64(span), quantum: uint64(t.minLC)}
	for at := uint64(offset); !d.ended; {
		data := t.pcs.at(at)
		if data == nil {
			d.wrong = true
			break
		}
		used := d.read(data, int(t.pcs.room(at)))
		if at += uint64(used); d.wrong {
			break
		}
		if at > t.pcs.size { // the last row reaches out of pctab
			d.wrong, d.rows = true, d.rows[:max(1, len(d.rows))-1]
			break
		}
	}
	if d.wrong {
		t.damaged(t.pcs, uint64(offset), "a table of lines of a function of %d bytes", span)
	}
	return d.rows
}

// read decodes the rows that start in the first room bytes of data, behind
// which is slack for the longest one. It returns how many bytes they took.
func (d *rowDecoder) read(data []byte, room int) (i int) {
	if len(d.rows) > maxRows {
		d.wrong = true
		return 0
	}
	// A row takes two bytes at least.
	count := len(d.rows)
	rows := slices.Grow(d.rows, room/2+1)[:count+room/2+1]
	value, pc := d.value, d.pc
	for i < room {
		delta, advance := uint32(data[i]), uint32(data[i+1])
		i += 2
		if delta-1 >= 0x7f || advance-1 >= 0x7f { // one of them is 0, or longer than a byte
			if delta == 0 && pc != 0 {
				d.ended = true
				i--
				break
			}
			var ok bool
			if delta, advance, i, ok = longRow(data, i-2); !ok || advance == 0 {
				d.wrong = true
				break
			}
		}
		if pc += uint64(advance) * d.quantum; pc > d.span {
			d.wrong = true
			break
		}
		value += int32(delta>>1) ^ -int32(delta&1)
		rows[count] = row{uint32(pc), value}
		count++
	}
	d.rows, d.value, d.pc = rows[:count], value, pc
	return i
}

// longRow reads a row of numbers of any length, and tells where it ends.
func longRow(data []byte, at int) (delta, advance uint32, end int, ok bool) {
	if delta, at, ok = longNumber(data, at); ok {
		advance, at, ok = longNumber(data, at)
	}
	return delta, advance, at, ok
}

// longNumber reads a number of at most 32 bits in groups of 7, as
// encoding/binary writes it, and tells where it ends. It looks at 5 bytes at
// most.
func longNumber(data []byte, at int) (value uint32, end int, ok bool) {
	var bits uint64
	for shift := 0; shift < 35; shift += 7 {
		b := data[at]
		at++
		bits |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return uint32(bits), at, bits < 1<<32
		}
	}
	return 0, at, false
}

// valueAt returns the value at pc; false behind the last row.
func valueAt(rows []row, pc uint32) (int32, bool) {
	at := sort.Search(len(rows), func(i int) bool { return rows[i].end > pc })
	if at == len(rows) {
		return 0, false
	}
	return rows[at].value, true
}

// rowAt moves a cursor on to the row that holds at pc; len(rows) behind the last.
func rowAt(rows []row, at int, pc uint32) int {
	for at < len(rows) && rows[at].end <= pc {
		at++
	}
	return at
}
