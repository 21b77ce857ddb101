package dwarf

import (
	"cmp"
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
	parts := make([]*extraction, len(d.active))
	var next atomic.Int32
	var wait sync.WaitGroup
	readers := make([]*reader, max(1, min(workers, len(d.active))))
	for i := range readers {
		readers[i] = &reader{data: d, steps: r.steps}
		wait.Add(1)
		go func(r *reader) {
			defer wait.Done()
			for number := next.Add(1) - 1; int(number) < len(parts); number = next.Add(1) - 1 {
				parts[number] = r.extract(number)
			}
		}(readers[i])
	}
	wait.Wait()
	for _, each := range readers {
		r.note(each.problem)
		r.steps = min(r.steps, each.steps)
	}
	table := r.join(parts)
	return table, r.finish()
}

// prepareAll reads what the units share, so that workers only read.
func (r *reader) prepareAll() {
	d := r.data
	for id := range sectionCount {
		d.main.all(id)
	}
	if err := d.main.list(); err != nil {
		r.note(err)
	}
	for _, u := range d.main.units {
		whole, err := r.entriesOf(u)
		if err != nil {
			r.note(err)
			continue
		}
		r.linesOf(u)
		for id := range sectionCount {
			whole.image.all(id)
		}
		d.active = append(d.active, u)
	}
	if alt := d.main.alt(); alt != nil {
		for id := range sectionCount {
			alt.all(id)
		}
		if err := alt.list(); err != nil {
			r.note(err)
		}
		for _, u := range alt.units {
			if _, err := r.entriesOf(u); err != nil {
				r.note(err)
			}
		}
	}
}

// extraction is what one unit says of all addresses. Addresses count from the
// start of the code.
type extraction struct {
	base, limit uint64
	nodes       []node
	decls       []decl

	// tree are the ranges of the function in hand and of what was inlined into
	// it.
	tree     []interval
	segments []segment
	// functions are the runs of segments, lines the runs of rows.
	functions, lines []run

	rows   []rowAt
	places []place
	kept   []placeKept
	until  uint32
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
}

const placesKept = 1 << 12

// extract reads one unit.
func (r *reader) extract(number int32) *extraction {
	d := r.data
	e := &extraction{base: d.codeStart, limit: d.codeEnd, kept: r.placesKept()}
	r.extraction, r.nodes, r.decls = e, nil, nil
	clear(r.declared)
	if err := r.walk(number); err != nil {
		r.note(err)
	}
	e.function()
	if t := d.active[number].linesReady(); t != nil && !r.runLines(t, e) {
		r.note(t.image.errorAt(secLine, t.program, object.ErrFormat, "line table: the program is cut off"))
	}
	e.nodes, e.decls, e.kept = r.nodes, r.decls, nil
	return e
}

// placesKept is an empty cache.
func (r *reader) placesKept() []placeKept {
	if r.kept == nil {
		r.kept = make([]placeKept, placesKept)
	}
	clear(r.kept)
	return r.kept
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
	if kept.number == 0 || kept.place != p {
		e.places = append(e.places, p)
		*kept = placeKept{p, uint32(len(e.places))}
	}
	return kept.number
}

// function ends the function in hand.
func (e *extraction) function() {
	if len(e.tree) == 0 {
		return
	}
	flatten(e.tree, func(start, end uint32, node int32) {
		last := len(e.functions) - 1
		if last < 0 || e.functions[last].end != start {
			at := int32(len(e.segments))
			e.functions = append(e.functions, run{start: start, first: at})
			last++
		}
		e.segments = append(e.segments, segment{start, end, node})
		e.functions[last].end, e.functions[last].last = end, int32(len(e.segments))
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
	e.lines = append(e.lines, run{first: int32(len(e.rows))})
	e.until = 0
	return 0
}

func (e *extraction) row(from, to uint64, p place) uint64 {
	if from < e.base || from >= e.limit {
		return 0
	}
	start, end := uint32(from-e.base), uint32(min(to, e.limit)-e.base)
	current := &e.lines[len(e.lines)-1]
	if int(current.first) == len(e.rows) {
		current.start, e.until = start, start
	}
	if start = max(start, e.until); start >= end {
		return 0
	}
	e.until, current.end = end, end
	number := e.number(p)
	if last := len(e.rows) - 1; last < int(current.first) || e.rows[last].place != number {
		e.rows = append(e.rows, rowAt{start, number})
	}
	current.last = int32(len(e.rows))
	return 0
}

func (e *extraction) more() bool { return true }

// flatten visits what intervals cover, in order, each piece with the item of the
// highest rank there. It sorts them.
func flatten(intervals []interval, visit func(start, end uint32, item int32)) {
	slices.SortFunc(intervals, func(a, b interval) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.rank, b.rank))
	})
	// active are by rank, the highest last: the last one is seen. Below it may
	// lie some that have ended.
	var active []interval
	at := uint32(0)
	upTo := func(end uint32) {
		for len(active) > 0 && at < end {
			top := active[len(active)-1]
			if top.end > at {
				visit(at, min(top.end, end), top.item)
				at = min(top.end, end)
			}
			if top.end <= at {
				active = active[:len(active)-1]
			}
		}
	}
	for _, each := range intervals {
		upTo(each.start)
		at = each.start
		place := len(active)
		for place > 0 && active[place-1].rank > each.rank {
			place--
		}
		active = slices.Insert(active, place, each)
	}
	upTo(^uint32(0))
}
