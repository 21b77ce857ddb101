package codemap_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/codemap"
)

// plainTable reads one table of a file bit by bit, by FORMAT.md alone.
type plainTable struct {
	file   []byte
	offset uint64
	rows   uint32
	widths []byte
}

func plainTables(file []byte) []plainTable {
	var tables []plainTable
	for i := range binary.LittleEndian.Uint32(file[36:]) {
		row := file[40+24*i:]
		tables = append(tables, plainTable{file, binary.LittleEndian.Uint64(row), binary.LittleEndian.Uint32(row[8:]), row[12:20]})
	}
	return tables
}

func (t plainTable) get(row, field uint32) (value uint32) {
	bits := uint64(0)
	for _, width := range t.widths {
		bits += uint64(width)
	}
	at := (t.offset + uint64(row)*((bits+7)/8)) * 8
	for _, width := range t.widths[:field] {
		at += uint64(width)
	}
	for i := range uint64(t.widths[field]) {
		value |= uint32(t.file[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return value
}

func (t plainTable) text(area int, number uint32) string {
	start := binary.LittleEndian.Uint64(t.file[232+16*area:])
	return string(t.file[start+uint64(t.get(number, 0)) : start+uint64(t.get(number+1, 0))])
}

// The file is what FORMAT.md says: who goes by it finds what was put in.
func TestFileIsAsDocumented(t *testing.T) {
	source := codemap.Source{
		Tables: []*codemap.Table{{
			Base: 0x4000, Starts: []uint32{0x10, 0x90, 0x95}, Records: []codemap.Record{{Node: 2, Place: 1}, {Node: 1, Place: 2}, {}},
			Nodes:     []codemap.Node{{}, {Function: 1}, {Function: 2, Parent: 1, Call: 3}},
			Functions: []codemap.Function{{}, {Name: 1, Linkage: 2, File: 1, Line: 70000, Language: codemap.LanguageRust}, {Name: 3}},
			Places:    []codemap.Place{{}, {File: 2, Line: 5, Column: 999}, {File: 1, Line: 70002, Discriminator: 3}, {File: 1, Line: 70009}},
			Files:     []string{"", "/a.rs", "/b.rs"}, Names: []string{"", "outer", "_Zouter", "inner"},
		}},
		Symbols: []codemap.Symbol{{Start: 0x4010, End: 0x4095, Name: "_Zouter"}},
	}
	file := encode(t, source)
	le := binary.LittleEndian
	assert.Equal(t, "ffikmap\x1a", string(file[:8]))
	assert.EqualValues(t, 2, le.Uint32(file[8:]))
	assert.EqualValues(t, len(file), le.Uint64(file[16:]))
	assert.EqualValues(t, 0x4010, le.Uint64(file[24:]), "base")
	assert.EqualValues(t, 7, le.Uint32(file[32:]))
	sum := crc32.MakeTable(crc32.Castagnoli)
	header := append([]byte{}, file[:4096]...)
	le.PutUint32(header[12:], 0)
	assert.Equal(t, crc32.Checksum(header, sum), le.Uint32(file[12:]))

	end := len(file) - 8 // one block, and the checksum of its checksum
	assert.Equal(t, crc32.Checksum(file[4096:end], sum), le.Uint32(file[end:]))
	assert.Equal(t, crc32.Checksum(file[end:end+4], sum), le.Uint32(file[end+4:]))

	tables := plainTables(file)
	require.Len(t, tables, 8)
	buckets, starts, records, nodes := tables[0], tables[1], tables[2], tables[3]
	functions, places, paths, names := tables[4], tables[5], tables[6], tables[7]
	// 0x4092 is 0x82 behind the base: in bucket 1, whose first record starts at 0x80.
	first := buckets.get(1, 0)
	assert.EqualValues(t, 1, first)
	assert.EqualValues(t, 3, buckets.get(2, 0))
	assert.EqualValues(t, 0, starts.get(first, 0))
	assert.EqualValues(t, 5, starts.get(first+1, 0))
	// The record before it starts the code.
	node, place := records.get(0, 0), records.get(0, 1)
	assert.Equal(t, "/b.rs", paths.text(0, places.get(place, 0)))
	assert.Equal(t, []uint32{5, 0, 999}, []uint32{places.get(place, 1), places.get(place, 2), places.get(place, 3)})
	assert.Equal(t, "inner", names.text(1, functions.get(nodes.get(node, 0), 0)))
	call := nodes.get(node, 2)
	assert.EqualValues(t, 70009, places.get(call, 1))
	node -= nodes.get(node, 1)
	outer := nodes.get(node, 0)
	assert.EqualValues(t, 0, nodes.get(node, 1), "not inlined")
	assert.Equal(t, "_Zouter", names.text(1, nodes.get(node, 2)), "its symbol")
	assert.Equal(t, "outer", names.text(1, functions.get(outer, 0)))
	assert.Equal(t, "_Zouter", names.text(1, functions.get(outer, 1)))
	assert.Equal(t, "/a.rs", paths.text(0, functions.get(outer, 2)))
	assert.EqualValues(t, 70000, functions.get(outer, 3))
	assert.EqualValues(t, codemap.LanguageRust, functions.get(outer, 4))

	// The files that it was made from.
	assert.EqualValues(t, len(identities), file[264])
	assert.Equal(t, identities[0].Inode, le.Uint64(file[265+8:]))
	length := int(le.Uint16(file[265+40:]))
	assert.Equal(t, identities[0].BuildID, string(file[265+42:265+42+length]))
}
