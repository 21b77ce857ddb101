package pclntab

import (
	"slices"

	"github.com/ffikit/ffikit/go/codemap"
)

// join puts pieces together, in the order of addresses.
type join struct {
	of  *Table
	out *codemap.Table
	end uint32 // where the last piece ends
	// Numbers of what is there already: names and files by their offset, places
	// and functions as a piece does.
	names, files, places, functions, lines numbers
	// texts, placeIDs and functionIDs are of a piece: its numbers in the table.
	texts, placeIDs, functionIDs []uint32
}

func newJoin(t *Table, base uint64) *join {
	j := &join{
		of: t, out: &codemap.Table{
			Base: base, Nodes: make([]codemap.Node, 1), Functions: make([]codemap.Function, 1),
			Places: make([]codemap.Place, 1), Files: make([]string, 1), Names: make([]string, 1),
		},
	}
	for _, n := range []*numbers{&j.names, &j.files, &j.places, &j.functions, &j.lines} {
		n.reset()
	}
	return j
}

// add appends a piece.
func (j *join) add(p *piece) {
	if len(p.Records) == 0 {
		return
	}
	out, first := j.out, p.Starts[0]
	if len(out.Records) > 0 {
		if first < j.end {
			j.of.damaged(j.of.starts, 0, "functions at 0x%x start within others", out.Base+uint64(first))
			return
		}
		if first > j.end {
			j.hole()
		}
	}
	j.end = p.end
	j.number(p)
	nodes := uint32(len(out.Nodes)) - 1
	out.Nodes = room(out.Nodes, len(p.Nodes), j.share())
	out.Starts = room(out.Starts, len(p.Starts)+1, j.share())
	out.Records = room(out.Records, len(p.Records)+1, j.share())
	for _, n := range p.Nodes[1:] {
		n.Function = j.functionIDs[n.Function]
		if n.Parent != 0 {
			n.Parent, n.Call = n.Parent+nodes, j.placeIDs[n.Call]
		}
		out.Nodes = append(out.Nodes, n)
	}
	starts, records := p.Starts, p.Records
	if last := len(out.Records) - 1; records[0] == (codemap.Record{}) && (last < 0 || out.Records[last] == records[0]) {
		starts, records = starts[1:], records[1:]
	}
	out.Starts = append(out.Starts, starts...)
	for _, r := range records {
		if r.Node != 0 {
			r.Node, r.Place = r.Node+nodes, j.placeIDs[r.Place]
		}
		out.Records = append(out.Records, r)
	}
}

// number finds the table's numbers of what p numbered.
func (j *join) number(p *piece) {
	j.texts, j.placeIDs, j.functionIDs = j.texts[:0], j.placeIDs[:0], j.functionIDs[:0]
	for i := range p.texts {
		// Its number among names or files: no text is both.
		j.texts = append(j.texts, j.text(&p.texts[i]))
	}
	j.out.Places = room(j.out.Places, len(p.Places), j.share())
	for _, place := range p.Places {
		place.File = j.texts[place.File]
		id, added := uint32(0), false
		if place.File != 0 {
			id, added = j.places.number(uint64(place.File)<<32 | uint64(place.Line))
		}
		if added {
			j.out.Places = append(j.out.Places, place)
		}
		j.placeIDs = append(j.placeIDs, id)
	}
	j.functionIDs = append(j.functionIDs, 0)
	for _, f := range p.Functions[1:] {
		f.Name, f.File = j.texts[f.Name], j.texts[f.File]
		id, added := functionNumber(&j.lines, &j.functions, &f)
		if added {
			j.out.Functions = append(j.out.Functions, f)
		}
		j.functionIDs = append(j.functionIDs, id)
	}
}

func (j *join) text(e *textEntry) uint32 {
	if e.in == nil || e.empty {
		return 0
	}
	ids, list, in := &j.names, &j.out.Names, j.of.names
	if e.in.addr == j.of.files.addr {
		ids, list, in = &j.files, &j.out.Files, j.of.files
	}
	id, added := ids.number(uint64(e.offset))
	if added {
		*list = append(*list, j.of.readText(&textEntry{in: in, offset: e.offset}))
	}
	return id
}

// hole ends what is known.
func (j *join) hole() {
	if last := len(j.out.Records) - 1; last >= 0 && j.out.Records[last] != (codemap.Record{}) {
		j.out.Starts, j.out.Records = append(j.out.Starts, j.end), append(j.out.Records, codemap.Record{})
	}
}

func (j *join) finish() *codemap.Table {
	j.hole()
	return j.out
}

// share is how much of the code is done with the current piece.
func (j *join) share() float64 {
	ranges := j.of.sections
	last := &ranges[len(ranges)-1]
	return float64(j.end) / float64(last.addr+last.end-last.start-j.out.Base)
}

// room makes room for so many more. Where there is none, it makes some for all
// that is to come if it is like what was done, a share of it all.
func room[T any](list []T, more int, share float64) []T {
	if cap(list)-len(list) >= more {
		return list
	}
	done := len(list) + more
	rest := float64(done) * (1.05/share - 1)
	return slices.Grow(list, more+int(max(0, min(rest, float64(8*done)))))
}
