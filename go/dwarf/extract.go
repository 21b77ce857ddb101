package dwarf

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/object"
)

// Extract returns what Each knows of every address, for an index. It reads the
// units by that many workers at a time; the order of the answer does not depend
// on them. Beside an error the table is what could be read. Texts of the table
// point into the sections, and hold them.
func (d *Data) Extract(workers int) (*codemap.Table, error) {
	r := &d.reader
	r.begin(0)
	if d.codeEnd-min(d.codeStart, d.codeEnd) >= 1<<32-1 {
		return nil, &object.Error{Path: d.file.Path(), Reason: "more than 4 GiB of code", Err: object.ErrLimit}
	}
	r.prepareAll()
	j := newJoiner(r)
	workers = max(1, min(workers, len(d.active)))
	// Scratch memory goes round: what a unit said is taken in the order of the
	// file, and only rows and segments stay.
	scratch := make(chan *extraction, workers+1)
	for range workers + 1 {
		scratch <- newExtraction(d)
	}
	type unitDone struct {
		number int32
		e      *extraction
	}
	done := make(chan unitDone, workers+1)
	var next atomic.Int32
	var order sync.Mutex
	readers := make([]*reader, workers)
	for i := range readers {
		readers[i] = &reader{data: d, steps: r.steps, textBytes: maxExtractedText}
		go func(r *reader) {
			for {
				// A number and the memory for it are taken together, so that the least
				// number open never waits.
				order.Lock()
				e := <-scratch
				number := next.Add(1) - 1
				order.Unlock()
				if int(number) >= len(d.active) {
					scratch <- e
					done <- unitDone{number: -1}
					return
				}
				r.extractSafely(number, e)
				done <- unitDone{number, e}
			}
		}(readers[i])
	}
	waiting := map[int32]*extraction{}
	for running, taken := workers, int32(0); running > 0 || len(waiting) > 0; {
		if e := waiting[taken]; e != nil {
			delete(waiting, taken)
			j.take(taken, e)
			taken++
			scratch <- e
			continue
		}
		if each := <-done; each.e != nil {
			waiting[each.number] = each.e
		} else {
			running--
		}
	}
	for _, each := range readers {
		r.note(each.problem)
		r.steps = min(r.steps, each.steps)
	}
	return j.finish(), r.finish()
}

// prepareAll reads what the units share, so that workers only read: whole
// sections, all units, and of each its root entry and its abbreviations. That is
// of damaged units too, and of those that hold no code: others may refer to them.
func (r *reader) prepareAll() {
	d := r.data
	r.prepare(d.main)
	if alt := d.main.alt(); alt != nil {
		r.prepare(alt)
	}
	for _, u := range d.main.units {
		if _, err := r.entriesOf(u); err != nil {
			r.note(err)
			continue
		}
		r.linesOf(u)
		d.active = append(d.active, u)
	}
	for _, im := range d.split.images {
		r.prepare(im)
	}
}

// prepare is prepareAll for one file. Those of split units come last: a root
// entry is read by the skeleton that found it.
func (r *reader) prepare(im *image) {
	for id := range sectionCount {
		im.all(id)
	}
	if err := im.list(); err != nil {
		r.note(err)
	}
	for _, u := range im.units {
		r.table(u)
		if _, err := r.rootOf(u); err != nil {
			r.note(err)
		}
	}
}

// extraction is what one unit says of all addresses. Addresses count from the
// start of the code.
type extraction struct {
	base, limit uint64
	nodes       []node
	decls       []decl
	declared    []declared

	// tree are the ranges of the function in hand and of what was inlined into
	// it.
	tree  []interval
	lanes lanes

	// unit counts the units that e was used for.
	unit   uint32
	places []place
	kept   []placeKept
	until  uint32
}

// lanes are the segments of functions and the rows of lines, each in runs.
type lanes struct {
	segments  []segment
	functions []run
	rows      []rowAt
	lines     []run
	// unnamed is the node of what is in no function.
	unnamed uint32
}

// interval belongs to item, where no interval of a higher rank does.
type interval struct {
	start, end uint32
	rank       uint64
	item       int32
}

type segment struct {
	start, end uint32
	node       int32
}

type rowAt struct{ start, place uint32 }

// run is a stretch of code without a gap: elements from first to last of the
// segments or rows.
type run struct {
	start, end  uint32
	first, last int32
}

type placeKept struct {
	place
	number uint32
	unit   uint32 // the one it is of
}

const placesKept = 1 << 12

func newExtraction(d *Data) *extraction {
	return &extraction{
		base: d.codeStart, limit: d.codeEnd,
		declared: make([]declared, declaredPlaces), kept: make([]placeKept, placesKept),
	}
}

// extractSafely is extract in a worker, whose panics nobody else could turn into
// an error: the unit is damage then.
func (r *reader) extractSafely(number int32, e *extraction) {
	defer func() {
		if cause := recover(); cause != nil {
			r.note(fmt.Errorf("%s: internal error (please report it): %v\n%s", r.data.file.Path(), cause, debug.Stack()))
			e.nodes, e.decls, e.places, e.lanes = nil, nil, nil, lanes{}
		}
	}()
	r.extract(number, e)
}

// extract reads one unit into e.
func (r *reader) extract(number int32, e *extraction) {
	d := r.data
	e.unit++
	e.places = e.places[:0]
	e.lanes = lanes{e.lanes.segments[:0], e.lanes.functions[:0], e.lanes.rows[:0], e.lanes.lines[:0], 0}
	r.extraction, r.nodes, r.decls = e, e.nodes[:0], e.decls[:0]
	r.declared, r.call = e.declared, e.unit
	if err := r.walk(number, true); err != nil {
		r.note(err)
	}
	e.function()
	if t := d.active[number].linesReady(); t != nil && !r.runLines(t, e) {
		r.note(t.image.errorAt(secLine, t.program, object.ErrFormat, "line table: the program is cut off"))
	}
	e.nodes, e.decls = r.nodes, r.decls
}

func (u *unit) linesReady() *lineTable {
	if u.skeleton != nil {
		return u.skeleton.lines
	}
	return u.lines
}

// number numbers a place; most that repeat do so soon.
func (e *extraction) number(p place) uint32 {
	hash := (p.line*0x9e3779b1 ^ p.column*0x85ebca6b ^ p.file*0xc2b2ae35 ^ p.discriminator) >> 20
	kept := &e.kept[hash%placesKept]
	if kept.unit != e.unit || kept.place != p {
		e.places = append(e.places, p)
		*kept = placeKept{p, uint32(len(e.places)), e.unit}
	}
	return kept.number
}

// function ends the function in hand.
func (e *extraction) function() {
	if len(e.tree) == 0 {
		return
	}
	flatten(e.tree, func(start, end uint32, node int32) {
		last := len(e.lanes.functions) - 1
		if last < 0 || e.lanes.functions[last].end != start {
			at := int32(len(e.lanes.segments))
			e.lanes.functions = append(e.lanes.functions, run{start: start, first: at})
			last++
		}
		e.lanes.segments = append(e.lanes.segments, segment{start, end, node})
		e.lanes.functions[last].end, e.lanes.functions[last].last = end, int32(len(e.lanes.segments))
	})
	e.tree = e.tree[:0]
}

// add adds the ranges of a node.
func (e *extraction) add(ranges []addrRange, node int32) {
	for _, each := range ranges {
		start, end := uint32(each.start-e.base), uint32(each.end-e.base)
		e.tree = append(e.tree, interval{start, end, uint64(node), node})
	}
}

// start, row and more take the rows of the unit's line table.
func (e *extraction) start(uint64) uint64 {
	e.lanes.lines = append(e.lanes.lines, run{first: int32(len(e.lanes.rows))})
	e.until = 0
	return 0
}

func (e *extraction) row(from, to uint64, p place) uint64 {
	if from < e.base || from >= e.limit {
		return 0
	}
	start, end := uint32(from-e.base), uint32(min(to, e.limit)-e.base)
	current := &e.lanes.lines[len(e.lanes.lines)-1]
	if int(current.first) == len(e.lanes.rows) {
		current.start, e.until = start, start
	}
	if start = max(start, e.until); start >= end {
		return 0
	}
	e.until, current.end = end, end
	number := e.number(p)
	if last := len(e.lanes.rows) - 1; last < int(current.first) || e.lanes.rows[last].place != number {
		e.lanes.rows = append(e.lanes.rows, rowAt{start, number})
	}
	current.last = int32(len(e.lanes.rows))
	return 0
}

func (e *extraction) more() bool { return true }

// flatten visits what intervals cover, in order, each piece with the item of the
// highest rank there. It sorts them.
func flatten(intervals []interval, visit func(start, end uint32, item int32)) {
	slices.SortFunc(intervals, func(a, b interval) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.rank, b.rank))
	})
	// Of those that are active the top one is seen; below it may lie some that have
	// ended.
	var active ranked
	at := uint32(0)
	upTo := func(end uint32) {
		for len(active) > 0 && at < end {
			top := active[0]
			if top.end > at {
				visit(at, min(top.end, end), top.item)
				at = min(top.end, end)
			}
			if top.end <= at {
				active.pop()
			}
		}
	}
	for _, each := range intervals {
		upTo(each.start)
		at = each.start
		active.push(each)
	}
	upTo(^uint32(0))
}

// ranked is a heap of intervals, the highest rank first.
type ranked []interval

func (h *ranked) push(each interval) {
	*h = append(*h, each)
	heap := *h
	for i := len(heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if heap[parent].rank >= heap[i].rank {
			break
		}
		heap[parent], heap[i] = heap[i], heap[parent]
		i = parent
	}
}

func (h *ranked) pop() {
	heap := *h
	last := len(heap) - 1
	heap[0] = heap[last]
	heap = heap[:last]
	*h = heap
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && heap[child+1].rank > heap[child].rank {
			child++
		}
		if heap[i].rank >= heap[child].rank {
			break
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
