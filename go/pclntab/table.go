package pclntab

import (
	"sort"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Table is the function table of one Go program. It is not safe for concurrent
// use: lookups fill its caches.
type Table struct {
	image *Image
	// count is the number of functions, starts where they start, records what
	// is known of each; records and starts are the same bytes. trees are the
	// inlined calls (go:func.*), nil where those lie nowhere.
	count                    int
	minLC                    uint32
	names, units, files, pcs *region
	starts, records, trees   *region
	sections                 []textSection

	current function
	chains  chains
	texts   texts
	name    []byte
	// textBytes, frames and rows are what is left of the budget, see doc.go.
	textBytes, frames int
	rows              int64
	// keys, spare and places are of the addresses of one round of Each.
	keys, spare []uint64
	places      []place
	chain       []model.Frame
	// problem is the first thing that went wrong in the current call.
	problem error
}

// textSection maps offsets of functions, as the table holds them, to
// addresses: those from start to end lie at addr and up.
type textSection struct{ start, end, addr uint64 }

// Open finds the function table in file, which must stay open as long as the
// Table is used and stays the caller's. Without one the error is ErrNoTable.
func Open(file *object.File) (*Table, error) {
	if !mayBeGo(file) {
		return nil, &object.Error{Path: file.Path(), Err: ErrNoTable}
	}
	return find(fileImage(file))
}

// New finds the function table in image, whose contents must stay readable as
// long as the Table is used. Without one the error is ErrNoTable.
func New(image *Image) (*Table, error) {
	if image.Order == nil || image.AddrSize != 4 && image.AddrSize != 8 {
		return nil, &object.Error{Path: image.Name, Reason: "addresses are neither of 4 nor of 8 bytes", Err: object.ErrFormat}
	}
	return find(image)
}

// newTable takes what header and module data say; nil where they point out of
// their segments.
func newTable(image *Image, h *header, m []uint64) *Table {
	segment := image.segmentAt(h.addr)
	start := h.addr - uint64(segment.VirtAddr)
	if m[moduleTableLen] > segment.SizeBytes-start-h.table {
		return nil
	}
	part := func(from, to uint64, keptBytes int) *region {
		return regionOf(segment, h.addr+from, to-from, image.Order, keptBytes)
	}
	end := h.table + m[moduleTableLen]
	t := &Table{
		image: image, count: int(h.functions), minLC: h.minLC,
		names: part(h.names, h.units, muchKept), units: part(h.units, h.files, littleKept),
		files: part(h.files, h.pcs, littleKept), pcs: part(h.pcs, h.table, muchKept),
		starts: part(h.table, h.table+8*h.functions+4, littleKept), records: part(h.table, end, littleKept),
	}
	t.forget()
	if s := image.segmentAt(m[moduleGoFunc]); s != nil && s.Contents != nil {
		// Since Go 1.26 they lie within the table.
		trees := m[moduleGoFunc]
		t.trees = regionOf(s, trees, uint64(s.VirtAddr)+s.SizeBytes-trees, image.Order, littleKept)
	}
	return t
}

// Function is an entry of the table. Start and End are addresses; what the
// linker padded the function with is in between.
type Function struct {
	Name       string
	Start, End model.VirtAddr
	// Line is where the function is declared; 0 is unknown (assembly without
	// source, C code that Go's linker took in).
	Line int
}

// Len is the number of functions.
func (t *Table) Len() int { return t.count }

// At returns function i, in the order of addresses.
func (t *Table) At(i int) (Function, error) {
	t.begin(1)
	t.forgetMuch()
	var f function
	if !t.read(i, &f) {
		return Function{}, t.finish()
	}
	return t.describe(&f), t.finish()
}

// Lookup returns the function that holds addr; ok is false where none does.
func (t *Table) Lookup(addr model.VirtAddr) (f Function, ok bool, err error) {
	t.begin(1)
	t.forgetMuch()
	offset, ok := t.offsetOf(uint64(addr))
	if !ok {
		return Function{}, false, nil
	}
	var found function
	if !t.read(t.indexOf(offset, 0), &found) {
		return Function{}, false, t.finish()
	}
	return t.describe(&found), true, t.finish()
}

func (t *Table) describe(f *function) Function {
	return Function{
		Name:  t.text(t.textAt(t.names, f.name)),
		Start: model.VirtAddr(t.addrOf(f.entry)), End: model.VirtAddr(t.endOf(f)), Line: max(0, int(f.startLine)),
	}
}

// TextRanges are the addresses that the table describes.
func (t *Table) TextRanges() []object.AddrRange {
	var ranges []object.AddrRange
	for _, s := range t.sections {
		ranges = append(ranges, object.AddrRange{Start: model.VirtAddr(s.addr), End: model.VirtAddr(s.addr + s.end - s.start)})
	}
	return ranges
}

// offsetOf turns an address into the table's kind of offset.
func (t *Table) offsetOf(addr uint64) (uint32, bool) {
	for i := range t.sections {
		s := &t.sections[i]
		if into := addr - s.addr; addr >= s.addr && into < s.end-s.start {
			return uint32(s.start + into), s.start+into < 1<<32
		}
	}
	return 0, false
}

// addrOf is the opposite of offsetOf, for offsets of functions.
func (t *Table) addrOf(offset uint32) uint64 {
	for i := range t.sections {
		if s := &t.sections[i]; uint64(offset) >= s.start && uint64(offset) < s.end {
			return s.addr + uint64(offset) - s.start
		}
	}
	return 0
}

// endOf is where f ends: no function reaches over a section's end.
func (t *Table) endOf(f *function) uint64 {
	for i := range t.sections {
		if s := &t.sections[i]; uint64(f.entry) >= s.start && uint64(f.entry) < s.end {
			return s.addr + min(uint64(f.end), s.end) - s.start
		}
	}
	return 0
}

// function is one runtime._func with what lookups need of it.
type function struct {
	index      int
	entry, end uint32 // offsets
	name       uint32
	pcFile     uint32
	pcLine     uint32
	unit       uint32
	startLine  int32
	// pcCall is the table of inlined calls, callTree where they are described,
	// absent both where nothing was inlined.
	pcCall, callTree uint32
	hasCalls         bool
}

// Offsets in runtime._func, and which of its tables are those of inlined calls
// (internal/abi, PCDATA_InlTreeIndex and FUNCDATA_InlTree).
const (
	funcEntry, funcName     = 0, 4
	funcFile, funcLine      = 20, 24
	funcPCData, funcUnit    = 28, 32
	funcStart, funcDataLen  = 36, 43
	funcBytes               = 44
	inlinePCData, inlineFun = 2, 3
	absentFuncData          = ^uint32(0)
	maxPCData               = 1 << 12
)

// entryOffset reads where function i starts; for i == count where the last
// one ends.
func (t *Table) entryOffset(i int) (uint32, bool) {
	return t.starts.u32(8 * uint64(i))
}

// indexOf returns the function that holds offset, -1 where none does. Functions
// below from start below offset: the search goes on from there in growing steps.
func (t *Table) indexOf(offset uint32, from int) int {
	startsAbove := func(i int) bool {
		start, ok := t.entryOffset(i)
		return !ok || start > offset
	}
	end := t.count + 1
	if from > 0 {
		for step := 1; from+step < end; step *= 2 {
			if startsAbove(from + step) {
				end = from + step
				break
			}
			from += step
		}
	}
	next := from + sort.Search(end-from, func(i int) bool { return startsAbove(from + i) })
	if next > t.count {
		return -1
	}
	return next - 1
}

// read fills f with function i; false means that there is none or that it is
// damaged.
func (t *Table) read(i int, f *function) bool {
	if i < 0 || i >= t.count {
		return false
	}
	at, order := 8*uint64(i), t.image.Order
	data := t.starts.bytes(at, 12)
	if data == nil {
		t.damaged(t.starts, at, "function %d lies outside of the table", i)
		return false
	}
	entry, record, end := order.Uint32(data), uint64(order.Uint32(data[4:])), order.Uint32(data[8:])
	if data = t.records.bytes(record, funcBytes); data == nil {
		t.damaged(t.starts, at, "function %d lies outside of the table", i)
		return false
	}
	u32 := func(offset int) uint32 { return order.Uint32(data[offset:]) }
	*f = function{
		index: i, entry: entry, end: end, name: u32(funcName), pcFile: u32(funcFile), pcLine: u32(funcLine),
		unit: u32(funcUnit), startLine: int32(u32(funcStart)),
	}
	if u32(funcEntry) != entry || end < entry {
		t.damaged(t.starts, at, "function %d starts at 0x%x, in its record at 0x%x, and ends at 0x%x", i, entry, u32(funcEntry), end)
		return false
	}
	pcData, funcData := u32(funcPCData), uint32(data[funcDataLen])
	if pcData <= inlinePCData || pcData > maxPCData || funcData <= inlineFun {
		return true
	}
	base := record + funcBytes
	calls, okCalls := t.records.u32(base + 4*inlinePCData)
	tree, okTree := t.records.u32(base + 4*uint64(pcData) + 4*inlineFun)
	if !okCalls || !okTree {
		t.damaged(t.starts, at, "function %d lies outside of the table", i)
		return true
	}
	f.pcCall, f.callTree, f.hasCalls = calls, tree, tree != absentFuncData && calls != 0
	return true
}
