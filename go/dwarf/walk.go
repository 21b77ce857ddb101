package dwarf

import (
	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/object"
)

// hit is what was found for one address: node counts from 1, 0 is none; so does
// unit, the one whose line table has place.
type hit struct {
	node int32
	unit int32
	place
}

// node is a subprogram, or a call inlined into the node parent.
type node struct {
	decl   int32
	parent int32 // counts from 1; 0 where nothing was inlined
	unit   int32
	// Where in its parent an inlined call is. The file is a number of paths.go; in
	// an extraction one of the unit's line table.
	callFile, callLine, callColumn uint32
}

// scope is what holds for the children of an entry: the innermost node that they
// belong to, and which addresses it may hold.
type scope struct {
	node   int32
	lo, hi int32
	// hidden is what only a deep walk comes to.
	hidden bool
}

// walk visits the entries of unit number, in their order, and makes nodes of the
// functions and inlined calls that hold one of the addresses (or of all, for an
// extraction). Within a unit a later node takes addresses from an earlier one:
// children come after their parents. Functions in functions that hold none of the
// addresses (closures, OpenMP's), and in types, are found by a deep walk only.
func (r *reader) walk(number int32, deep bool) error {
	skeleton := r.data.active[number]
	u, err := r.entriesOf(skeleton)
	if err != nil {
		return err
	}
	table := u.table
	d, _ := u.image.need(secInfo, u.off, u.end)
	scopes := append(r.scopes[:0], scope{})
	defer func() { r.scopes = scopes[:0] }()
	var v values
	for p, first := u.entries, true; p < u.end; first = false {
		off := p
		code := uint64(d[p])
		if p++; code >= 0x80 {
			code, p = uleb(d, p-1)
		}
		if code == 0 {
			if scopes = scopes[:len(scopes)-1]; len(scopes) <= 1 {
				return nil
			}
			continue
		}
		a := table.get(code)
		if a == nil || !a.known {
			return u.image.errorAt(secInfo, off, object.ErrFormat, "abbreviation %d is not defined", code)
		}
		inner, jump := scopes[len(scopes)-1], false
		switch {
		case a.class == classFunction && a.hasPC:
			p = u.read(d, a.keep, p, &v)
			skeleton.nested = skeleton.nested || inner.hidden
			inner = r.enterFunction(u, number, &v)
			jump, inner.hidden = inner.node == 0 && !deep, inner.node == 0
		case a.class == classInlined && a.hasPC && inner.node != 0:
			p = u.read(d, a.keep, p, &v)
			inner = r.enterInlined(u, number, &v, inner)
			jump = inner.node == 0
		case a.fixed >= 0:
			p += int(a.fixed)
		case a.sibling && (a.class == classOpaque || a.class == classType):
			p = u.read(d, a.skip, p, &v)
			jump = a.class == classOpaque || !deep
			inner.hidden = true
		default:
			p = u.pass(d, a.skip, p)
		}
		if jump && a.children {
			if next := forward(&v, p, u.end); next != 0 {
				p = next
				continue
			}
		}
		if p > u.end {
			return u.image.errorAt(secInfo, off, object.ErrFormat, "an entry cannot be read")
		}
		if a.children {
			if len(scopes) > maxDepth {
				return u.image.errorAt(secInfo, off, object.ErrLimit, "entries nested too deep")
			}
			scopes = append(scopes, inner)
		} else if first {
			return nil
		}
		if r.steps < 0 {
			return u.image.errorAt(secInfo, off, object.ErrLimit, "the unit asks for too much work")
		}
	}
	return nil
}

// forward is the sibling's place, where it can be jumped to; else 0.
func forward(v *values, p, end int) int {
	next, ok := v.get(slotSibling)
	if ok && next > uint64(p) && next <= uint64(end) {
		return int(next)
	}
	return 0
}

// enterFunction makes a node of a subprogram that holds addresses.
func (r *reader) enterFunction(u *unit, number int32, v *values) scope {
	ranges := r.rangesOf(u, v)
	if len(ranges) == 0 {
		return scope{}
	}
	if r.extraction != nil {
		r.extraction.function()
		id := r.addNode(u, number, v, 0)
		r.extraction.add(ranges, id)
		return scope{node: id}
	}
	start, end := ranges[0].start, ranges[0].end
	for _, each := range ranges[1:] {
		start, end = min(start, each.start), max(end, each.end)
	}
	lo := lower(r.addrs, start)
	if lo == len(r.addrs) || r.addrs[lo] >= end {
		return scope{}
	}
	within := scope{lo: int32(lo), hi: int32(lo + lower(r.addrs[lo:], end))}
	if !r.holds(ranges, within) {
		return scope{}
	}
	within.node = r.addNode(u, number, v, 0)
	r.paint(ranges, within, number)
	return within
}

// enterInlined makes a node of an inlined call that holds addresses.
func (r *reader) enterInlined(u *unit, number int32, v *values, outer scope) scope {
	ranges := r.rangesOf(u, v)
	if r.extraction != nil {
		if len(ranges) == 0 {
			return scope{}
		}
		id := r.addNode(u, number, v, outer.node)
		r.extraction.add(ranges, id)
		return scope{node: id}
	}
	if !r.holds(ranges, outer) {
		return scope{}
	}
	outer.node = r.addNode(u, number, v, outer.node)
	r.paint(ranges, outer, number)
	return outer
}

// holds tells whether one of the addresses in within lies in ranges.
func (r *reader) holds(ranges []addrRange, within scope) bool {
	addrs := r.addrs[within.lo:within.hi]
	for _, each := range ranges {
		if each.start > addrs[len(addrs)-1] || each.end <= addrs[0] {
			continue
		}
		if at := lower(addrs, each.start); at < len(addrs) && addrs[at] < each.end {
			return true
		}
	}
	return false
}

// paint gives the node to the addresses of within that lie in ranges, unless
// another unit has them already.
func (r *reader) paint(ranges []addrRange, within scope, number int32) {
	addrs, hits := r.addrs[within.lo:within.hi], r.hits[within.lo:within.hi]
	for _, each := range ranges {
		at := 0
		if addrs[0] < each.start {
			at = lower(addrs, each.start)
		}
		for ; at < len(addrs) && addrs[at] < each.end; at++ {
			if h := &hits[at]; h.node == 0 || r.nodes[h.node-1].unit == number {
				h.node = within.node
			}
		}
	}
}

// addNode makes a node of the entry that v was read from.
func (r *reader) addNode(u *unit, number int32, v *values, parent int32) int32 {
	n := node{decl: r.declare(u, v), parent: parent, unit: number}
	if parent != 0 {
		if n.callFile = uint32(v.number(slotCallFile)); r.extraction == nil {
			n.callFile = r.path(u, n.callFile)
		}
		n.callLine = uint32(v.number(slotCallLine))
		n.callColumn = uint32(v.number(slotCallColumn))
	}
	r.nodes = append(r.nodes, n)
	return int32(len(r.nodes))
}

// entriesOf makes all that a walk over u needs: the entries are those of its
// split unit where it is a skeleton.
func (r *reader) entriesOf(u *unit) (*unit, error) {
	if u.whole != nil {
		return u.whole, nil
	}
	if _, err := r.rootOf(u); err != nil {
		return nil, err
	}
	whole := u
	if u.kind == unitSkeleton || u.root.dwoName != 0 {
		split, err := r.data.splitUnit(r, u)
		if err != nil {
			r.note(err)
		}
		if split != nil {
			if _, err := r.rootOf(split); err != nil {
				return nil, err
			}
			whole = split
		}
	}
	whole.image.need(secInfo, whole.off, whole.end)
	r.table(whole)
	u.whole = whole
	return whole, nil
}

// declared resolves references to declarations once: an inlined function is
// referred to by each of its calls. Each reference has one place that it can be
// kept in. Nothing is cleared between calls of Each, or between the units of an
// extraction: their declarations are told apart by numbers.
type declared struct {
	target uint64
	image  *image
	decl   int32
	call   uint32 // what it is of: others do not count
}

const declaredPlaces = 1 << 13

// decl is what a subprogram or inlined call says of its function, itself or by
// the entries that it refers to. Its texts are the sections' bytes.
type decl struct {
	// linkage is empty where it is the name.
	name, linkage string
	// file is a number of paths.go; in an extraction one of fileUnit's line table.
	file, line uint32
	fileUnit   *unit
	language   uint8
}

// declare returns the number of the declaration that the entry leads to, by
// DW_AT_abstract_origin and DW_AT_specification.
func (r *reader) declare(u *unit, v *values) int32 {
	const own = 1<<slotName | 1<<slotLinkageName | 1<<slotDeclLine
	next, ok := v.get(slotOrigin)
	if !ok {
		next, ok = v.get(slotSpecification)
	}
	if !ok || v.has&own != 0 {
		return r.follow(u, v)
	}
	if r.declared == nil {
		r.declared = make([]declared, declaredPlaces)
	}
	kept := &r.declared[(next*0x9e3779b97f4a7c15)>>(64-13)]
	if kept.target == next && kept.call == r.call && kept.image == u.image {
		return kept.decl
	}
	number := r.follow(u, v)
	*kept = declared{next, u.image, number, r.call}
	return number
}

// follow reads entries from v on until name, linkage name, file and line are
// known.
func (r *reader) follow(u *unit, v *values) int32 {
	var d decl
	current := *v
	for range maxReferences {
		if x, ok := current.get(slotLinkageName); ok && d.linkage == "" {
			d.linkage = r.borrow(u.bytesAt(x))
		}
		if x, ok := current.get(slotName); ok && d.name == "" {
			d.name = r.borrow(u.bytesAt(x))
		}
		// The language is that of the code, not of where it was inlined.
		if language := r.languageOf(u); language != 0 {
			d.language = language
		}
		if x, ok := current.get(slotDeclFile); ok && d.fileUnit == nil {
			d.file, d.fileUnit = uint32(min(x, 1<<32-1)), u
		}
		if x := current.number(slotDeclLine); d.line == 0 && x < 1<<31 {
			d.line = uint32(x)
		}
		next, ok := current.get(slotOrigin)
		if !ok {
			next, ok = current.get(slotSpecification)
		}
		if !ok {
			break
		}
		if u = r.entry(u, next, &current); u == nil {
			break
		}
	}
	if d.name == "" {
		d.name = d.linkage
	}
	if d.linkage == d.name {
		d.linkage = ""
	}
	if r.extraction == nil && d.fileUnit != nil {
		d.file = r.path(d.fileUnit, d.file)
	}
	r.decls = append(r.decls, d)
	return int32(len(r.decls) - 1)
}

// entry reads the entry that a reference of u leads to, which may lie in any
// unit; nil where there is none.
func (r *reader) entry(u *unit, target uint64, v *values) *unit {
	im := u.image
	if target>>placeShift == inAltInfo {
		target &= placeMask
		if im = im.alt(); im == nil {
			return nil
		}
	}
	if im != u.image || target < uint64(u.entries) || target >= uint64(u.end) {
		if u = im.unitAt(target); u == nil {
			r.note(im.errorAt(secInfo, int(min(target, 1<<62)), object.ErrFormat, "a reference to no unit"))
			return nil
		}
		if r.extraction != nil && (u.root == nil || u.table == nil) {
			return nil // it would be read here, while others do the same
		}
		if _, err := r.rootOf(u); err != nil {
			r.note(err)
			return nil
		}
	}
	table := r.table(u)
	d, _ := im.need(secInfo, u.off, u.end)
	code, p := uleb(d, int(target))
	a := table.get(code)
	if a == nil || !a.known || p > u.end || !r.spend(1+len(a.keep)) || u.read(d, a.keep, p, v) == damaged {
		r.note(im.errorAt(secInfo, int(target), object.ErrFormat, "a reference to no entry"))
		return nil
	}
	return u
}

func (r *reader) languageOf(u *unit) uint8 {
	for _, of := range [...]*unit{u, u.whole, u.skeleton} {
		if of != nil && of.root != nil && of.root.language != 0 {
			return languageOf(of.root.language)
		}
	}
	return codemap.LanguageUnknown
}
