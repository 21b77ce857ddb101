package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ffikit/ffikit/go/model"
)

// Heap is the heap trace of one program (HEAP.md): for each stack how much
// memory it asked for and how much of that was given back. The process that
// writes it may still run: Refresh reads what has changed. It is not safe for
// concurrent use.
type Heap struct {
	// Name is the file's, as in partial entries.
	Name string
	// Machine is the architecture as ELF's e_machine.
	Machine uint32
	// PID is the process, ParentPID who started it.
	PID, ParentPID int
	// Started is when tracking began.
	Started time.Time
	// SampleBytes: an allocation is tracked on average every so many bytes, and
	// counts are estimates; 0: every one is, and counts are exact.
	SampleBytes uint64

	// State and Ran are as of the last Refresh. Ran is how long the process
	// was tracked when it ended in an orderly way; else 0.
	State HeapState
	Ran   time.Duration
	// LostBlocks, LostStacks and LostRecords are what the agent could not keep.
	LostBlocks, LostStacks, LostRecords uint64
	// Program is the program's file, empty where the trace does not tell it.
	Program string
	// Arguments are the program's, Notes the agent's own words on what is missing.
	Arguments []string
	Notes     []string

	in     io.ReaderAt
	file   *os.File // nil in tests
	limits heapLimits
	// regions lie where the header says; used is how much of them is.
	regions [regionCount]region
	used    [regionCount]uint64

	counts []HeapCount
	nodes  nodePages
	log    heapLog
	// owners are the modules of the nodes, their index + 1; 0: none.
	owners  []uint16
	located bool

	partial partialSet
}

// HeapState says what a process does with its heap trace.
type HeapState uint32

// The states of HEAP.md.
const (
	HeapNotBegun HeapState = iota // also: killed before it began
	HeapCounting
	HeapStopped // frees are still counted
	HeapEnded   // in an orderly way
	HeapRefused // a note says why
)

// HeapCount is what one stack asked for and gave back, of one class of memory.
type HeapCount struct {
	// Index is its place in the file: the same in each Refresh.
	Index uint32
	// Node is the stack's leaf, what Frames takes; 0: the stack is not known.
	Node  uint32
	Class model.Class

	Allocations, Frees         uint64
	AllocatedBytes, FreedBytes uint64
	// PeakBytes is the most that was live at one moment, about.
	PeakBytes uint64
	// First and Last are when it allocated, since tracking began.
	First, Last time.Duration
}

// LiveBytes is what was not given back; 0 where the process was between two
// steps of counting.
func (c *HeapCount) LiveBytes() uint64 {
	if c.FreedBytes > c.AllocatedBytes {
		return 0
	}
	return c.AllocatedBytes - c.FreedBytes
}

// ErrNotHeap is wrapped by the error of OpenHeap for a file of another kind.
var ErrNotHeap = errors.New("not a heap trace")

// OpenHeap opens the heap trace at path, which must be a regular file, and
// reads it once, as Refresh does. The caller closes it. An error means that it
// is no heap trace, of a version that is not known, or could not be read.
func OpenHeap(path string) (*Heap, error) {
	info, err := os.Stat(path) // before it is opened: that may wait (FIFO)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("trace: %s: %w: not a regular file", path, ErrNotHeap)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	h, err := newHeap(file, path, defaultHeapLimits)
	if err != nil {
		file.Close()
		return nil, err
	}
	h.file = file
	return h, nil
}

func newHeap(in io.ReaderAt, name string, limits heapLimits) (*Heap, error) {
	h := &Heap{Name: name, in: in, limits: limits}
	h.log.sites = map[uint32]site{}
	return h, h.Refresh()
}

// Close gives the file back. What was read stays.
func (h *Heap) Close() error {
	if h.file == nil {
		return nil
	}
	return h.file.Close()
}

// Counts are all counts that hold something, in the file's order, as of the
// last Refresh; they are the Heap's until the next.
func (h *Heap) Counts() []HeapCount { return h.counts }

// CountsUsed is one more than the largest Index that a count can have.
func (h *Heap) CountsUsed() int { return int(h.used[regionCounts]) }

// Partial tells what could not be read, and what the agent could not keep, as
// of now: that of stacks is known once they were asked for.
func (h *Heap) Partial() []model.Partial {
	partial := append(h.partial.list(h.Name), h.log.partial.list(h.Name)...)
	say := func(n uint64, what string) {
		if n > 0 {
			partial = append(partial, model.Partial{File: h.Name, Reason: fmt.Sprintf(what, n)})
		}
	}
	say(h.LostBlocks, "%d blocks were not kept, because there was no memory or room for them")
	say(h.LostStacks, "of %d allocations the stack was not kept, because there was no room; they are counted without")
	say(h.LostRecords, "%d records (of modules, Python code and notes) were not kept")
	if h.State == HeapNotBegun {
		partial = append(partial, model.Partial{File: h.Name, Reason: "nothing was tracked: the process ended before the agent was ready"})
	}
	return partial
}

// heapLimits bound what a Heap keeps.
type heapLimits struct {
	nodes, counts, logBytes, modules, sites, notes int
	framesPerStack, stringBytes, payloadBytes      int
}

var defaultHeapLimits = heapLimits{
	nodes: 4 << 20, counts: 1 << 20, logBytes: 32 << 20, modules: 1 << 14, sites: 1 << 18, notes: 1000,
	framesPerStack: 4096, stringBytes: 64 << 10, payloadBytes: 1 << 20,
}

const heapMagic = "FFIKHEAP"

// isUnready: the magic is written last, when all else is there.
func isUnready(header []byte) bool {
	return len(bytes.TrimRight(header[:8], "\x00")) == 0
}

// partialSet keeps what was told, each once, the first of them with its place.
type partialSet struct {
	told    []model.Partial
	seen    map[string]bool
	dropped int
}

// say tells of a place in the file, maxPartials times in all.
func (p *partialSet) say(offset int64, reason string) {
	if len(p.told) >= maxPartials {
		p.dropped++
		return
	}
	p.told = append(p.told, model.Partial{OffsetBytes: offset, Reason: reason})
}

// once tells what has no further places worth telling.
func (p *partialSet) once(offset int64, reason string) {
	if p.seen[reason] {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[reason] = true
	p.say(offset, reason)
}

func (p *partialSet) list(name string) []model.Partial {
	list := make([]model.Partial, 0, len(p.told)+4)
	for _, told := range p.told {
		told.File = name
		list = append(list, told)
	}
	if p.dropped > 0 {
		list = append(list, model.Partial{File: name, Reason: fmt.Sprintf("%d more places could not be read", p.dropped)})
	}
	return list
}
