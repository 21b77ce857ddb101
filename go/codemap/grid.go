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
}

// field says where in a row it lies.
type field struct {
	at    uint32 // bytes
	shift uint8
	mask  uint64
}

func newGrid(widths ...byte) (grid, error) {
	var g grid
	total := uint32(0)
	for i, width := range widths {
		if width > 32 {
			return grid{}, fmt.Errorf("a field of %d bits", width)
		}
		g.widths[i] = width
		g.fields[i] = field{at: total / 8, shift: uint8(total % 8), mask: 1<<width - 1}
		total += uint32(width)
	}
	g.stride = (total + 7) / 8
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

// get reads field i of the row that starts at row; the slice has slackBytes
// more than the row.
func (g *grid) get(row []byte, i int) uint32 {
	f := &g.fields[i]
	return uint32(binary.LittleEndian.Uint64(row[f.at:]) >> f.shift & f.mask)
}

// put adds the fields of one row to row, which is zero and has slackBytes more
// than the row.
func (g *grid) put(row []byte, values ...uint32) {
	for i, value := range values {
		f := &g.fields[i]
		at := row[f.at:]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)|uint64(value)<<f.shift)
	}
}
