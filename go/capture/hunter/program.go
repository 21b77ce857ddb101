package hunter

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/trace"
)

// Program is one program that was tracked, and what was seen of it over time.
type Program struct {
	// Heap is as it was at the end. It stays open for its stacks.
	Heap *trace.Heap
	// PID is its process, Number counts the programs that this was, one after another.
	PID, Number int
	// Ended is as in model.Process.
	Ended string
	// Timeline is at most maxMoments long, Live what each count held then, by index.
	Timeline []model.Moment
	Live     [][]uint64

	interval time.Duration
	due      time.Time
	isDone   bool
	// file is the program's, successor that of the one that took its process over.
	file, successor string
	// isReplaced: its process runs another program.
	isReplaced bool
	memory     memory
}

const (
	// maxMoments bounds the timeline: when it is full every second moment goes,
	// and they are taken half as often from then on.
	maxMoments = 256
	// maxCells bounds moments times counts, and so the memory.
	maxCells      = 4 << 20
	firstInterval = 10 * time.Millisecond
	// costFactor is how much longer than looking takes is waited until it is
	// done again: looking costs at most so little of one processor.
	costFactor = 25
	// longestPause bounds that: where the machine is busy looking takes long, and
	// without a timeline nobody could tell what grows.
	longestPause = 250 * time.Millisecond
)

// deleted is what /proc adds to the name of a file that was built anew meanwhile.
const deleted = " (deleted)"

// look takes a moment of a program that runs.
func (p *Program) look() {
	if err := p.Heap.Refresh(); err != nil {
		p.isDone = true // told at the end
		return
	}
	if p.Heap.State == trace.HeapEnded || p.Heap.State == trace.HeapRefused {
		p.isDone = true
		return
	}
	if p.Heap.State == trace.HeapNotBegun {
		return
	}
	file, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
	file = strings.ToValidUTF8(strings.TrimSuffix(file, deleted), "\uFFFD") // as the trace has it
	if err == nil && file != p.file {
		if p.file != "" {
			p.isDone, p.isReplaced, p.successor = true, true, file
			return
		}
		p.file = file
	}
	moment := model.Moment{SinceStart: time.Since(p.Heap.Started)}
	if !p.memory.read(&moment) {
		p.isDone = true
		return
	}
	p.add(moment)
}

// add keeps a moment with what is live in it.
func (p *Program) add(moment model.Moment) {
	counts := p.Heap.Counts()
	live := make([]uint64, p.Heap.CountsUsed())
	for i := range counts {
		bytes := counts[i].LiveBytes()
		live[counts[i].Index] = bytes
		if counts[i].Class == model.ClassHeap {
			moment.LiveBytes += bytes
		} else {
			moment.MappedBytes += bytes
		}
	}
	if n := len(p.Timeline); n > 0 && moment.SinceStart <= p.Timeline[n-1].SinceStart {
		p.Timeline, p.Live = p.Timeline[:n-1], p.Live[:n-1] // a clock that was set, or the same moment
	}
	p.Timeline, p.Live = append(p.Timeline, moment), append(p.Live, live)
	for len(p.Timeline) > 2 && (len(p.Timeline) >= maxMoments || len(p.Timeline)*len(live) > maxCells) {
		p.thin()
	}
}

// thin drops every second moment, but not the last.
func (p *Program) thin() {
	kept := 0
	for i := range p.Timeline {
		if (len(p.Timeline)-1-i)%2 == 0 {
			p.Timeline[kept], p.Live[kept] = p.Timeline[i], p.Live[i]
			kept++
		}
	}
	clear(p.Live[kept:])
	p.Timeline, p.Live = p.Timeline[:kept], p.Live[:kept]
	p.interval *= 2
}

// finish reads what a program has left. After an error it has what was read before.
func (p *Program) finish() error {
	if err := p.Heap.Refresh(); err != nil {
		return err
	}
	isRunning := p.Heap.State != trace.HeapEnded && !p.isReplaced && p.memory.exists()
	switch {
	case p.Heap.State == trace.HeapNotBegun || p.Heap.State == trace.HeapRefused:
		return nil
	case p.Heap.State == trace.HeapEnded:
		p.Ended = "exited"
	case isRunning:
		p.Ended = "running"
	}
	moment := model.Moment{SinceStart: p.Heap.Ran}
	if p.Heap.Ran == 0 {
		moment.SinceStart = p.last()
		if isRunning {
			moment.SinceStart = time.Since(p.Heap.Started)
		}
	}
	if isRunning {
		p.memory.read(&moment)
	}
	if n := len(p.Timeline); n > 0 {
		moment.SinceStart = max(moment.SinceStart, p.Timeline[n-1].SinceStart+1)
	}
	p.add(moment)
	return nil
}

// last is when a program that was killed was last seen, or allocated.
func (p *Program) last() time.Duration {
	var last time.Duration
	if n := len(p.Timeline); n > 0 {
		last = p.Timeline[n-1].SinceStart
	}
	for _, c := range p.Heap.Counts() {
		last = max(last, c.Last)
	}
	return last
}

func (p *Program) title() string {
	if len(p.Heap.Arguments) > 0 {
		return p.Heap.Arguments[0]
	}
	return fmt.Sprintf("process %d", p.PID)
}
