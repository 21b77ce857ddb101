package codemap

import (
	"fmt"
	"io"
	"math"
)

// Encode writes the index file of what source knows to w, in the order of its
// bytes. identities are the files that source was read from, the code's own
// first. The same arguments give the same bytes. Tables that break the rules
// which their documentation states are an error, as is code over the limits of
// a file (ErrLimit); nothing was written then.
func Encode(w io.Writer, identities []Identity, source Source) error {
	m, err := newMerger(source)
	if err != nil {
		return err
	}
	e := &encoder{merger: m, rootSymbols: make([]uint32, m.nodes), copies: map[uint64]uint32{}}
	e.header.identities = identities
	if err := e.survey(); err != nil {
		return err
	}
	e.findStarts()
	e.layOut()
	head, err := e.header.encode()
	if err != nil {
		return err
	}
	if e.header.fileBytes > maxFileBytes {
		return fmt.Errorf("%w: %d bytes", ErrLimit, e.header.fileBytes)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	out := newBlockWriter(w)
	e.write(out)
	return out.finish()
}

// encoder lays out a file. It goes through the rows three times instead of
// keeping them.
type encoder struct {
	*merger
	header      header
	rows        int
	base, last  uint64
	rootSymbols []uint32 // by root node, what its rows' symbol is
	// copies are nodes made for rows that have another symbol than their root,
	// such as the cold part of a function; nodes holds them, numbered behind
	// all others.
	copies    map[uint64]uint32
	copied    []fileNode
	maxParent uint32
	// buckets holds for each bucket the rows that start before it, starts for
	// each row where in its bucket it starts.
	buckets []uint32
	starts  []byte
}

// fileNode is a Node as a file has it: parent counts back, and a node without
// parent has a symbol (of Names) in the place of a call.
type fileNode struct{ function, parent, call uint32 }

const noSymbolYet = math.MaxUint32

// survey counts the rows and finds out which functions have several symbols.
func (e *encoder) survey() error {
	for i := range e.rootSymbols {
		e.rootSymbols[i] = noSymbolYet
	}
	e.rootSymbols[0] = 0
	for i := range e.parts {
		for j, n := range e.parts[i].Nodes {
			if n.Parent != 0 {
				e.maxParent = max(e.maxParent, uint32(j)-n.Parent)
			}
		}
	}
	e.each(func(r row) {
		if e.rows == 0 {
			e.base = r.start
		}
		e.rows++
		e.last = r.start
		if symbol := &e.rootSymbols[r.root]; *symbol == noSymbolYet {
			*symbol = r.symbol
		} else if *symbol != r.symbol {
			e.copyNode(r.node, r.symbol)
		}
	})
	switch {
	case e.last-e.base >= math.MaxUint32:
		return fmt.Errorf("%w: code from 0x%x to 0x%x", ErrLimit, e.base, e.last)
	case e.rows > maxFileBytes || int(e.nodes)+len(e.copied) > maxFileBytes:
		return fmt.Errorf("%w: %d rows, %d nodes", ErrLimit, e.rows, int(e.nodes)+len(e.copied))
	}
	return nil
}

// copyNode gives the number of a copy of node, and of all that it was inlined
// into, whose function has that symbol.
func (e *encoder) copyNode(node, symbol uint32) uint32 {
	key := uint64(node)<<32 | uint64(symbol)
	if number, ok := e.copies[key]; ok {
		return number
	}
	copied := fileNode{call: symbol}
	parent := uint32(0)
	if node != 0 {
		original := e.node(node)
		copied.function = original.function
		if original.parent != 0 {
			parent = e.copyNode(node-original.parent, symbol)
			copied.call = original.call
		}
	}
	number := e.nodes + uint32(len(e.copied))
	if parent != 0 {
		copied.parent = number - parent
		e.maxParent = max(e.maxParent, copied.parent)
	}
	e.copied = append(e.copied, copied)
	e.copies[key] = number
	return number
}

// node gives a node of the parts.
func (e *encoder) node(number uint32) fileNode {
	at := len(e.parts) - 1
	for e.parts[at].node >= number {
		at--
	}
	p := &e.parts[at]
	return e.convert(p, number-p.node)
}

func (e *encoder) convert(p *part, number uint32) fileNode {
	n := p.Nodes[number]
	converted := fileNode{function: moved(n.Function, p.function)}
	if n.Parent != 0 {
		converted.parent, converted.call = number-n.Parent, moved(n.Call, p.place)
	} else if symbol := e.rootSymbols[number+p.node]; symbol != noSymbolYet {
		converted.call = symbol
	}
	return converted
}

func moved(number, by uint32) uint32 {
	if number == 0 {
		return 0
	}
	return number + by
}

// findStarts fills buckets and starts. Buckets are larger where code is
// sparse, so that they are never many more than the rows.
func (e *encoder) findStarts() {
	span := e.last - e.base + 1
	shift := uint(bucketBits)
	for span>>shift > 4*uint64(e.rows)+1024 {
		shift++
	}
	e.header.base, e.header.shift = e.base, uint32(shift)
	e.header.grids[gridStarts] = gridFor(e.rows, 1<<shift-1)
	stride := int(e.header.grids[gridStarts].stride)
	e.buckets = make([]uint32, 0, span>>shift+2)
	e.starts = make([]byte, 0, e.rows*stride)
	e.each(func(r row) {
		into := r.start - e.base
		for uint64(len(e.buckets)) <= into>>shift {
			e.buckets = append(e.buckets, uint32(len(e.starts)/stride))
		}
		for i, rest := 0, into&(1<<shift-1); i < stride; i, rest = i+1, rest>>8 {
			e.starts = append(e.starts, byte(rest))
		}
	})
	e.buckets = append(e.buckets, uint32(e.rows))
}

// layOut decides where everything lies.
func (e *encoder) layOut() {
	h := &e.header
	nodes := e.nodes + uint32(len(e.copied))
	h.grids[gridBuckets] = gridFor(len(e.buckets), uint32(e.rows))
	h.grids[gridRecords] = gridFor(e.rows, nodes-1, e.places-1)
	names := uint32(len(e.names.texts))
	h.grids[gridNodes] = gridFor(int(nodes), e.functions-1, e.maxParent, max(e.places, names)-1)
	var function, place [maxFields]uint32
	for i := range e.parts {
		p := &e.parts[i]
		for j := range p.Functions {
			f := &p.Functions[j]
			function[3], function[4] = max(function[3], f.Line), max(function[4], uint32(f.Language))
		}
		for j := range p.Places {
			q := &p.Places[j]
			place[1], place[2], place[3] = max(place[1], q.Line), max(place[2], q.Discriminator), max(place[3], uint32(q.Column))
		}
	}
	files := uint32(len(e.files.texts))
	h.grids[gridFunctions] = gridFor(int(e.functions), names-1, names-1, files-1, function[3], function[4])
	h.grids[gridPlaces] = gridFor(int(e.places), files-1, place[1], place[2], place[3])
	h.grids[gridFiles] = gridFor(int(files)+1, uint32(e.files.bytes))
	h.grids[gridNames] = gridFor(int(names)+1, uint32(e.names.bytes))

	at := uint64(headerBytes)
	for i := range h.grids {
		h.grids[i].start = at
		at += h.grids[i].size()
	}
	for i, size := range []uint64{areaFiles: e.files.bytes, areaNames: e.names.bytes} {
		h.areas[i] = area{at, size}
		at += size
	}
	blocks := (at - headerBytes + blockBytes - 1) / blockBytes
	h.fileBytes = at + checksumBytes(blocks)
}

// write writes all that follows the header.
func (e *encoder) write(out *blockWriter) {
	grids := &e.header.grids
	w := rowWriter{out, &grids[gridBuckets]}
	for _, rows := range e.buckets {
		w.put(rows)
	}
	out.write(e.starts)

	w = rowWriter{out, &grids[gridRecords]}
	e.each(func(r row) {
		if r.symbol != e.rootSymbols[r.root] {
			r.node = e.copyNode(r.node, r.symbol)
		}
		w.put(r.node, r.place)
	})

	w = rowWriter{out, &grids[gridNodes]}
	w.put(0, 0, 0)
	for i := range e.parts {
		p := &e.parts[i]
		for number := 1; number < len(p.Nodes); number++ {
			n := e.convert(p, uint32(number))
			w.put(n.function, n.parent, n.call)
		}
	}
	for _, n := range e.copied {
		w.put(n.function, n.parent, n.call)
	}
	e.writeSource(out)
}

func (e *encoder) writeSource(out *blockWriter) {
	grids := &e.header.grids
	w := rowWriter{out, &grids[gridFunctions]}
	w.put(0, 0, 0, 0, 0)
	for i := range e.parts {
		p := &e.parts[i]
		for _, f := range p.Functions[min(1, len(p.Functions)):] {
			w.put(numberOf(p.names, f.Name), numberOf(p.names, f.Linkage), numberOf(p.files, f.File), f.Line, uint32(f.Language))
		}
	}
	w = rowWriter{out, &grids[gridPlaces]}
	w.put(0, 0, 0, 0)
	for i := range e.parts {
		p := &e.parts[i]
		for _, q := range p.Places[min(1, len(p.Places)):] {
			w.put(numberOf(p.files, q.File), q.Line, q.Discriminator, uint32(q.Column))
		}
	}
	for i, texts := range [][]string{e.files.texts, e.names.texts} {
		w = rowWriter{out, &grids[gridFiles+i]}
		offset := uint32(0)
		w.put(offset)
		for _, text := range texts {
			offset += uint32(len(text))
			w.put(offset)
		}
	}
	for _, texts := range [][]string{e.files.texts, e.names.texts} {
		for _, text := range texts {
			out.writeString(text)
		}
	}
}

func numberOf(numbers []uint32, index uint32) uint32 {
	if index == 0 {
		return 0
	}
	return numbers[index]
}

// rowWriter writes the rows of one table.
type rowWriter struct {
	out *blockWriter
	g   *grid
}

func (w rowWriter) put(values ...uint32) {
	var row [4*maxFields + slackBytes]byte
	w.g.put(row[:], values...)
	w.out.write(row[:w.g.stride])
}
