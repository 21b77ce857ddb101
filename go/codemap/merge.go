package codemap

import (
	"fmt"
	"math"
)

// Source is what is known of one file, by several readers.
type Source struct {
	// Tables are asked in this order: for each address the first answers that
	// knows both function and line, else the one that knows a line, else the
	// one that knows a function. Their Record.Symbol is not read.
	Tables []*Table
	// Symbols name what no table has a function for, and every function as the
	// symbol table calls it.
	Symbols []Symbol
}

// Symbol is a range of addresses that one function of the symbol table covers.
// In a Source they rise and do not overlap.
type Symbol struct {
	Start, End uint64
	Name       string
}

// part is a Table whose numbers were moved behind those of the Tables before.
type part struct {
	*Table
	// node, function and place are added to all numbers but 0.
	node, function, place uint32
	files, names          []uint32
	// roots are the functions' own nodes, by node.
	roots []uint32
	at    int // the next start
	now   Record
}

// row is a range of addresses, with the numbers of the whole file.
type row struct {
	start               uint64
	node, place, symbol uint32
	// root is the node of the function that is not inlined.
	root uint32
}

// merger streams the rows of a Source.
type merger struct {
	parts       []part
	symbols     []Symbol
	symbolNames []uint32
	files       *interner
	names       *interner
	// nodes, functions and places count those of all parts, 0 included.
	nodes, functions, places uint32
}

func newMerger(source Source) (*merger, error) {
	expected := len(source.Symbols)
	for _, table := range source.Tables {
		expected += len(table.Names)
	}
	m := &merger{
		symbols: source.Symbols, files: newInterner(64), names: newInterner(expected),
		nodes: 1, functions: 1, places: 1,
	}
	for i, table := range source.Tables {
		p := part{Table: table, node: m.nodes - 1, function: m.functions - 1, place: m.places - 1}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("codemap: table %d: %w", i, err)
		}
		p.files, p.names = m.files.numbers(table.Files), m.names.numbers(table.Names)
		m.nodes += known(table.Nodes)
		m.functions += known(table.Functions)
		m.places += known(table.Places)
		if max(m.nodes, m.functions, m.places) > math.MaxInt32 {
			return nil, fmt.Errorf("%w: %d nodes", ErrLimit, m.nodes)
		}
		m.parts = append(m.parts, p)
	}
	m.symbolNames = make([]uint32, len(source.Symbols))
	for i := range source.Symbols {
		s := &source.Symbols[i]
		if s.Start >= s.End || i > 0 && s.Start < source.Symbols[i-1].End {
			return nil, fmt.Errorf("codemap: symbol %q from 0x%x to 0x%x", s.Name, s.Start, s.End)
		}
		m.symbolNames[i] = m.names.number(s.Name)
	}
	if err := m.files.fits(); err != nil {
		return nil, err
	}
	return m, m.names.fits()
}

// known counts the entries of a list but the one that stands for "unknown".
func known[T any](list []T) uint32 { return uint32(max(len(list), 1) - 1) }

// check refuses a Table that does not keep its own rules: what reads the file
// relies on them.
func (p *part) check() error {
	switch {
	case len(p.Starts) != len(p.Records):
		return fmt.Errorf("%d starts, %d records", len(p.Starts), len(p.Records))
	case p.Base > math.MaxUint64-math.MaxUint32-1:
		return fmt.Errorf("base 0x%x", p.Base)
	case uint64(max(len(p.Starts), len(p.Nodes), len(p.Functions), len(p.Places), len(p.Files), len(p.Names))) > math.MaxInt32:
		return fmt.Errorf("%w: too many entries", ErrLimit)
	case len(p.Files) > 0 && p.Files[0] != "" || len(p.Names) > 0 && p.Names[0] != "":
		return fmt.Errorf("entry 0 of its strings is not empty")
	case len(p.Nodes) > 0 && p.Nodes[0] != Node{} || len(p.Functions) > 0 && p.Functions[0] != Function{} ||
		len(p.Places) > 0 && p.Places[0] != Place{}:
		return fmt.Errorf("entry 0 is not empty")
	}
	if last := len(p.Records) - 1; last >= 0 && p.Records[last] != (Record{}) {
		return fmt.Errorf("the last record, at 0x%x, is no end: %+v", p.Starts[last], p.Records[last])
	}
	for i, r := range p.Records {
		if i > 0 && p.Starts[i] <= p.Starts[i-1] {
			return fmt.Errorf("start %d is 0x%x, behind 0x%x", i, p.Starts[i], p.Starts[i-1])
		}
		if !has(p.Nodes, r.Node) || !has(p.Places, r.Place) {
			return fmt.Errorf("record %d: %+v", i, r)
		}
	}
	for i, f := range p.Functions {
		if !has(p.Names, f.Name) || !has(p.Names, f.Linkage) || !has(p.Files, f.File) {
			return fmt.Errorf("function %d: %+v", i, f)
		}
	}
	for i, place := range p.Places {
		if !has(p.Files, place.File) {
			return fmt.Errorf("place %d: %+v", i, place)
		}
	}
	return p.findRoots()
}

func has[T any](list []T, index uint32) bool { return index == 0 || uint64(index) < uint64(len(list)) }

// findRoots follows each node to the function that it was inlined into.
func (p *part) findRoots() error {
	p.roots = make([]uint32, len(p.Nodes))
	depths := make([]uint16, len(p.Nodes))
	for i, n := range p.Nodes {
		if i == 0 {
			continue
		}
		if !has(p.Functions, n.Function) || !has(p.Places, n.Call) || int(n.Parent) >= i {
			return fmt.Errorf("node %d: %+v", i, n)
		}
		if p.roots[i] = uint32(i); n.Parent != 0 {
			p.roots[i], depths[i] = p.roots[n.Parent], depths[n.Parent]+1
		}
		if depths[i] >= maxChain {
			return fmt.Errorf("%w: node %d is inlined %d deep", ErrLimit, i, depths[i])
		}
	}
	return nil
}

// rank tells how much of an answer the current record is.
func (p *part) rank() int {
	rank := 0
	if place := p.now.Place; place != 0 && p.Places[place].File != 0 {
		rank = 2
	}
	if node := p.now.Node; node != 0 && p.Functions[p.Nodes[p.roots[node]].Function].Name != 0 {
		rank++
	}
	return rank
}

// next is where the part changes next, -1 (2^64-1) where it does no more.
func (p *part) next() uint64 {
	if p.at < len(p.Starts) {
		return p.Base + uint64(p.Starts[p.at])
	}
	return math.MaxUint64
}

// each calls visit for every range of addresses, in order, and not again where
// nothing changes. It may be called any number of times.
func (m *merger) each(visit func(row)) {
	for i := range m.parts {
		m.parts[i].at, m.parts[i].now = 0, Record{}
	}
	var last row
	symbol, within := 0, false
	for {
		symbolChange := uint64(math.MaxUint64)
		if symbol < len(m.symbols) {
			if symbolChange = m.symbols[symbol].Start; within {
				symbolChange = m.symbols[symbol].End
			}
		}
		at := symbolChange
		for i := range m.parts {
			at = min(at, m.parts[i].next())
		}
		if at == math.MaxUint64 {
			return
		}
		for i := range m.parts {
			if p := &m.parts[i]; p.next() == at {
				p.now = p.Records[p.at]
				p.at++
			}
		}
		if symbolChange == at {
			// One symbol may end where the next one starts.
			if within {
				symbol++
			}
			within = symbol < len(m.symbols) && m.symbols[symbol].Start == at
		}
		now := m.best()
		if now.start = at; within {
			now.symbol = m.symbolNames[symbol]
		}
		if now.node != last.node || now.place != last.place || now.symbol != last.symbol {
			visit(now)
			last = now
		}
	}
}

// best chooses among the records of the current address.
func (m *merger) best() row {
	var best row
	bestRank := -1
	for i := range m.parts {
		p := &m.parts[i]
		if p.now.Node == 0 && p.now.Place == 0 {
			continue
		}
		if len(m.parts) > 1 {
			rank := p.rank()
			if rank <= bestRank {
				continue
			}
			best, bestRank = row{}, rank
		}
		if p.now.Node != 0 {
			best.node, best.root = p.now.Node+p.node, p.roots[p.now.Node]+p.node
		}
		if p.now.Place != 0 {
			best.place = p.now.Place + p.place
		}
	}
	return best
}
