package dwarf

import (
	"slices"

	"github.com/ffikit/ffikit/go/object"
)

// slot numbers the attributes that are kept when an entry is read.
type slot uint8

const (
	slotName slot = iota
	slotLinkageName
	slotLowPC
	slotHighAddr  // DW_AT_high_pc as an address
	slotHighBytes // DW_AT_high_pc as a number of bytes from low_pc on
	slotRanges
	slotOrigin
	slotSpecification
	slotCallFile
	slotCallLine
	slotCallColumn
	slotDeclFile
	slotDeclLine
	slotSibling
	// Of the unit's root entry.
	slotStmtList
	slotCompDir
	slotLanguage
	slotProducer
	slotStrOffsetsBase
	slotAddrBase
	slotRnglistsBase
	slotRangesBase
	slotDwoName
	slotDwoID
	slotCount
	slotNone = slotCount
)

// class is what the walk over a unit's entries does at an entry.
type class uint8

const (
	classOther    class = iota
	classFunction       // a subprogram
	classInlined        // an inlined call
	classRoot           // a unit
	classPartial        // a unit that others import
	classType           // a type that functions may be declared in
	classOpaque         // nothing below it holds code
)

// abbrev describes the shape of entries (DWARF 5, 7.5.3), compiled into two
// programs: keep reads the attributes that are of use to the entry's class, skip
// passes over all. What has a fixed size and is of no use costs nothing in
// either: it is added to the distance before the next step.
type abbrev struct {
	keep, skip []step
	// fixed is the size of all attributes where every form fixes its size, and
	// no sibling is stated; else -1.
	fixed    int32
	class    class
	children bool
	hasPC    bool
	sibling  bool
	known    bool
}

// abbrevTable finds abbreviations by code. Codes mostly count from 1.
type abbrevTable struct {
	dense  []abbrev
	sparse map[uint64]*abbrev
}

func (t *abbrevTable) get(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	return t.sparse[code]
}

func (t *abbrevTable) put(code uint64, a abbrev) {
	if code == uint64(len(t.dense))+1 {
		t.dense = append(t.dense, a)
		return
	}
	if t.get(code) != nil {
		return // the first one counts
	}
	if t.sparse == nil {
		t.sparse = map[uint64]*abbrev{}
	}
	t.sparse[code] = &a
}

// tableKey is what an abbreviation table depends on: sizes of forms differ by
// the unit's shape.
type tableKey struct {
	off                           int
	version, addrSize, offsetSize uint8
}

// compiler compiles abbreviation tables of one image; steps are allocated
// together.
type compiler struct {
	arena      []step
	keep, skip program
	// dense is where a table is made before its size is known.
	dense []abbrev
}

// program is one list of steps in the making; distance is what was added up
// since its last step.
type program struct {
	steps    []step
	distance int
}

func (p *program) advance(size int) {
	const most = 1<<16 - 1
	for p.distance += size; p.distance > most; p.distance -= most {
		p.steps = append(p.steps, step{distance: most, kind: kindNone})
	}
}

func (p *program) add(s step) {
	s.distance = uint16(p.distance)
	p.steps, p.distance = append(p.steps, s), 0
}

// table returns the abbreviations of u, read on first use: as many as can be.
func (r *reader) table(u *unit) *abbrevTable {
	if u.table != nil {
		return u.table
	}
	key := tableKey{u.abbrevOff, u.version, u.addrSize, u.offsetSize}
	if table, ok := u.image.tables[key]; ok {
		u.table = table
		return table
	}
	table, err := r.compile(u, 0)
	if err != nil {
		// What was read before the damage may do.
		r.note(err)
	}
	u.image.tables[key], u.table = table, table
	return table
}

// compile reads the table of u; with only > 0 it ends at that code. A table takes
// as much memory as it has abbreviations: each unit may have one of its own.
func (r *reader) compile(u *unit, only uint64) (*abbrevTable, error) {
	if r.compiler.dense == nil {
		r.compiler.dense = make([]abbrev, 0, 128)
	}
	table := &abbrevTable{dense: r.compiler.dense[:0]}
	err := r.compileInto(table, u, only)
	r.compiler.dense = table.dense
	table.dense = slices.Clone(table.dense)
	return table, err
}

func (r *reader) compileInto(table *abbrevTable, u *unit, only uint64) error {
	const stride = 4 << 10
	im := u.image
	if !r.spend(stepsPerTable) {
		return im.errorAt(secAbbrev, u.abbrevOff, object.ErrLimit, "abbreviations")
	}
	attrs, loaded := 0, 0
	for p := u.abbrevOff; ; {
		if p+stride/2 > loaded {
			loaded = p + stride
			im.need(secAbbrev, p, loaded)
		}
		d, size := im.bytes[secAbbrev], im.sizes[secAbbrev]
		if p >= size {
			return im.errorAt(secAbbrev, u.abbrevOff, object.ErrFormat, "abbreviations are cut off")
		}
		code, next := uleb(d, p)
		if code == 0 && next <= size {
			return nil
		}
		tag, next := uleb(d, min(next, size))
		if next >= size {
			return im.errorAt(secAbbrev, u.abbrevOff, object.ErrFormat, "abbreviations are cut off")
		}
		a := abbrev{class: classOf(tag), children: d[next] != 0, known: true}
		var count int
		p, count = r.compileAttrs(u, next+1, &a)
		attrs += count
		if attrs > maxAbbrevAttrs || !r.spend(stepsPerAbbrev+stepsPerAttr*count) {
			return im.errorAt(secAbbrev, u.abbrevOff, object.ErrLimit, "abbreviations")
		}
		table.put(code, a)
		if code == only {
			return nil
		}
	}
}

func classOf(tag uint64) class {
	switch tag {
	case tagSubprogram:
		return classFunction
	case tagInlinedSubroutine:
		return classInlined
	case tagCompileUnit, tagSkeletonUnit, tagTypeUnit:
		return classRoot
	case tagPartialUnit:
		return classPartial
	case tagClassType, tagStructureType, tagUnionType:
		return classType
	case tagEnumerationType, tagArrayType, tagSubroutineType, tagPointerType, tagCallSite, tagGNUCallSite:
		return classOpaque
	}
	return classOther
}

// compileAttrs compiles the attributes that start at p; it returns the place
// behind them and their number.
func (r *reader) compileAttrs(u *unit, p int, a *abbrev) (next, count int) {
	im, c := u.image, &r.compiler
	loaded := p
	c.keep, c.skip = program{steps: c.keep.steps[:0]}, program{steps: c.skip.steps[:0]}
	var kept uint32
	for fixedSize := 0; ; count++ {
		if p+64 > loaded {
			loaded = p + 4<<10
			im.need(secAbbrev, p, loaded)
		}
		d, size := im.bytes[secAbbrev], im.sizes[secAbbrev]
		if p >= size || count > maxAbbrevAttrs {
			a.fixed = -1
			break
		}
		var attr, form uint64
		attr, p = uleb(d, p)
		form, p = uleb(d, min(p, size))
		var implicit int64
		if form == formImplicitConst {
			implicit, p = sleb(d, min(p, size))
		}
		if attr == 0 && form == 0 {
			a.fixed = int32(fixedSize)
			break
		}
		s := formStep(form, u, implicit)
		wanted := slotOf(a, attr, s.kind)
		if wanted != slotNone && kept&(1<<wanted) != 0 {
			wanted = slotNone // of two the first one counts
		}
		if fixedSize >= 0 && s.size >= 0 && wanted != slotSibling {
			fixedSize += int(s.size)
		} else {
			fixedSize = -1
		}
		s.slot = wanted
		switch {
		case wanted != slotNone:
			kept |= 1 << wanted
			a.note(wanted)
			c.keep.add(s)
		case s.size >= 0:
			c.keep.advance(int(s.size))
		default:
			c.keep.add(s)
		}
		switch {
		case wanted == slotSibling:
			c.skip.add(s)
		case s.size >= 0:
			c.skip.advance(int(s.size))
		default:
			s.slot = slotNone
			c.skip.add(s)
		}
	}
	// The end is a step too, so that what has a fixed size at the end is checked.
	c.keep.add(step{kind: kindEnd})
	c.skip.add(step{kind: kindEnd})
	a.keep, a.skip = c.store(c.keep.steps), c.store(c.skip.steps)
	return p, count
}

func (a *abbrev) note(s slot) {
	switch s {
	case slotLowPC, slotRanges:
		a.hasPC = true
	case slotSibling:
		a.sibling = true
	}
}

// store copies steps into memory shared by many abbreviations.
func (c *compiler) store(steps []step) []step {
	const chunk = 1 << 12
	if cap(c.arena)-len(c.arena) < len(steps) {
		c.arena = make([]step, 0, max(chunk, len(steps)))
	}
	start := len(c.arena)
	c.arena = append(c.arena, steps...)
	return slices.Clip(c.arena[start:])
}

// slotOf says where an attribute is kept when an entry of a's class is read.
func slotOf(a *abbrev, attr uint64, kind stepKind) slot {
	switch attr {
	case attrSibling:
		if a.children {
			return slotSibling
		}
		return slotNone
	}
	if a.class == classOther || a.class == classOpaque || a.class == classType {
		return slotNone
	}
	switch attr {
	case attrLowPC:
		return slotLowPC
	case attrRanges:
		return slotRanges
	case attrHighPC:
		if kind == kindAddr || kind == kindAddrIndex {
			return slotHighAddr
		}
		return slotHighBytes
	case attrName:
		return slotName
	case attrLinkageName, attrMIPSLinkage:
		return slotLinkageName
	}
	if a.class == classRoot || a.class == classPartial {
		return rootSlot(attr)
	}
	switch attr {
	case attrAbstractOrigin:
		return slotOrigin
	case attrSpecification:
		return slotSpecification
	case attrCallFile:
		return slotCallFile
	case attrCallLine:
		return slotCallLine
	case attrCallColumn:
		return slotCallColumn
	case attrDeclFile:
		return slotDeclFile
	case attrDeclLine:
		return slotDeclLine
	}
	return slotNone
}

func rootSlot(attr uint64) slot {
	switch attr {
	case attrStmtList:
		return slotStmtList
	case attrCompDir:
		return slotCompDir
	case attrLanguage:
		return slotLanguage
	case attrProducer:
		return slotProducer
	case attrStrOffsetsBase:
		return slotStrOffsetsBase
	case attrAddrBase, attrGNUAddrBase:
		return slotAddrBase
	case attrRnglistsBase:
		return slotRnglistsBase
	case attrGNURangesBase:
		return slotRangesBase
	case attrDwoName, attrGNUDwoName:
		return slotDwoName
	case attrGNUDwoID:
		return slotDwoID
	}
	return slotNone
}
