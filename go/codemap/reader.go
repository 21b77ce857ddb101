package codemap

import (
	"io"
	"unsafe"

	"github.com/ffikit/ffikit/go/model"
)

// manyAddrs is the number of addresses from which on the whole file is read at
// once: that many would touch most of its blocks one by one.
const manyAddrs = 1000

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
	return &Reader{header: *h, blocks: b}, nil
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
	if len(addrs) >= manyAddrs && r.blocks.missing > 0 {
		if err := r.blocks.loadAll(); err != nil {
			return err
		}
	}
	for i, addr := range addrs {
		if err := r.find(uint64(addr)); err != nil {
			return err
		}
		visit(i, r.frames)
	}
	return nil
}

// find fills r.frames.
func (r *Reader) find(addr uint64) error {
	r.frames = r.frames[:0]
	index, ok, err := r.recordAt(addr)
	if err != nil || !ok {
		return err
	}
	records := &r.header.grids[gridRecords]
	record, err := r.row(gridRecords, index)
	if err != nil {
		return err
	}
	node, place := records.get(record, 0), records.get(record, 1)
	if node == 0 && place == 0 {
		return nil
	}
	return r.chain(node, place)
}

// recordAt finds the record that holds for addr.
func (r *Reader) recordAt(addr uint64) (index uint32, ok bool, err error) {
	h := &r.header
	into := addr - h.base
	if addr < h.base || into >= 1<<32 || h.grids[gridStarts].rows == 0 {
		return 0, false, nil
	}
	buckets, starts := &h.grids[gridBuckets], &h.grids[gridStarts]
	number := into >> h.shift
	if number+1 >= uint64(buckets.rows) {
		return starts.rows - 1, true, nil
	}
	first, err := r.row(gridBuckets, uint32(number))
	if err != nil {
		return 0, false, err
	}
	low := buckets.get(first, 0)
	behind, err := r.row(gridBuckets, uint32(number)+1)
	if err != nil {
		return 0, false, err
	}
	high := buckets.get(behind, 0)
	if low > high || high > starts.rows || uint64(high-low) > 1<<h.shift {
		return 0, false, damaged("bucket %d from %d to %d", number, low, high)
	}
	rest := uint32(into & (1<<h.shift - 1))
	for low < high {
		// The rows of a bucket rise: the first that starts behind the address.
		middle := low + (high-low)/2
		start, err := r.row(gridStarts, middle)
		if err != nil {
			return 0, false, err
		}
		if starts.get(start, 0) > rest {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - 1, low > 0, nil
}

// chain appends the frames of node and of all that it was inlined into.
func (r *Reader) chain(node, place uint32) error {
	nodes := &r.header.grids[gridNodes]
	for len(r.frames) < maxChain {
		row, err := r.row(gridNodes, node)
		if err != nil {
			return err
		}
		function, parent, call := nodes.get(row, 0), nodes.get(row, 1), nodes.get(row, 2)
		if len(r.frames) < cap(r.frames) {
			r.frames = r.frames[:len(r.frames)+1]
			r.frames[len(r.frames)-1] = model.Frame{}
		} else {
			r.frames = append(r.frames, model.Frame{})
		}
		frame := &r.frames[len(r.frames)-1]
		file, err := r.describePlace(frame, place)
		if err != nil {
			return err
		}
		if err := r.describeFunction(frame, function, file); err != nil {
			return err
		}
		if parent == 0 {
			return r.nameRoot(frame, call)
		}
		if parent >= node {
			return damaged("node %d, %d before it", node, parent)
		}
		frame.Inlined = true
		node, place = node-parent, call
	}
	return damaged("node %d is inlined too deep", node)
}

// nameRoot ends a chain with the function's own frame.
func (r *Reader) nameRoot(frame *model.Frame, symbol uint32) error {
	if symbol != 0 && (frame.Function == "" || r.SymbolNames) {
		name, err := r.text(gridNames, symbol)
		if err != nil {
			return err
		}
		NameBySymbol(frame, name, r.SymbolNames)
	}
	if len(r.frames) == 1 && frame.Function == "" && frame.File == "" {
		r.frames = r.frames[:0]
	}
	return nil
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

// describePlace sets what is known of a place; it returns its file's number.
func (r *Reader) describePlace(frame *model.Frame, place uint32) (file uint32, err error) {
	if place == 0 {
		return 0, nil
	}
	places := &r.header.grids[gridPlaces]
	row, err := r.row(gridPlaces, place)
	if err != nil {
		return 0, err
	}
	file = places.get(row, 0)
	frame.Line, frame.Discriminator, frame.Column = int(places.get(row, 1)), places.get(row, 2), int(places.get(row, 3))
	frame.File, err = r.text(gridFiles, file)
	return file, err
}

func (r *Reader) describeFunction(frame *model.Frame, function, file uint32) error {
	if function == 0 {
		return nil
	}
	functions := &r.header.grids[gridFunctions]
	row, err := r.row(gridFunctions, function)
	if err != nil {
		return err
	}
	name, linkage := functions.get(row, 0), functions.get(row, 1)
	declared, line := functions.get(row, 2), int(functions.get(row, 3))
	frame.Language = ModelLanguage(uint8(functions.get(row, 4)))
	// The distance from the declaration means something in one file only. A Go
	// function whose file is not told lies in one.
	if (declared == file || declared == 0 && frame.Language == model.LanguageGo) && line <= frame.Line {
		frame.FunctionLine = line
	}
	if frame.Function, err = r.text(gridNames, name); err != nil || linkage == 0 {
		return err
	}
	frame.LinkageName, err = r.text(gridNames, linkage)
	return err
}

// row returns a row of a table and slackBytes more.
func (r *Reader) row(table int, index uint32) ([]byte, error) {
	g := &r.header.grids[table]
	if index >= g.rows {
		return nil, damaged("row %d of table %d, which has %d", index, table, g.rows)
	}
	at := g.start - headerBytes + uint64(index)*uint64(g.stride)
	end := at + uint64(g.stride)
	if r.blocks.missing > 0 {
		if err := r.blocks.load(at, end); err != nil {
			return nil, err
		}
	}
	return r.blocks.data[at : end+slackBytes], nil
}

// text returns string number of gridFiles or gridNames. It points into the
// blocks, which are written once only.
func (r *Reader) text(table int, number uint32) (string, error) {
	if number == 0 {
		return "", nil
	}
	g := &r.header.grids[table]
	row, err := r.row(table, number)
	if err != nil {
		return "", err
	}
	next, err := r.row(table, number+1)
	if err != nil {
		return "", err
	}
	texts := r.header.areas[areaFiles+table-gridFiles]
	start, end := uint64(g.get(row, 0)), uint64(g.get(next, 0))
	if start > end || end > texts.size {
		return "", damaged("string %d of table %d from %d to %d", number, table, start, end)
	}
	start, end = texts.start-headerBytes+start, texts.start-headerBytes+end
	if r.blocks.missing > 0 {
		if err := r.blocks.load(start, end); err != nil {
			return "", err
		}
	}
	if start == end {
		return "", nil
	}
	// SAFETY: the bytes lie in data, which lives as long as the string does,
	// and no block is written again after it was loaded.
	return unsafe.String(&r.blocks.data[start], int(end-start)), nil
}
