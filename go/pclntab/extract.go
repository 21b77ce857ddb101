package pclntab

import (
	"sync"
	"sync/atomic"

	"github.com/ffikit/ffikit/go/codemap"
)

// Extract returns all that the table knows: looked up there, each address has
// the frames that Resolve gives for it. Addresses outside of functions, and the
// padding between them, are holes. Up to workers functions at a time are read,
// and the contents are then read from several threads; the answer does not
// depend on how many. No more rows are read than a few for each byte of the
// table, else the error is object.ErrLimit. Other errors are the first damage
// met; the answer is good as far as it goes.
func (t *Table) Extract(workers int) (*codemap.Table, error) {
	t.begin(0)
	t.forget()
	t.names.expect(t.count)
	t.files.expect(t.count)
	t.textBytes = freeTextBytes + int(min(2*(t.names.size+t.files.size), 1<<30))
	x := &extraction{of: t, base: t.sections[0].addr}
	x.left.Add(t.allRows())
	x.out = newJoin(t, x.base)
	count := (t.count + functionsPerPiece - 1) / functionsPerPiece
	workers = max(1, min(workers, count, maxWorkers))
	stop := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(stop)
	made, free := make([]chan *piece, workers), make([]chan *piece, workers)
	for w := range workers {
		// Worker w makes every workers-th piece; one waits to be taken while the
		// next is made.
		made[w], free[w] = make(chan *piece, 2), make(chan *piece, 2)
		free[w] <- newPiece()
		free[w] <- newPiece()
		running.Go(func() {
			reader := t.clone()
			for i := w; i < count; i += workers {
				select {
				case p := <-free[w]:
					x.fill(p, reader, i*functionsPerPiece, min(t.count, (i+1)*functionsPerPiece))
					made[w] <- p
				case <-stop:
					return
				}
			}
		})
	}
	for i := range count {
		p := <-made[i%workers]
		if p.panicked != nil {
			panic(p.panicked) // where the caller can deal with it
		}
		if t.problem == nil {
			t.problem = p.problem
		}
		x.out.add(p)
		free[i%workers] <- p
	}
	return x.out.finish(), t.finish()
}

// extraction is one call of Extract.
type extraction struct {
	of   *Table
	base uint64
	// left is the budget of rows and nodes.
	left atomic.Int64
	out  *join
}

// clone is a reader of the same table for another thread.
func (t *Table) clone() *Table {
	twin := &Table{
		image: t.image, count: t.count, minLC: t.minLC, sections: t.sections,
		names: t.names.clone(), units: t.units.clone(), files: t.files.clone(), pcs: t.pcs.clone(),
		starts: t.starts.clone(), records: t.records.clone(), trees: t.trees.clone(),
	}
	twin.texts.late = true
	twin.forget()
	return twin
}

// piece is what some functions following one another say. Its numbers are its
// own; names and files are ids of texts.
type piece struct {
	codemap.Table
	texts []textEntry
	// end is where the last function ends.
	end      uint32
	problem  error
	panicked any

	last place
	// made are the nodes of the reader's by their number, others those of which
	// there are several.
	made   []madeNode
	others map[madeNode]uint32
	// placeIDs and functionIDs find what is there already; a function by the
	// number of its name and line, and file.
	placeIDs, functionIDs, nameIDs numbers
}

func newPiece() *piece {
	return &piece{others: map[madeNode]uint32{}}
}

func (p *piece) reset() {
	p.Starts, p.Records, p.texts, p.made = p.Starts[:0], p.Records[:0], p.texts[:0], p.made[:0]
	p.Nodes = append(p.Nodes[:0], codemap.Node{})
	p.Functions = append(p.Functions[:0], codemap.Function{})
	p.Places = append(p.Places[:0], codemap.Place{})
	p.end, p.problem, p.last = 0, nil, place{}
	clear(p.others)
	p.placeIDs.reset()
	p.functionIDs.reset()
	p.nameIDs.reset()
}

// madeNode is a node as it stands in a file that it is declared in, 0 where
// that is another one: what a frame says of its declaration depends on it.
type madeNode struct {
	node uint32
	home textID
}

// fill makes p of the functions from first to last, which is not one of them.
func (x *extraction) fill(p *piece, t *Table, first, last int) {
	defer func() { p.panicked = recover() }()
	t.begin(0)
	t.forget()
	p.reset()
	left := x.left.Load()
	t.chains.left = int(max(0, left))
	for i := first; i < last && left >= 0; i++ {
		left = x.left.Add(-int64(x.function(p, t, i)))
	}
	if left < 0 {
		t.overdrawn(t.starts, manyRows)
	}
	p.texts = append(p.texts, t.texts.entries...)
	p.problem = t.finish()
}

// function adds all rows of function i to p and returns what it took.
func (x *extraction) function(p *piece, t *Table, i int) int {
	var f function
	if !t.read(i, &f) {
		return 1
	}
	addr := t.addrOf(f.entry)
	end := t.endOf(&f)
	if addr == 0 || end <= addr {
		return 1
	}
	start, size := addr-x.base, end-addr
	if start+size >= 1<<32 {
		t.overdrawn(t.starts, "4 GiB of code")
		return 1
	}
	if uint32(start) < p.end {
		t.damaged(t.starts, 8*uint64(i), "function %d starts within another one", i)
		return 1
	}
	if uint32(start) > p.end && len(p.Records) > 0 {
		p.add(t, p.end, place{})
	}
	p.end = uint32(start + size)
	before := len(t.chains.nodes)
	t.enter(&f)
	c := &t.chains
	for pc := uint64(0); pc < size; {
		p.add(t, uint32(start+pc), t.placeOf(uint32(pc)))
		if f.pcLine == 0 || c.line == len(c.lines) {
			break // nothing changes any more
		}
		// The cursors stand at rows that end behind pc.
		pc = uint64(c.lines[c.line].end)
		if c.file < len(c.files) {
			pc = min(pc, uint64(c.files[c.file].end))
		}
		if c.call < len(c.calls) {
			pc = min(pc, uint64(c.calls[c.call].end))
		}
	}
	return 1 + len(c.lines) + len(c.files) + len(c.calls) + len(c.nodes) - before
}

// add says that from start on the code is of a place.
func (p *piece) add(t *Table, start uint32, at place) {
	if at == p.last && len(p.Records) > 0 {
		return
	}
	p.last = at
	record := codemap.Record{}
	if at.node != 0 {
		record.Node, record.Place = p.node(t, at.node, at.file, at.line), p.place(at.file, at.line)
	}
	p.Starts, p.Records = append(p.Starts, start), append(p.Records, record)
}

func (p *piece) place(file textID, line int32) uint32 {
	if file == 0 {
		return 0
	}
	id, added := p.placeIDs.number(uint64(file)<<32 | uint64(uint32(line)))
	if added {
		p.Places = append(p.Places, codemap.Place{File: uint32(file), Line: uint32(line)})
	}
	return id
}

// function is the number in p of a function.
func (p *piece) function(f codemap.Function) uint32 {
	id, added := functionNumber(&p.nameIDs, &p.functionIDs, &f)
	if added {
		p.Functions = append(p.Functions, f)
	}
	return id
}

// functionNumber numbers functions by all that they are, in two steps. Lines
// have 31 bits, languages are two: Go and unknown.
func functionNumber(names, functions *numbers, f *codemap.Function) (id uint32, added bool) {
	line := uint64(f.Line) << 1
	if f.Language == codemap.LanguageUnknown {
		line |= 1
	}
	name, _ := names.number(uint64(f.Name)<<32 | line)
	return functions.number(uint64(name)<<32 | uint64(f.File))
}

// node is the number in p of a node of t's that stands at a line.
func (p *piece) node(t *Table, number uint32, file textID, line int32) uint32 {
	n := &t.chains.nodes[number]
	declared := t.declared(n, file, line)
	if declared == 0 || file == 0 {
		declared, file = 0, 0
	}
	for len(p.made) < len(t.chains.nodes) {
		p.made = append(p.made, madeNode{})
	}
	made := &p.made[number]
	if made.node != 0 && made.home == file {
		return made.node
	}
	key := madeNode{number, file}
	if id, ok := p.others[key]; ok {
		return id
	}
	f := codemap.Function{Name: uint32(n.name), File: uint32(file), Line: uint32(declared), Language: codemap.LanguageGo}
	if n.bare {
		f.Language = codemap.LanguageUnknown
	}
	node := codemap.Node{Function: p.function(f)}
	if n.parent != 0 {
		node.Parent, node.Call = p.node(t, n.parent, n.callFile, n.callLine), p.place(n.callFile, n.callLine)
	}
	id := uint32(len(p.Nodes))
	p.Nodes = append(p.Nodes, node)
	if made = &p.made[number]; made.node == 0 {
		*made = madeNode{id, file}
	} else {
		p.others[key] = id
	}
	return id
}
