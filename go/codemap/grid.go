package codemap

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A grid is a table in a file: rows of the same number of bytes, in which each
// field has as many bits as its largest value needs. That halves the size of a
// file, hence the blocks and cache lines that a look-up touches, and costs one
// shift a field.
type grid struct {
	start  uint64
	rows   uint32
	stride uint32
	widths [maxFields]byte
	fields [maxFields]field
	// narrow rows have at most 64 bits, which are read at once.
	narrow bool
}

// field says where in a row it lies.
type field struct {
	bit  uint32
	mask uint32
}

func newGrid(widths ...byte) (grid, error) {
	var g grid
	total := uint32(0)
	for i, width := range widths {
		if width > 32 {
			return grid{}, fmt.Errorf("a field of %d bits", width)
		}
		g.widths[i] = width
		g.fields[i] = field{bit: total, mask: uint32(1<<width - 1)}
		total += uint32(width)
	}
	g.stride, g.narrow = (total+7)/8, total <= 64
	return g, nil
}

// gridFor makes a grid for rows whose fields are at most maxima.
func gridFor(rows int, maxima ...uint32) grid {
	widths := make([]byte, len(maxima))
	for i, value := range maxima {
		widths[i] = byte(bits.Len32(value))
	}
	g, _ := newGrid(widths...)
	g.rows = uint32(rows)
	return g
}

func (g *grid) size() uint64 { return uint64(g.rows) * uint64(g.stride) }

// packed is a row as it lies in a file, with slackBytes more.
type packed struct {
	row  []byte
	word uint64
}

func (g *grid) open(row []byte) packed {
	return packed{row, binary.LittleEndian.Uint64(row)}
}

// get reads field i of a row.
func (g *grid) get(p packed, i int) uint32 {
	f := &g.fields[i]
	if g.narrow {
		return uint32(p.word>>(f.bit&63)) & f.mask
	}
	return uint32(binary.LittleEndian.Uint64(p.row[f.bit/8:])>>(f.bit%8)) & f.mask
}

// put adds the fields of one row to row, which is zero and has slackBytes more
// than the row.
func (g *grid) put(row []byte, values ...uint32) {
	if g.narrow {
		word := uint64(0)
		for i, value := range values {
			word |= uint64(value) << (g.fields[i].bit & 63)
		}
		binary.LittleEndian.PutUint64(row, word)
		return
	}
	for i, value := range values {
		f := &g.fields[i]
		at := row[f.bit/8:]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)|uint64(value)<<(f.bit%8))
	}
}
