package dwarf

// place is a source line as the line table has it; in a hit, file is a number of
// paths.go. line 0 means that no source line stands for the code.
type place struct{ file, line, column, discriminator uint32 }

// initialRow is the state in which each sequence starts.
var initialRow = place{file: 1, line: 1}

// lineSink takes the rows of a line program.
type lineSink interface {
	// start begins a sequence at addr, which lies in code; it returns the least
	// address that it waits for: rows up to there may be left out.
	start(addr uint64) (wanted uint64)
	// row says that [from, to) is at p; it returns what it waits for now, or
	// nothing.
	row(from, to uint64, p place) (wanted uint64)
	// more tells, at the end of a sequence and when it waits for nothing, whether
	// another sequence may be of use.
	more() bool
}

// nothing is behind all addresses.
const nothing = ^uint64(0)

// runLines executes the line program of t (DWARF 5, 6.2.5). Rows that begin and
// end below what the sink waits for are not told.
func (r *reader) runLines(t *lineTable, sink lineSink) bool {
	d, end, big := t.image.bytes[secLine], t.end, t.image.big
	p, base, ops := t.program, t.parameters.base, r.opcodesOf(t.parameters)
	if !r.spend(end - p + 1) {
		return false
	}
	var addr, before, wanted uint64
	now, at := initialRow, place{} // at is that of the row before
	open := false
	for p < end {
		op := d[p]
		p++
		if op >= base {
			addr += uint64(ops.addrStep[op])
			now.line += uint32(ops.lineStep[op])
		} else if op != lnsCopy {
			var v uint64
			switch op {
			case lnsAdvancePC:
				v, p = uleb(d, p)
				addr += v * uint64(ops.minInst)
			case lnsAdvanceLine:
				var step int64
				step, p = sleb(d, p)
				now.line += uint32(step)
			case lnsSetFile:
				v, p = uleb(d, p)
				now.file = uint32(v)
			case lnsSetColumn:
				v, p = uleb(d, p)
				now.column = uint32(min(v, 1<<32-1))
			case lnsConstAddPC:
				addr += ops.constAddPC
			case lnsFixedAdvancePC:
				addr += fixed16(d, p, big)
				p += 2
			case lnsExtended:
				var what uint8
				what, v, p = extendedOp(d, p, end, big)
				switch what {
				case lneEndSequence:
					if open && !endSequence(sink, wanted, before, addr, at) {
						return true
					}
					open, addr, now = false, 0, initialRow
				case lneSetAddress:
					addr = v
				case lneSetDiscriminator:
					now.discriminator = uint32(v)
				}
			default:
				p = skipOperands(d, p, end, t.operands[op-1])
			}
			continue
		}
		// A row: it ends the one before it.
		if !open {
			open = true
			wanted = r.startSequence(sink, addr)
		} else if addr > wanted && before < addr {
			if wanted = sink.row(before, addr, at); wanted == nothing && !sink.more() {
				return true
			}
		}
		before, at = addr, now
		now.discriminator = 0
	}
	return p == end
}

// startSequence begins a sequence, unless it lies in no code. The linker leaves 0
// in place of the address of a function that it dropped: if that was large, its
// sequence reaches into code that others are of.
func (r *reader) startSequence(sink lineSink, addr uint64) (wanted uint64) {
	if addr < r.data.codeStart || addr >= r.data.codeEnd {
		return nothing
	}
	return sink.start(addr)
}

// endSequence tells of the last row; false ends the program.
func endSequence(sink lineSink, wanted, from, to uint64, at place) bool {
	if to > wanted && from < to {
		sink.row(from, to, at)
	}
	return sink.more()
}

// skipOperands passes over those of an opcode that is not known.
func skipOperands(d []byte, p, end int, count uint8) int {
	for ; count > 0 && p < end; count-- {
		p = skipLEB(d, p)
	}
	return p
}

// extendedOp reads the extended opcode at p: which, its operand, and the place
// behind it, which lies behind end where it is cut off.
func extendedOp(d []byte, p, end int, big bool) (what uint8, operand uint64, next int) {
	size, p := uleb(d, p)
	if p >= end || size > uint64(end-p) {
		return 0, 0, end + 1
	}
	next = p + int(size)
	if size == 0 {
		return 0, 0, next
	}
	switch what = d[p]; what {
	case lneSetAddress:
		// The operand's size is what is left: some producers ignore the header's.
		if size != 5 && size != 9 {
			return 0, 0, next
		}
		operand, _ = fixed(d, p+1, int(size-1), big)
	case lneSetDiscriminator:
		operand, _ = uleb(d, p+1)
	}
	return what, operand, next
}

// lineHits gives sorted addresses their places.
type lineHits struct {
	reader *reader
	of     *unit
	addrs  []uint64
	hits   []hit
	unit   int32
	// open is how many addresses may still find their place in this table; next is
	// the first one that this sequence may answer.
	open, next int
	// alone means that an address has a place and no function.
	alone bool
}

func (l *lineHits) start(addr uint64) uint64 {
	l.next = lower(l.addrs, addr)
	return l.wanted()
}

func (l *lineHits) wanted() uint64 {
	if l.next < len(l.addrs) {
		return l.addrs[l.next]
	}
	return nothing
}

func (l *lineHits) row(from, to uint64, p place) uint64 {
	// Addresses that go down do not happen in what compilers write; what they
	// skipped is not told of again.
	for ; l.next < len(l.addrs) && l.addrs[l.next] < to; l.next++ {
		if l.addrs[l.next] < from {
			continue
		}
		// Of two sequences, and of two units, the first one counts.
		if h := &l.hits[l.next]; h.unit == 0 {
			h.unit, h.place = l.unit, p
			h.file = l.reader.path(l.of, p.file)
			l.open--
			l.alone = l.alone || h.node == 0
		}
	}
	return l.wanted()
}

func (l *lineHits) more() bool { return l.open > 0 }

// open counts the addresses that a unit's line table may know: those of its
// functions, and those of none.
func (r *reader) open(number int32) int {
	open := 0
	for i := range r.hits {
		if h := &r.hits[i]; h.unit == 0 && (h.node == 0 || r.nodes[h.node-1].unit == number) {
			open++
		}
	}
	return open
}

// lower returns the number of addresses below addr.
func lower(addrs []uint64, addr uint64) int {
	lo, hi := 0, len(addrs)
	for lo < hi {
		middle := int(uint(lo+hi) >> 1)
		if addrs[middle] < addr {
			lo = middle + 1
		} else {
			hi = middle
		}
	}
	return lo
}
