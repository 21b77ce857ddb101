package codemap

import (
	"io"

	"github.com/ffikit/ffikit/go/model"
)

// manyAddrs is the number of addresses from which on the whole file is read at
// once: that many would touch most of its blocks one by one.
const manyAddrs = 1000

// maxDecoded is how many functions, or paths, are kept decoded.
const maxDecoded = 1 << 19

// Reader answers from an index file. It is not safe for concurrent use.
//
// Nothing in the file is trusted: what it says of its own layout is checked
// when it is opened, each block's checksum when the block is loaded, each
// number when it is used. A Reader holds as much memory as the parts of the
// file that were loaded, at most the file's size.
type Reader struct {
	// SymbolNames gives the outermost frame of each address the LinkageName
	// that the symbol table has for it, where it has one: "foo.cold" for a part
	// of foo.
	SymbolNames bool

	header header
	blocks *blocks
	frames []model.Frame
	// err is the first thing found wrong; what is read after it is zero.
	err     error
	found   [ahead]at
	touched uint32
	// files and functions were decoded before; functions is nil until many
	// addresses were asked for.
	files     []string
	functions []function
	// passing is a function that is not kept.
	passing function
}

// Open reads the header of an index file of size bytes. The Reader reads the
// rest when it is asked; file must stay readable and stays the caller's. The
// error is ErrVersion or ErrDamaged, or the system's.
func Open(file io.ReaderAt, size int64) (*Reader, error) {
	if size < headerBytes {
		return nil, damaged("%d bytes", size)
	}
	head := make([]byte, headerBytes)
	if err := readFull(file, head, 0); err != nil {
		return nil, err
	}
	h, err := decodeHeader(head, uint64(size))
	if err != nil {
		return nil, err
	}
	b, err := openBlocks(file, h)
	if err != nil {
		return nil, err
	}
	return &Reader{header: *h, blocks: b, files: make([]string, min(h.grids[gridFiles].rows, maxDecoded))}, nil
}

// Identities are the files that the index was made from, the code's own first.
func (r *Reader) Identities() []Identity { return r.header.identities }

// Each calls visit for each address, in their order, with the frames there,
// leaf first, inlined calls before what they were inlined into; none where
// nothing is known. The frames and their slice are used again after visit; the
// strings stay good as long as they are held, but hold all of the Reader's
// memory. Nothing is allocated for an address. An error ends the visits: the
// file is damaged or was changed, and wants to be made anew.
func (r *Reader) Each(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error {
	if r.err == nil && len(addrs) >= manyAddrs && r.functions == nil {
		r.err = r.blocks.loadAll()
		r.functions = make([]function, min(r.header.grids[gridFunctions].rows, maxDecoded))
	}
	for start := 0; start < len(addrs); start += ahead {
		chunk := addrs[start:min(start+ahead, len(addrs))]
		found := r.find(chunk)
		for i := range chunk {
			r.frames = r.frames[:0]
			if at := found[i]; at.node != 0 || at.place != 0 {
				r.chain(at.node, at.place)
			}
			if r.err != nil {
				return r.err
			}
			visit(start+i, r.frames)
		}
	}
	return r.err
}

// ahead is how many addresses are looked up together. Each look-up waits for
// memory several times; a few dozen of them wait together.
const ahead = 64

// at is where an address lies: in a call, at a place.
type at struct{ node, place uint32 }

// find looks up at most ahead addresses. The answer is good until the next call.
func (r *Reader) find(addrs []model.VirtAddr) *[ahead]at {
	var indices [ahead]uint32
	var known [ahead]bool
	for i, addr := range addrs {
		indices[i], known[i] = r.recordAt(uint64(addr))
	}
	records := &r.header.grids[gridRecords]
	for i := range addrs {
		r.found[i] = at{}
		if known[i] {
			record := r.row(records, indices[i])
			r.found[i] = at{records.get(record, 0), records.get(record, 1)}
		}
	}
	if r.blocks.missing == 0 {
		r.touch(len(addrs))
	}
	return &r.found
}

// touch brings what the first n of r.found need into the processor's caches.
func (r *Reader) touch(n int) {
	nodes, places := &r.header.grids[gridNodes], &r.header.grids[gridPlaces]
	var functions [ahead]uint32
	for i, at := range r.found[:n] {
		functions[i] = nodes.get(r.row(nodes, at.node), 0)
		r.touched += places.get(r.row(places, at.place), 1)
	}
	for _, number := range functions[:n] {
		if uint64(number) < uint64(len(r.functions)) {
			if f := &r.functions[number]; f.name != "" {
				r.touched += uint32(f.name[0])
			}
		}
	}
}

// recordAt finds the record that holds for addr.
func (r *Reader) recordAt(addr uint64) (index uint32, ok bool) {
	h := &r.header
	into := addr - h.base
	buckets, starts := &h.grids[gridBuckets], &h.grids[gridStarts]
	if addr < h.base || into >= 1<<32 || starts.rows == 0 {
		return 0, false
	}
	number := into >> h.shift
	if number+1 >= uint64(buckets.rows) {
		return starts.rows - 1, true
	}
	pair := r.rowsOf(buckets, uint32(number), 2)
	if pair == nil {
		return 0, false
	}
	low, high := buckets.get(buckets.open(pair), 0), buckets.get(buckets.open(pair[buckets.stride:]), 0)
	if low > high || high > starts.rows || uint64(high-low) > 1<<h.shift {
		r.fail("bucket %d from %d to %d", number, low, high)
		return 0, false
	}
	return r.lastStart(low, high, uint32(into&(1<<h.shift-1)))
}

// lastStart finds the last record that starts at rest or before, in a bucket
// whose records are those from low to high; they rise.
func (r *Reader) lastStart(low, high, rest uint32) (index uint32, ok bool) {
	g := &r.header.grids[gridStarts]
	starts := r.rowsOf(g, low, high-low)
	if starts == nil {
		return 0, false
	}
	if g.stride == 1 {
		// A bucket of 128 bytes has few, in one cache line or two.
		for _, start := range starts[:high-low] {
			if uint32(start) > rest {
				break
			}
			low++
		}
		return low - 1, low > 0
	}
	first := low
	for low < high {
		middle := low + (high-low)/2
		if g.get(g.open(starts[(middle-first)*g.stride:]), 0) > rest {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - 1, low > 0
}

// chain appends the frames of node and of all that it was inlined into.
func (r *Reader) chain(node, place uint32) {
	nodes, places := &r.header.grids[gridNodes], &r.header.grids[gridPlaces]
	for len(r.frames) < maxChain {
		r.frames = append(r.frames, model.Frame{})
		frame := &r.frames[len(r.frames)-1]
		file := uint32(0)
		if place != 0 {
			row := r.row(places, place)
			file = places.get(row, 0)
			frame.File, frame.Line = r.file(file), int(places.get(row, 1))
			frame.Discriminator, frame.Column = places.get(row, 2), int(places.get(row, 3))
		}
		row := r.row(nodes, node)
		parent, call := nodes.get(row, 1), nodes.get(row, 2)
		r.describe(frame, nodes.get(row, 0), file)
		if parent == 0 {
			r.nameRoot(frame, call)
			return
		}
		if parent >= node {
			r.fail("node %d, %d before it", node, parent)
			return
		}
		frame.Inlined = true
		node, place = node-parent, call
	}
	r.fail("node %d is inlined too deep", node)
}

// describe sets what is known of a function whose frame stands in file.
func (r *Reader) describe(frame *model.Frame, number, file uint32) {
	if number == 0 {
		return
	}
	f := r.function(number)
	frame.Function, frame.LinkageName, frame.Language = f.name, f.linkage, ModelLanguage(f.language)
	// The distance from the declaration means something in one file only. A Go
	// function whose file is not told lies in one.
	if int(f.line) <= frame.Line && (f.file == file || f.file == 0 && f.language == LanguageGo) {
		frame.FunctionLine = int(f.line)
	}
}

// nameRoot ends a chain with the function's own frame.
func (r *Reader) nameRoot(frame *model.Frame, symbol uint32) {
	if symbol != 0 && (frame.Function == "" || r.SymbolNames) {
		NameBySymbol(frame, r.text(gridNames, symbol), r.SymbolNames)
	}
	if len(r.frames) == 1 && frame.Function == "" && frame.File == "" {
		r.frames = r.frames[:0]
	}
}

// NameBySymbol gives the frame of a function what its symbol tells: its name
// where it has none, and with linkage also its linkage name, where that differs
// from its name.
func NameBySymbol(frame *model.Frame, symbol string, linkage bool) {
	switch {
	case symbol == "":
	case frame.Function == "":
		frame.Function = symbol
	case !linkage:
	case frame.Function == symbol:
		frame.LinkageName = ""
	default:
		frame.LinkageName = symbol
	}
}
