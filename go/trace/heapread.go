package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ffikit/ffikit/go/model"
)

const (
	heapVersion     = 1
	heapHeaderBytes = 4096
	nodeBytes       = 16
	countBytes      = 64
	// countsWithoutStack are the counts that have no stack by what they are.
	countsWithoutStack = 4
)

// The regions of the file, in the header's order.
const (
	regionNodes = iota
	regionCounts
	regionLog
	regionCount
)

type region struct{ offset, capacity uint64 }

// Refresh reads what has changed since it was read last: counts, and what was
// added to stacks, modules and notes. What could not be read is in Partial. An
// error means that nothing could: the Heap is as it was.
func (h *Heap) Refresh() error {
	ready, err := h.header()
	if err != nil || !ready {
		return err
	}
	h.partial = partialSet{}
	if err := h.readCounts(); err != nil {
		return err
	}
	// Counts name stacks that are older than they are: how many there are is
	// looked up anew behind them.
	if _, err := h.header(); err != nil {
		return err
	}
	if err := h.readLog(); err != nil {
		return err
	}
	h.located = false
	return nil
}

// header reads the first page; ready is false where nothing was written yet.
func (h *Heap) header() (ready bool, err error) {
	var page [heapHeaderBytes]byte
	n, err := h.in.ReadAt(page[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, h.failed(0, err)
	}
	if isUnready(page[:]) && (n < heapHeaderBytes || h.Machine == 0) {
		if n > 8 && n < heapHeaderBytes {
			return false, fmt.Errorf("trace: %s: %w: it is shorter than a header and empty", h.Name, ErrNotHeap)
		}
		return false, nil
	}
	if string(page[:8]) != heapMagic {
		return false, fmt.Errorf("trace: %s: %w: its first bytes are not FFIKHEAP", h.Name, ErrNotHeap)
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(page[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(page[at:]) }
	if v := u32(8); v != heapVersion {
		return false, fmt.Errorf("trace: %s: version %d of the heap trace at byte 8: this ffikit reads version %d; use the ffikit that came with the agent", h.Name, v, heapVersion)
	}
	h.Machine, h.PID, h.ParentPID = u32(12), int(u32(16)), int(u32(20))
	h.Started, h.SampleBytes = time.Unix(0, int64(min(u64(24), math.MaxInt64))).UTC(), u64(32)
	h.Ran = time.Duration(min(u64(152), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
	h.LostBlocks, h.LostStacks, h.LostRecords = u64(160), u64(168), u64(176)
	h.State = HeapState(u32(188))
	for i := range h.regions {
		h.regions[i] = region{u64(40 + 16*i), u64(48 + 16*i)}
		h.bound(i, u64(128+8*i))
	}
	return true, nil
}

// bound takes of a region what lies within it and the reader's limits.
func (h *Heap) bound(which int, used uint64) {
	limits := [regionCount]int{h.limits.nodes, h.limits.counts, h.limits.logBytes}
	sizes := [regionCount]uint64{nodeBytes, countBytes, 1}
	names := [regionCount]string{"entries of stacks", "counts", "bytes of records"}
	at := &h.regions[which]
	if at.offset < heapHeaderBytes || at.offset > math.MaxInt64/4 || at.capacity > math.MaxInt64/4 {
		if used > 0 {
			h.partial.once(int64(40+16*which), fmt.Sprintf("the %s lie nowhere: they are not read", names[which]))
		}
		*at, used = region{heapHeaderBytes, 0}, 0
	}
	if room := at.capacity / sizes[which]; used > room {
		h.partial.once(int64(128+8*which), fmt.Sprintf("there are to be %d %s, and there is room for %d", used, names[which], room))
		used = room
	}
	if limit := uint64(limits[which]); used > limit {
		h.partial.once(int64(128+8*which), fmt.Sprintf("more than %d %s: the rest is left out", limit, names[which]))
		used = limit
	}
	h.used[which] = used
}

func (h *Heap) failed(offset int64, err error) error {
	return fmt.Errorf("trace: read %s at byte %d: %w", h.Name, offset, err)
}

// readAt fills room from the file; what lies behind its end is 0, and told.
func (h *Heap) readAt(room []byte, offset int64) error {
	n, err := h.in.ReadAt(room, offset)
	if err == nil || n == len(room) {
		return nil
	}
	if !errors.Is(err, io.EOF) {
		return h.failed(offset, err)
	}
	clear(room[n:])
	h.partial.once(offset+int64(n), "the file ends before what it is to hold: the rest is not there")
	return nil
}

// readCounts reads the counts by pieces, and keeps those that hold something:
// a sparse file costs no memory.
func (h *Heap) readCounts() error {
	h.counts = h.counts[:0]
	var room [1024 * countBytes]byte
	for first := uint64(0); first < h.used[regionCounts]; first += 1024 {
		piece := room[:min(h.used[regionCounts]-first, 1024)*countBytes]
		offset := int64(h.regions[regionCounts].offset + first*countBytes)
		if err := h.readAt(piece, offset); err != nil {
			return err
		}
		for i := 0; i < len(piece); i += countBytes {
			h.count(uint32(first)+uint32(i/countBytes), piece[i:i+countBytes], offset+int64(i))
		}
	}
	return nil
}

var heapClasses = [...]model.Class{"", model.ClassHeap, model.ClassMapping, model.ClassFileMapping}

func (h *Heap) count(index uint32, entry []byte, offset int64) {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(entry[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(entry[at:]) }
	class := u32(56)
	if class == 0 || index == 0 {
		return
	}
	if class >= uint32(len(heapClasses)) {
		h.partial.once(offset, "counts are of classes of memory that this version does not know; they were passed over")
		return
	}
	c := HeapCount{
		Index: index, Node: u32(52), Class: heapClasses[class],
		Allocations: u64(0), Frees: u64(8), AllocatedBytes: u64(16), FreedBytes: u64(24), PeakBytes: u64(32),
		First: time.Duration(u32(40)) * time.Millisecond, Last: time.Duration(u32(44)) * time.Millisecond,
	}
	if c.Allocations == 0 && c.Frees == 0 && c.AllocatedBytes == 0 && c.FreedBytes == 0 {
		return
	}
	if index < countsWithoutStack {
		c.Node = 0
	}
	h.counts = append(h.counts, c)
}
