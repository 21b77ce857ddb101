package tracefile

import (
	"encoding/binary"
	"slices"
)

// Heap is a heap trace as it grows, after trace/HEAP.md and independently of
// the reader.
type Heap struct {
	header [4096]byte
	nodes  []byte
	counts []byte
	log    []byte
}

// NewHeap begins the heap trace of a process that counts.
func NewHeap(pid uint32) *Heap {
	h := &Heap{nodes: make([]byte, 11*16), counts: make([]byte, 4*64)}
	copy(h.header[:], "FFIKHEAP")
	h.Put32(8, 1)
	h.Put32(12, 62)
	h.Put32(16, pid)
	h.Put32(20, pid-1)
	h.Put64(24, 1_763_900_000_000_000_000)
	h.Put32(188, 1)
	return h
}

// Put32 writes a number into the header.
func (h *Heap) Put32(at int, n uint32) { binary.LittleEndian.PutUint32(h.header[at:], n) }

// Put64 writes a number into the header.
func (h *Heap) Put64(at int, n uint64) { binary.LittleEndian.PutUint64(h.header[at:], n) }

// Node adds a node and gives its number.
func (h *Heap) Node(frame uint64, caller uint32) uint32 {
	h.nodes = binary.LittleEndian.AppendUint64(h.nodes, frame)
	h.nodes = binary.LittleEndian.AppendUint32(h.nodes, caller)
	h.nodes = binary.LittleEndian.AppendUint32(h.nodes, 0)
	return uint32(len(h.nodes)/16 - 1)
}

// Count adds a count and gives its index. values are allocations, frees, bytes
// asked for and freed, the peak.
func (h *Heap) Count(node, class uint32, values [5]uint64, firstMS, lastMS uint32) uint32 {
	h.counts = append(h.counts, make([]byte, 64)...)
	index := uint32(len(h.counts)/64 - 1)
	h.SetCount(index, node, class, values, firstMS, lastMS)
	return index
}

// SetCount writes a count that is there.
func (h *Heap) SetCount(index, node, class uint32, values [5]uint64, firstMS, lastMS uint32) {
	entry := h.counts[index*64:]
	for i, value := range values {
		binary.LittleEndian.PutUint64(entry[8*i:], value)
	}
	for i, value := range []uint32{firstMS, lastMS, 0, node, class, 0} {
		binary.LittleEndian.PutUint32(entry[40+4*i:], value)
	}
}

// Record adds a record as File.Record does, padded, and gives where it lies in
// the log.
func (h *Heap) Record(kind uint32, values ...any) int {
	at := len(h.log)
	var f File
	f.Record(kind, values...)
	h.log = append(h.log, f.Bytes...)
	h.log = append(h.log, make([]byte, -len(h.log)&7)...)
	return at
}

// SetKind writes the kind of the record at a place of the log.
func (h *Heap) SetKind(at int, kind uint32) { binary.LittleEndian.PutUint32(h.log[at:], kind) }

// Module adds a module that holds for nodes from node on.
func (h *Heap) Module(node uint32, start, end, bias uint64, buildID, path string) {
	h.Record(1, node, uint32(0), start, end, bias, buildID, path)
}

// Site adds a place in Python code and gives its frame.
func (h *Heap) Site(number uint32, function, file string, line, functionLine uint32) uint64 {
	h.Record(2, number, line, functionLine, function, file)
	return Python | uint64(number)
}

// Bytes is the file, its regions with room behind them.
func (h *Heap) Bytes() []byte {
	const room = 1 << 12
	out := slices.Clone(h.header[:])
	for i, part := range [][]byte{h.nodes, h.counts, h.log} {
		used := uint64(len(part))
		binary.LittleEndian.PutUint64(out[40+16*i:], uint64(len(out)))
		binary.LittleEndian.PutUint64(out[48+16*i:], used+room)
		binary.LittleEndian.PutUint64(out[128+8*i:], used/[]uint64{16, 64, 1}[i])
		out = append(append(out, part...), make([]byte, room)...)
	}
	return out
}
