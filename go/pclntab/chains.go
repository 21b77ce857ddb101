package pclntab

import (
	"slices"

	"github.com/ffikit/ffikit/go/model"
)

// node is one function, or one call that was inlined: what stands behind an
// address and all that it was called from, innermost first. Many addresses share
// one.
type node struct {
	name textID
	// parent is the node that the call was inlined into, 0 where it was not;
	// callFile and callLine are where it stands there.
	parent    uint32
	callFile  textID
	callLine  int32
	startLine int32
	// home is the file that startLine is in, where anyFile is false.
	home    textID
	anyFile bool
	// bare nodes know of no language: C code that Go's linker took in.
	bare  bool
	depth uint16 // of its chain
}

// place is what is known of an address; all zero is nothing.
type place struct {
	node uint32
	file textID
	line int32
}

// chains are the nodes of the functions that were met, and the tables of the
// current one.
type chains struct {
	nodes []node // 0 is none
	// left is how many more there may be.
	left                int
	lines, files, calls []row
	// Cursors in them, for pcs that rise from at on.
	line, file, call int
	at               uint32

	// root is the node of the current function, damaged the one of its code
	// whose inlined calls are not to be believed; 0 where there is none yet.
	root, damaged uint32
	// inlined are the nodes of its inlined calls by their index, where they are
	// known; used is how far it is filled.
	inlined []uint32
	used    int
	// way is from a call to one whose node is known.
	way [maxInlineDepth]int32
	// fileIDs keeps the last files by their number in the unit.
	fileIDs [16]fileID
}

type fileID struct {
	number uint32 // plus 1
	id     textID
}

// forget drops all that answers are made of.
func (t *Table) forget() {
	t.current.index = -1
	t.texts.reset()
	t.chains.nodes = append(t.chains.nodes[:0], node{})
	t.leave()
}

// forgetMuch does so when it is much.
func (t *Table) forgetMuch() {
	switch {
	case len(t.texts.entries) > maxTexts || t.texts.kept > maxKeptBytes:
		t.forget()
	case len(t.chains.nodes) > maxNodes:
		t.current.index = -1
		t.chains.nodes = t.chains.nodes[:1]
		t.leave()
	}
}

// doubled makes room for one more, twice as much as there was: where memory
// comes fresh from the system, what was there before is lost.
func doubled[T any](list []T) []T {
	if len(list) == cap(list) {
		return slices.Grow(list, max(64, len(list)))
	}
	return list
}

// leave forgets what was decoded of the current function.
func (t *Table) leave() {
	c := &t.chains
	clear(c.inlined[:c.used])
	c.line, c.file, c.call, c.at = 0, 0, 0, 0
	c.root, c.damaged, c.used = 0, 0, 0
	c.fileIDs = [len(c.fileIDs)]fileID{}
}

// enter makes f the current function. In the order of addresses each is entered
// once, unless functions lie within each other: their rows come out of a budget.
func (t *Table) enter(f *function) {
	t.leave()
	t.current = *f
	c, span := &t.chains, f.end-f.entry
	if t.rows < 0 {
		c.lines, c.files, c.calls = c.lines[:0], c.files[:0], c.calls[:0]
		t.overdrawn(t.starts, manyRows)
		return
	}
	c.lines = t.decode(f.pcLine, span, c.lines)
	c.files = t.decode(f.pcFile, span, c.files)
	c.calls = c.calls[:0]
	if f.hasCalls {
		c.calls = t.decode(f.pcCall, span, c.calls)
	}
	t.rows -= int64(len(c.lines) + len(c.files) + len(c.calls))
}

const manyRows = "more rows than a table of its size should have"

// placeOf tells what is at pc, an offset from the entry of the current function.
func (t *Table) placeOf(pc uint32) place {
	f, c := &t.current, &t.chains
	if f.pcLine == 0 {
		// C code in Go's text has a name only.
		if c.root == 0 {
			if name := t.textAt(t.names, f.name); name != 0 {
				c.root = t.addNode(node{name: name, bare: true, depth: 1})
			}
		}
		return place{node: c.root}
	}
	if pc < c.at {
		c.line, c.file, c.call = 0, 0, 0
	}
	c.at = pc
	if c.line = rowAt(c.lines, c.line, pc); c.line == len(c.lines) {
		return place{}
	}
	p := place{}
	if c.file = rowAt(c.files, c.file, pc); c.file < len(c.files) {
		if p.file = t.fileOf(c.files[c.file].value); p.file != 0 {
			p.line = max(0, c.lines[c.line].value)
		}
	}
	index := int32(-1)
	if c.call = rowAt(c.calls, c.call, pc); c.call < len(c.calls) {
		index = c.calls[c.call].value
	}
	if p.node = t.nodeOf(index); p.node == c.damaged && p.node != 0 {
		// What the line belongs to is not known.
		p.file, p.line = 0, 0
	}
	return p
}

// fileOf is the path of a file by its number in the current function's unit, 0
// where there is none.
func (t *Table) fileOf(number int32) textID {
	if number < 0 {
		return 0
	}
	known := &t.chains.fileIDs[uint32(number)%uint32(len(t.chains.fileIDs))]
	if known.number == uint32(number)+1 {
		return known.id
	}
	known.number, known.id = uint32(number)+1, 0
	index := uint64(t.current.unit) + uint64(number)
	if index >= t.units.size/4 {
		t.damaged(t.units, 0, "file %d of unit %d", number, t.current.unit)
		return 0
	}
	const absentFile = ^uint32(0)
	if name, ok := t.units.u32(4 * index); ok && name != absentFile {
		known.id = t.textAt(t.files, name)
	}
	return known.id
}

// lineAt is the source line at any pc of the current function.
func (t *Table) lineAt(pc uint32) (file textID, line int32) {
	number, ok := valueAt(t.chains.files, pc)
	if !ok {
		return 0, 0
	}
	if file = t.fileOf(number); file != 0 {
		line, _ = valueAt(t.chains.lines, pc)
	}
	return file, max(0, line)
}

// addNode returns 0 when there are too many.
func (t *Table) addNode(n node) uint32 {
	if t.chains.left--; t.chains.left < 0 {
		t.overdrawn(t.starts, "frames of inlined calls")
		return 0
	}
	t.chains.nodes = append(doubled(t.chains.nodes), n)
	return uint32(len(t.chains.nodes) - 1)
}

// rootNode is the current function's own node.
func (t *Table) rootNode() uint32 {
	f, c := &t.current, &t.chains
	if c.root == 0 {
		n := node{name: t.textAt(t.names, f.name), startLine: f.startLine, depth: 1}
		// A line directive may lead into another file than the function is
		// declared in, where its first line means nothing.
		if index, ok := valueAt(c.calls, 0); ok && index >= 0 {
			n.anyFile = true
		} else {
			n.home, _ = t.lineAt(0)
		}
		c.root = t.addNode(n)
	}
	return c.root
}

// nodeOf is the node of an inlined call, by its index in the tree of the current
// function; below 0 it is that of the function.
func (t *Table) nodeOf(index int32) uint32 {
	c := &t.chains
	if index < 0 {
		return t.rootNode()
	}
	if int(index) < c.used && c.inlined[index] != 0 {
		return c.inlined[index]
	}
	// Up to what is known; a call stands behind the one it was inlined into.
	depth, above := 0, uint32(0)
	for at, known := index, false; !known; {
		c.way[depth] = at
		depth++
		call, ok := t.callAt(at)
		if !ok {
			return t.damagedNode(at)
		}
		next, ok := valueAt(c.calls, call.parent)
		switch {
		case !ok || next < 0:
			above, known = t.rootNode(), true
		case next >= at || depth == maxInlineDepth:
			return t.damagedNode(next)
		case int(next) < c.used && c.inlined[next] != 0:
			above, known = c.inlined[next], true
		}
		at = next
	}
	for depth--; depth >= 0 && above != 0 && above != c.damaged; depth-- {
		above = t.nodeInto(above, c.way[depth])
	}
	return above
}

// nodeInto makes the node of a call that was inlined into above.
func (t *Table) nodeInto(above uint32, index int32) uint32 {
	c := &t.chains
	call, ok := t.callAt(index)
	if !ok || c.nodes[above].depth > maxInlineDepth {
		return t.damagedNode(index)
	}
	n := node{
		name: t.textAt(t.names, call.name), parent: above, startLine: call.startLine,
		anyFile: true, depth: c.nodes[above].depth + 1,
	}
	n.callFile, n.callLine = t.lineAt(call.parent)
	if int(index) >= len(c.inlined) {
		c.inlined = append(c.inlined, make([]uint32, int(index)+1-len(c.inlined)+len(c.inlined)/2)...)
	}
	c.inlined[index], c.used = t.addNode(n), max(c.used, int(index)+1)
	return c.inlined[index]
}

// damagedNode says that an inlined call is damaged. Only the function is known
// then.
func (t *Table) damagedNode(index int32) uint32 {
	f, c := &t.current, &t.chains
	t.damaged(t.starts, 8*uint64(f.index), "inlined call %d of function %d", index, f.index)
	if c.damaged == 0 {
		c.damaged = t.addNode(node{name: t.textAt(t.names, f.name), depth: 1})
	}
	return c.damaged
}

// call is one runtime.inlinedCall.
type call struct {
	name      uint32
	parent    uint32 // where in the function it was inlined
	startLine int32
}

func (t *Table) callAt(index int32) (call, bool) {
	const size = 16
	if t.trees == nil || index < 0 || index >= maxCalls {
		return call{}, false
	}
	data := t.trees.bytes(uint64(t.current.callTree)+size*uint64(index), size)
	if data == nil {
		return call{}, false
	}
	order := t.image.Order
	c := call{name: order.Uint32(data[4:]), parent: order.Uint32(data[8:]), startLine: int32(order.Uint32(data[12:]))}
	return c, c.parent < t.current.end-t.current.entry
}

// generatedFile is where the compiler says that its own functions are.
const generatedFile = "<autogenerated>"

// declared tells how far from its declaration a frame of n stands, as the line
// of that; 0 where it means nothing. Line 1 of a source file holds no function:
// the compiler's own (a package's init, wrappers) claim it, whose lines are
// those of what they call.
func (t *Table) declared(n *node, file textID, line int32) int32 {
	if !n.anyFile && n.home != file {
		return 0
	}
	if n.startLine > 1 && n.startLine <= line || n.startLine == 1 && t.text(file) == generatedFile {
		return n.startLine
	}
	return 0
}

// frame fills f with node n as it stands at a line.
func (t *Table) frame(f *model.Frame, n *node, file textID, line int32) {
	*f = model.Frame{Function: t.text(n.name), Inlined: n.parent != 0}
	if n.bare {
		return
	}
	f.Language = model.LanguageGo
	if f.File = t.text(file); f.File != "" {
		f.Line, f.FunctionLine = int(line), int(t.declared(n, file, line))
	}
}
