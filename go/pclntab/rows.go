package pclntab

import "sort"

// row says that value holds from the end of the row before up to end, an
// offset from the function's entry.
type row struct {
	end   uint32
	value int32
}

// decode appends the rows of the table at offset in pctab, of a function of
// span bytes. Offset 0 is no table. Each row advances, so a table has no more
// rows than its function has bytes.
func (t *Table) decode(offset, span uint32, rows []row) []row {
	if offset == 0 {
		return rows
	}
	if uint64(offset) >= t.pcs.size {
		t.damaged(t.pcs.start, "a table of lines at 0x%x, outside of all of them", offset)
		return rows
	}
	c := cursor{pages: t.pages, offset: t.pcs.start + uint64(offset), end: t.pcs.start + t.pcs.size}
	value, pc := int32(-1), uint64(0)
	for first := true; ; first = false {
		delta, ok := c.uvarint()
		if ok && delta == 0 && !first {
			return rows
		}
		advance, okAdvance := c.uvarint()
		pc += uint64(advance) * uint64(t.minLC)
		if !ok || !okAdvance || advance == 0 || pc > uint64(span) || len(rows) >= maxRows {
			t.damaged(t.pcs.start+uint64(offset), "a table of lines of a function of %d bytes", span)
			return rows
		}
		value += int32(delta>>1) ^ -int32(delta&1)
		rows = append(rows, row{uint32(pc), value})
	}
}

// valueAt returns the value at pc; false behind the last row.
func valueAt(rows []row, pc uint32) (int32, bool) {
	at := sort.Search(len(rows), func(i int) bool { return rows[i].end > pc })
	if at == len(rows) {
		return 0, false
	}
	return rows[at].value, true
}
