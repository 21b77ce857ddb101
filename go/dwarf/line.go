package dwarf

import (
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// sequence is one run of the line program over rising addresses; program is
// where in .debug_line its first opcode stands.
type sequence struct {
	start, end uint64
	program    int
}

// row is what the line table says of an address. File counts as the table
// does; line 0 means that no source line stands for the code.
type row struct {
	file, line, column uint64
}

// runLines executes the line program from offset on and calls visit for each
// row; end marks the row behind a sequence, next the offset of what follows.
// visit returns false to end.
func (d *Data) runLines(t *lineTable, offset int, visit func(addr uint64, r row, end bool, next int) bool) bool {
	c := d.cursor(secLine)
	c.data = c.data[:t.end]
	c.seek(uint64(offset))
	var addr uint64
	r := row{file: 1, line: 1}
	// A line range of 0 is let through only where there are no special opcodes.
	lineRange := max(t.lineRange, 1)
	constAdd := uint64(255-t.opcodeBase) / lineRange * t.minInst
	for c.more() {
		op := c.u8()
		if op >= t.opcodeBase {
			step := uint64(op - t.opcodeBase)
			addr += step / lineRange * t.minInst
			r.line = uint64(int64(r.line) + t.lineBase + int64(step%lineRange))
			if !visit(addr, r, false, c.off) {
				return true
			}
			continue
		}
		switch op {
		case lnsExtended:
			next, ended := d.extendedOp(t, c, &addr)
			if ended {
				if !visit(addr, r, true, next) {
					return true
				}
				addr, r = 0, row{file: 1, line: 1}
			}
			c.seek(uint64(next))
		case lnsCopy:
			if !visit(addr, r, false, c.off) {
				return true
			}
		case lnsAdvancePC:
			addr += c.uleb() * t.minInst
		case lnsAdvanceLine:
			r.line = uint64(int64(r.line) + c.sleb())
		case lnsSetFile:
			r.file = c.uleb()
		case lnsSetColumn:
			r.column = c.uleb()
		case lnsConstAddPC:
			addr += constAdd
		case lnsFixedAdvancePC:
			addr += uint64(c.u16())
		default:
			for n := t.operands[op-1]; n > 0; n-- {
				c.uleb()
			}
		}
	}
	return !c.bad
}

// extendedOp executes one extended opcode. next is the offset behind it.
func (d *Data) extendedOp(t *lineTable, c *cursor, addr *uint64) (next int, ended bool) {
	size := c.uleb()
	if c.bad || size > uint64(len(c.data)-c.off) {
		c.fail()
		return c.off, false
	}
	next = c.off + int(size)
	if size == 0 {
		return next, false
	}
	switch c.u8() {
	case lneEndSequence:
		ended = true
	case lneSetAddress:
		// The operand's size is what is left: some producers ignore the header's.
		*addr = c.uint(int(size - 1))
	case lneDefineFile:
		// Obsolete and never met; the file is unknown then.
	}
	return next, ended
}

// listSequences runs the whole program, once, and notes where its sequences are.
func (d *Data) listSequences(t *lineTable) error {
	if t.listed {
		return nil
	}
	t.listed = true
	var current sequence
	current.program = t.program
	open, over := false, false
	ok := d.runLines(t, t.program, func(addr uint64, _ row, end bool, next int) bool {
		if !open {
			current.start, open = addr, true
		}
		if end {
			current.end, open = addr, false
			if current.start < current.end && current.start >= d.codeStart && current.start < d.codeEnd {
				t.sequences = append(t.sequences, current)
			}
			current.program = next
			over = len(t.sequences) >= maxSequences
		}
		return !over
	})
	slices.SortStableFunc(t.sequences, func(a, b sequence) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	d.remember(24 * len(t.sequences))
	switch {
	case over:
		return d.errorAt(secLine, uint64(t.program), object.ErrLimit, "line table: sequences")
	case !ok:
		return d.errorAt(secLine, uint64(t.program), object.ErrFormat, "line table: the program is cut off")
	}
	return nil
}

// sequenceAt returns the sequence that holds addr.
func (t *lineTable) sequenceAt(addr uint64) (int, bool) {
	next := sort.Search(len(t.sequences), func(i int) bool { return t.sequences[i].start > addr })
	for i := next - 1; i >= 0 && i >= next-maxBackward; i-- {
		if t.sequences[i].end > addr {
			return i, true
		}
	}
	return 0, false
}

// rows looks up addrs, which are sorted; rows[i].file is ^0 where the table
// does not know addrs[i].
func (d *Data) rows(t *lineTable, addrs []uint64) []row {
	rows := make([]row, len(addrs))
	for i := range rows {
		rows[i] = unknownRow
	}
	if t == nil {
		return rows
	}
	if err := d.listSequences(t); err != nil {
		d.note(err)
	}
	for i := 0; i < len(addrs); {
		at, ok := t.sequenceAt(addrs[i])
		if !ok {
			i++
			continue
		}
		// One run of the sequence answers all addresses in it.
		n := 1
		for i+n < len(addrs) && addrs[i+n] < t.sequences[at].end {
			if other, ok := t.sequenceAt(addrs[i+n]); !ok || other != at {
				break
			}
			n++
		}
		d.rowsOfSequence(t, t.sequences[at].program, addrs[i:i+n], rows[i:i+n])
		i += n
	}
	return rows
}

var unknownRow = row{file: ^uint64(0)}

// rowsOfSequence finds for each address the last row at or before it.
func (d *Data) rowsOfSequence(t *lineTable, program int, addrs []uint64, rows []row) {
	var before row
	var beforeAddr uint64
	started := false
	d.runLines(t, program, func(addr uint64, r row, end bool, _ int) bool {
		if started {
			for len(addrs) > 0 && addrs[0] < addr {
				if addrs[0] >= beforeAddr {
					rows[0] = before
				}
				addrs, rows = addrs[1:], rows[1:]
			}
		}
		before, beforeAddr, started = r, addr, true
		return !end && len(addrs) > 0
	})
}
