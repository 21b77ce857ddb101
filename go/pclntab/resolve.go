package pclntab

import (
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Resolve returns the frames of each address, leaf first, calls that were
// inlined before the function that they were inlined into. An address is one
// within the instruction: of a caller, one before its return address. A list
// is empty where nothing is known, also in the padding between functions; its
// frame has no file where only the function is known. Frames have Function,
// Language, File, Line, FunctionLine and Inlined; names are in full, with their
// type arguments, as in DWARF (the runtime elides them when it prints). An error
// is the first damage met; the frames are good as far as they go.
func (t *Table) Resolve(addrs []model.VirtAddr) ([][]model.Frame, error) {
	const most = 1024
	frames := make([][]model.Frame, len(addrs))
	var room []model.Frame
	err := t.Each(addrs, func(i int, chain []model.Frame) {
		if len(chain) == 0 {
			return
		}
		if cap(room)-len(room) < len(chain) {
			room = make([]model.Frame, 0, max(len(chain), min(most, 2*(len(addrs)-i))))
		}
		start := len(room)
		room = append(room, chain...)
		frames[i] = slices.Clip(room[start:])
	})
	return frames, err
}

// Each calls visit for each address, in their order, with what Resolve returns
// for it. The frames are visit's until it returns; it may not use the table.
// Nothing is allocated for an address.
func (t *Table) Each(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error {
	t.begin(len(addrs))
	for _, r := range t.regions() {
		r.expect(len(addrs))
	}
	for done := 0; done < len(addrs); done += addrsPerRound {
		t.forgetMuch()
		t.rows = t.allRows()
		t.chains.left = freeFrames + framesPerAddr*min(addrsPerRound, len(addrs))
		round := addrs[done:min(len(addrs), done+addrsPerRound)]
		t.locate(round)
		for i := range round {
			visit(done+i, t.framesOf(t.places[i]))
		}
	}
	return t.finish()
}

// locate finds the places of some addresses.
func (t *Table) locate(addrs []model.VirtAddr) {
	if cap(t.places) < len(addrs) {
		t.places = make([]place, len(addrs))
		t.keys, t.spare = make([]uint64, len(addrs)), make([]uint64, len(addrs))
	}
	t.places = t.places[:len(addrs)]
	clear(t.places)
	keys := t.keys[:0]
	for i, addr := range addrs {
		if offset, ok := t.offsetOf(uint64(addr)); ok {
			keys = append(keys, uint64(offset)<<32|uint64(i))
		}
	}
	// In order, each function is decoded once.
	keys = sortKeys(keys, t.spare[:len(keys)])
	from := 0
	for _, key := range keys {
		offset := uint32(key >> 32)
		if f := &t.current; f.index < 0 || offset < f.entry || offset >= f.end {
			var next function
			f.index = -1
			index := t.indexOf(offset, from)
			if !t.read(index, &next) {
				continue
			}
			from = index
			t.enter(&next)
		}
		t.places[uint32(key)] = t.placeOf(offset - t.current.entry)
	}
}

// sortKeys sorts by the upper half of keys, into one of the two slices, of the
// same length.
func sortKeys(keys, spare []uint64) []uint64 {
	if slices.IsSorted(keys) {
		return keys
	}
	if len(keys) < 256 {
		slices.Sort(keys)
		return keys
	}
	const digit = 11
	differ := uint64(0)
	for _, key := range keys {
		differ |= key ^ keys[0]
	}
	for shift := 32; shift < 64 && differ>>shift != 0; shift += digit {
		var starts [1 << digit]uint32
		for _, key := range keys {
			starts[key>>shift%(1<<digit)]++
		}
		sum := uint32(0)
		for i, count := range starts {
			starts[i], sum = sum, sum+count
		}
		for _, key := range keys {
			place := &starts[key>>shift%(1<<digit)]
			spare[*place] = key
			*place++
		}
		keys, spare = spare, keys
	}
	return keys
}

// framesOf returns the frames at a place. The slice is good until the next call.
func (t *Table) framesOf(p place) []model.Frame {
	if p.node == 0 {
		return nil
	}
	nodes := t.chains.nodes
	depth := int(nodes[p.node].depth)
	if t.frames -= depth; t.frames < 0 {
		t.frames = 0
		t.overdrawn(t.starts, "frames of inlined calls")
		return nil
	}
	if cap(t.chain) < depth {
		t.chain = make([]model.Frame, depth+depth/2+8)
	}
	chain := t.chain[:depth]
	file, line := p.file, p.line
	for i, at := 0, p.node; i < depth; i++ {
		n := &nodes[at]
		t.frame(&chain[i], n, file, line)
		at, file, line = n.parent, n.callFile, n.callLine
	}
	return chain
}

// begin grants the budget of a call about that many addresses.
func (t *Table) begin(addrs int) {
	t.problem = nil
	// No more than a 32-bit int holds.
	t.textBytes, t.frames = freeTextBytes+textPerAddr*min(addrs, maxTexts), freeFrames+framesPerAddr*min(addrs, 1<<26)
	t.rows = t.allRows()
}

// allRows is how many rows and inlined calls the table should have in all; some
// functions share theirs.
func (t *Table) allRows() int64 {
	rows := int64(freeRows)
	for _, r := range []*region{t.names, t.files, t.pcs, t.records} {
		rows += int64(r.size) * rowsPerByte
	}
	return rows
}

// regions are all of them; trees may be nil.
func (t *Table) regions() [7]*region {
	return [...]*region{t.names, t.units, t.files, t.pcs, t.starts, t.records, t.trees}
}

// finish returns the first problem of a call.
func (t *Table) finish() error {
	for _, r := range t.regions() {
		if r != nil && r.problem != nil {
			t.problem, r.problem = t.image.readError(r.addr, r.problem), nil
		}
	}
	return t.problem
}

// damaged notes that what lies at an offset in a region is wrong.
func (t *Table) damaged(in *region, offset uint64, format string, args ...any) {
	if t.problem == nil {
		t.problem = t.image.errorAt(in.addr+offset, object.ErrFormat, "%s", fmt.Sprintf(format, args...))
	}
}

// overdrawn notes that the budget of a call is spent.
func (t *Table) overdrawn(in *region, what string) {
	if t.problem == nil {
		t.problem = t.image.errorAt(in.addr, object.ErrLimit, "%s", what)
	}
}
