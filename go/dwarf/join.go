package dwarf

import (
	"slices"
	"unsafe"

	"github.com/ffikit/ffikit/go/codemap"
)

// joiner makes one table of the extractions of all units. Where two units say
// something of one address, the first in the file counts; of one unit's functions
// the last.
type joiner struct {
	reader *reader
	table  *codemap.Table
	units  []lanes // by unit, numbers already those of the table

	// names are known by where they are: equal ones elsewhere are the encoder's
	// to find.
	names     map[*byte]uint32
	functions map[codemap.Function]uint32
	// unnamed are nodes for code that is in no function, by language.
	unnamed [256]uint32
	// numbers are those of one unit's declarations.
	numbers []uint32
}

func newJoiner(r *reader) *joiner {
	r.textBytes = maxExtractedText
	return &joiner{
		reader: r, names: map[*byte]uint32{},
		functions: map[codemap.Function]uint32{},
		table: &codemap.Table{
			Base: r.data.codeStart, Nodes: make([]codemap.Node, 1), Functions: make([]codemap.Function, 1),
			Places: make([]codemap.Place, 1), Names: make([]string, 1),
		},
	}
}

// finish makes the table's records.
func (j *joiner) finish() *codemap.Table {
	j.names, j.functions, j.table.Files = nil, nil, j.files()
	functions := j.functionRows()
	for i := range j.units {
		j.units[i].segments, j.units[i].functions = nil, nil
	}
	lines := j.lineRows()
	j.units = nil
	j.merge(functions, lines)
	return j.table
}

// take adds what unit number says to the table; e is free then.
func (j *joiner) take(number int32, e *extraction) {
	t, u := j.table, j.reader.data.active[number]
	places := uint32(len(t.Places)) - 1
	for _, p := range e.places {
		t.Places = append(t.Places, codemap.Place{
			File: j.reader.path(u, p.file), Line: uint32(lineNumber(p.line)), Discriminator: p.discriminator, Column: narrow(p.column),
		})
	}
	j.numbers = j.numbers[:0]
	for i := range e.decls {
		j.numbers = append(j.numbers, j.function(&e.decls[i]))
	}
	nodes := uint32(len(t.Nodes)) - 1
	for i := range e.nodes {
		n := &e.nodes[i]
		node := codemap.Node{Function: j.numbers[n.decl]}
		if n.parent != 0 {
			node.Parent = nodes + uint32(n.parent)
			t.Places = append(t.Places, codemap.Place{
				File: j.reader.path(u, n.callFile), Line: uint32(lineNumber(n.callLine)), Column: narrow(n.callColumn),
			})
			node.Call = uint32(len(t.Places)) - 1
		}
		t.Nodes = append(t.Nodes, node)
	}
	kept := lanes{
		slices.Clone(e.lanes.segments), slices.Clone(e.lanes.functions),
		slices.Clone(e.lanes.rows), slices.Clone(e.lanes.lines), 0,
	}
	for i := range kept.segments {
		kept.segments[i].node += int32(nodes)
	}
	for i := range kept.rows {
		kept.rows[i].place += places
	}
	kept.unnamed = j.unnamedNode(j.reader.languageOf(u))
	j.units = append(j.units, kept)
}

// unnamedNode is the node of code of a language that is in no function.
func (j *joiner) unnamedNode(language uint8) uint32 {
	node := &j.unnamed[language]
	if *node == 0 && language != 0 {
		t := j.table
		*node = uint32(len(t.Nodes))
		t.Nodes = append(t.Nodes, codemap.Node{Function: uint32(len(t.Functions))})
		t.Functions = append(t.Functions, codemap.Function{Language: language})
	}
	return *node
}

// narrow leaves out columns that no source line has.
func narrow(column uint32) uint16 {
	if column > 1<<16-1 {
		return 0
	}
	return uint16(column)
}

// files are the paths by their numbers.
func (j *joiner) files() []string {
	if texts := j.reader.data.paths.texts; texts != nil {
		return texts
	}
	return make([]string, 1)
}

func (j *joiner) name(text string) uint32 {
	if text == "" {
		return 0
	}
	key := unsafe.StringData(text)
	id, ok := j.names[key]
	if !ok {
		id = uint32(len(j.table.Names))
		j.names[key] = id
		j.table.Names = append(j.table.Names, text)
	}
	return id
}

func (j *joiner) function(d *decl) uint32 {
	f := codemap.Function{Name: j.name(d.name), Linkage: j.name(d.linkage), Line: d.line, Language: d.language}
	if d.fileUnit != nil {
		f.File = j.reader.path(d.fileUnit, d.file)
	}
	id, ok := j.functions[f]
	if !ok {
		id = uint32(len(j.table.Functions))
		j.functions[f] = id
		j.table.Functions = append(j.table.Functions, f)
	}
	return id
}

// numbered says that from start on the code belongs to number; 0 is a gap.
// unnamed is the node of a row that is in no function.
type numbered struct{ start, number, unnamed uint32 }

// pieces calls visit for what the runs of all units cover, each address once.
// Runs of the first unit come first; of one unit the last where last is set.
func (j *joiner) pieces(runsOf func(*lanes) []run, last bool, visit func(l *lanes, r run, start, end uint32)) {
	type origin struct{ unit, run int32 }
	count := 0
	for i := range j.units {
		count += len(runsOf(&j.units[i]))
	}
	intervals, origins := make([]interval, 0, count), make([]origin, 0, count)
	for number := range j.units {
		for i, r := range runsOf(&j.units[number]) {
			if r.start >= r.end {
				continue
			}
			order := uint64(i)
			if !last {
				order = 1<<32 - 1 - order
			}
			rank := (1<<31-uint64(number))<<32 | order
			intervals = append(intervals, interval{r.start, r.end, rank, int32(len(origins))})
			origins = append(origins, origin{int32(number), int32(i)})
		}
	}
	flatten(intervals, func(start, end uint32, item int32) {
		l := &j.units[origins[item].unit]
		visit(l, runsOf(l)[origins[item].run], start, end)
	})
}

// functionRows are the nodes of all addresses.
func (j *joiner) functionRows() []numbered {
	count := 1
	for i := range j.units {
		count += len(j.units[i].segments) + len(j.units[i].functions)
	}
	rows, until := make([]numbered, 0, count), uint32(0)
	j.pieces(func(l *lanes) []run { return l.functions }, true, func(l *lanes, r run, start, end uint32) {
		if start != until && len(rows) > 0 {
			rows = append(rows, numbered{start: until})
		}
		until = end
		for _, s := range l.segments[r.first:r.last] {
			if from, to := max(s.start, start), min(s.end, end); from < to {
				rows = append(rows, numbered{from, uint32(s.node), 0})
			}
		}
	})
	return append(rows, numbered{start: until})
}

// lineRows are the places of all addresses.
func (j *joiner) lineRows() []numbered {
	count := 1
	for i := range j.units {
		count += len(j.units[i].rows) + len(j.units[i].lines)
	}
	rows, until := make([]numbered, 0, count), uint32(0)
	j.pieces(func(l *lanes) []run { return l.lines }, false, func(l *lanes, r run, start, end uint32) {
		if start != until && len(rows) > 0 {
			rows = append(rows, numbered{start: until})
		}
		until = end
		all := l.rows[r.first:r.last]
		for i, each := range all {
			to := r.end
			if i+1 < len(all) {
				to = all[i+1].start
			}
			if from := max(each.start, start); from < min(to, end) {
				rows = append(rows, numbered{from, each.place, l.unnamed})
			}
		}
	})
	return append(rows, numbered{start: until})
}

// merge makes the records of the table.
func (j *joiner) merge(functions, lines []numbered) {
	t := j.table
	t.Starts = make([]uint32, 0, len(functions)+len(lines))
	t.Records = make([]codemap.Record, 0, len(functions)+len(lines))
	var node, unnamed, place uint32
	for len(functions) > 0 || len(lines) > 0 {
		at := ^uint32(0)
		if len(functions) > 0 {
			at = functions[0].start
		}
		if len(lines) > 0 {
			at = min(at, lines[0].start)
		}
		for len(functions) > 0 && functions[0].start == at {
			node, functions = functions[0].number, functions[1:]
		}
		for len(lines) > 0 && lines[0].start == at {
			place, unnamed, lines = lines[0].number, lines[0].unnamed, lines[1:]
		}
		now := codemap.Record{Node: node, Place: place}
		if node == 0 {
			now.Node = unnamed
		}
		if last := len(t.Records) - 1; last < 0 && now == (codemap.Record{}) || last >= 0 && t.Records[last] == now {
			continue
		}
		t.Starts, t.Records = append(t.Starts, at), append(t.Records, now)
	}
}
