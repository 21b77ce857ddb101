package codemap

import "unsafe"

// function is a decoded row of gridFunctions.
type function struct {
	name, linkage string
	file, line    uint32
	language      uint8
	known         bool
}

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = damaged(format, args...)
	}
}

// zeroRow is read where there is no row.
var zeroRow = packed{row: make([]byte, 4*maxFields+slackBytes)}

// row returns a row of a table.
func (r *Reader) row(g *grid, index uint32) packed {
	if index >= g.rows {
		r.fail("row %d of a table at 0x%x, which has %d", index, g.start, g.rows)
		return zeroRow
	}
	at := g.start - headerBytes + uint64(index)*uint64(g.stride)
	end := at + uint64(g.stride)
	if r.blocks.missing > 0 && !r.load(at, end) {
		return zeroRow
	}
	return g.open(r.blocks.data[at : end+slackBytes])
}

// rowsOf returns count rows of a table, and slackBytes more; nil where there are
// fewer.
func (r *Reader) rowsOf(g *grid, first, count uint32) []byte {
	if uint64(first)+uint64(count) > uint64(g.rows) {
		r.fail("rows %d to %d of a table at 0x%x, which has %d", first, uint64(first)+uint64(count), g.start, g.rows)
		return nil
	}
	at := g.start - headerBytes + uint64(first)*uint64(g.stride)
	end := at + uint64(count)*uint64(g.stride)
	if r.blocks.missing > 0 && !r.load(at, end) {
		return nil
	}
	return r.blocks.data[at : end+slackBytes]
}

// load makes a range of the data valid; false means that it could not.
func (r *Reader) load(start, end uint64) bool {
	if r.err == nil {
		r.err = r.blocks.load(start, end)
	}
	return r.err == nil
}

// file returns a path. There are few, and each is wanted often.
func (r *Reader) file(number uint32) string {
	if uint64(number) < uint64(len(r.files)) && r.files[number] != "" {
		return r.files[number]
	}
	text := r.text(gridFiles, number)
	if r.err == nil && uint64(number) < uint64(len(r.files)) {
		r.files[number] = text
	}
	return text
}

// function returns a function, good until the next call; number is not 0.
func (r *Reader) function(number uint32) *function {
	f := &r.passing
	if uint64(number) < uint64(len(r.functions)) {
		if f = &r.functions[number]; f.known {
			return f
		}
	}
	g := &r.header.grids[gridFunctions]
	row := r.row(g, number)
	*f = function{
		name: r.text(gridNames, g.get(row, 0)), linkage: r.text(gridNames, g.get(row, 1)),
		file: g.get(row, 2), line: g.get(row, 3), language: uint8(g.get(row, 4)), known: r.err == nil,
	}
	return f
}

// text returns string number of gridFiles or gridNames. It points into the
// blocks, which are written once only.
func (r *Reader) text(table int, number uint32) string {
	if number == 0 {
		return ""
	}
	g := &r.header.grids[table]
	texts := r.header.areas[areaFiles+table-gridFiles]
	start, end := uint64(g.get(r.row(g, number), 0)), uint64(g.get(r.row(g, number+1), 0))
	if start > end || end > texts.size {
		r.fail("string %d of table %d from %d to %d", number, table, start, end)
		return ""
	}
	start, end = texts.start-headerBytes+start, texts.start-headerBytes+end
	if start == end || r.blocks.missing > 0 && !r.load(start, end) {
		return ""
	}
	// SAFETY: the bytes lie in data, which lives as long as the string does,
	// and no block is written again after it was loaded.
	return unsafe.String(&r.blocks.data[start], int(end-start))
}
