package dwarf

import (
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// unit is one unit of an image's .debug_info: off, entries and end are offsets
// there, of the header, the root entry, and behind the last one.
type unit struct {
	image             *image
	off, entries, end int
	abbrevOff         int
	number            int32 // in the order of the file; of split units that of their skeleton
	version           uint8
	addrSize          uint8
	offsetSize        uint8
	kind              uint8
	dwoID             uint64

	table *abbrevTable
	// root is what the root entry says, once it was read; rootErr is what went wrong
	// with that.
	root    *root
	rootErr error
	// skeleton is the unit of the program that a split unit belongs to: it has
	// the addresses and the line table. strOffsets and rnglists are where in a
	// package the split unit's parts of those sections start.
	skeleton             *unit
	strOffsets, rnglists uint64
	// whole is the unit that has the entries: u itself, or its split unit, once it
	// was sought.
	whole *unit
	lines *lineTable
	// walked means that a deep walk was made, nested that it found functions which
	// another does not come to.
	walked, nested bool
	// paths are the numbers of the line table's files, plus one; 0 is not known yet.
	paths []uint32
	// linesSought means that lines is all there is.
	linesSought bool
}

// root is what a unit's root entry says. Texts are places, see form.go.
type root struct {
	name, compDir  uint64
	language       uint64
	producer       uint64
	stmtList       uint64
	hasStmtList    bool
	partial        bool
	low            uint64
	dwoName        uint64
	strOffsetsBase uint64
	addrBase       uint64
	rnglistsBase   uint64
	rangesBase     uint64
	// stated are those of the attributes below that state the unit's own ranges.
	stated                         uint32
	rangeList, highAddr, highBytes uint64
}

// readUnit reads the header at off (DWARF 5, 7.5.1). next is the offset behind
// the unit, not above off where the rest cannot be read. u is nil for a unit that
// holds no code.
func (im *image) readUnit(off int) (u *unit, next int, err error) {
	return im.readUnitOf(off, 0)
}

// readUnitOf reads the header of a unit whose abbreviations count from abbrevs.
func (im *image) readUnitOf(off, abbrevs int) (u *unit, next int, err error) {
	const maxHeader = 48
	d, size := im.need(secInfo, off, off+maxHeader)
	if off < 0 || off >= size {
		return nil, off, im.errorAt(secInfo, off, object.ErrFormat, "no unit here")
	}
	length, offsetSize, p, ok := initialLength(d, off, im.big)
	if !ok || p > size || length > uint64(size-p) {
		return nil, off, im.errorAt(secInfo, off, object.ErrFormat, "a unit of %d bytes reaches past the end", length)
	}
	next = p + int(length)
	u = &unit{image: im, off: off, end: next, offsetSize: uint8(offsetSize), kind: unitCompile}
	version := fixed16(d, p, im.big)
	if version < 2 || version > 5 {
		return nil, next, im.errorAt(secInfo, off, object.ErrFormat, "DWARF version %d", version)
	}
	u.version = uint8(version)
	p += 2
	var abbrevOff uint64
	if version >= 5 {
		u.kind, u.addrSize = d[p], d[p+1]
		abbrevOff, p = fixed(d, p+2, offsetSize, im.big)
	} else {
		abbrevOff, p = fixed(d, p, offsetSize, im.big)
		u.addrSize = d[p]
		p++
	}
	switch u.kind {
	case unitCompile, unitPartial:
	case unitSkeleton, unitSplitCompile:
		u.dwoID = fixed64(d, p, im.big)
		p += 8
	case unitType, unitSplitType:
		return nil, next, nil
	default:
		return nil, next, im.errorAt(secInfo, off, object.ErrFormat, "unit type %d", u.kind)
	}
	u.entries = p
	if p > next || u.addrSize != 4 && u.addrSize != 8 {
		return nil, next, im.errorAt(secInfo, off, object.ErrFormat, "unit header")
	}
	if abbrevOff += uint64(abbrevs); abbrevOff >= uint64(im.size(secAbbrev)) {
		return nil, next, im.errorAt(secInfo, off, object.ErrFormat, "abbreviations at 0x%x, past their end", abbrevOff)
	}
	u.abbrevOff = int(abbrevOff)
	return u, next, nil
}

// list reads the headers of all units, once. What can be read is listed, also
// where there is an error.
func (im *image) list() error {
	if im.listed {
		return im.listing
	}
	im.listed = true
	keep := func(err error) {
		if im.listing == nil {
			im.listing = err
		}
	}
	damaged, most := 0, im.mostUnits()
	for off, size := 0, im.size(secInfo); off < size; {
		u, next, err := im.readUnit(off)
		if err != nil {
			keep(err)
			damaged++
		}
		if next <= off || damaged > maxDamagedUnits {
			break
		}
		if u != nil {
			if known := im.byOffset[off]; known != nil {
				u = known
			}
			if len(im.units) >= most {
				keep(im.errorAt(secInfo, off, object.ErrLimit, "units"))
				break
			}
			u.number = int32(len(im.units))
			im.units = append(im.units, u)
		}
		off = next
	}
	return im.listing
}

// mostUnits is how many units are read: each takes some bytes, and some of the file
// where the section is compressed.
func (im *image) mostUnits() int {
	most := im.size(secInfo) / leastUnitBytes
	if section, ok := im.file.SectionNamed(im.sectionName(secInfo)); ok {
		most = min(most, int(min(section.SizeBytes, 1<<30))/leastPackedUnitBytes)
	}
	return freeUnits + most
}

// unitStarting returns the unit whose header is at off; nil where none can be
// read there.
func (im *image) unitStarting(off int) *unit {
	if im.listed {
		i := sort.Search(len(im.units), func(i int) bool { return im.units[i].off >= off })
		if i < len(im.units) && im.units[i].off == off {
			return im.units[i]
		}
		return nil
	}
	if u, ok := im.byOffset[off]; ok {
		return u
	}
	u, _, err := im.readUnit(off)
	if err != nil {
		im.fail(err)
	}
	im.byOffset[off] = u
	return u
}

// unitAt returns the unit that holds offset off of .debug_info.
func (im *image) unitAt(off uint64) *unit {
	if !im.listed {
		if err := im.list(); err != nil {
			im.fail(err)
		}
	}
	i := sort.Search(len(im.units), func(i int) bool { return uint64(im.units[i].end) > off })
	if i == len(im.units) || off < uint64(im.units[i].entries) {
		return nil
	}
	return im.units[i]
}

// rootRanges are the ranges that the unit itself states.
func (r *reader) rootRanges(u *unit, t *root) []addrRange {
	var v values
	v.has = t.stated
	v.at[slotRanges], v.at[slotLowPC], v.at[slotHighAddr], v.at[slotHighBytes] = t.rangeList, t.low, t.highAddr, t.highBytes
	return r.rangesOf(u, &v)
}

// rootOf returns what the root entry of u says, read once. Beside an error it is
// of no use.
func (r *reader) rootOf(u *unit) (*root, error) {
	if u.root == nil {
		u.rootErr = r.readRoot(u)
	}
	return u.root, u.rootErr
}

func (r *reader) readRoot(u *unit) error {
	const look = 512
	im := u.image
	if !r.spend(stepsPerRoot) {
		return im.errorAt(secInfo, u.off, object.ErrLimit, "units") // another call may do
	}
	u.root = &root{}
	d, _ := im.need(secInfo, u.entries, min(u.entries+look, u.end))
	code, p := uleb(d, u.entries)
	if code == 0 {
		return nil // an empty unit
	}
	table := u.table
	if table == nil {
		table = im.tables[tableKey{u.abbrevOff, u.version, u.addrSize, u.offsetSize}]
	}
	if table == nil {
		var err error
		if table, err = r.rootTable(u, code); err != nil && table.get(code) == nil {
			return err
		}
	}
	a := table.get(code)
	if a == nil || a.class != classRoot && a.class != classPartial || p > u.end {
		return im.errorAt(secInfo, u.entries, object.ErrFormat, "the unit's first entry")
	}
	// The bases point behind the sections' headers (DWARF 5, 7.26 to 7.28). They
	// may stand behind what needs them, so the entry is read twice.
	wide := uint64(u.offsetSize / 8)
	if u.version >= 5 {
		u.root.strOffsetsBase, u.root.addrBase, u.root.rnglistsBase = 8+8*wide, 8+8*wide, 12+8*wide
	}
	if u.skeleton != nil {
		u.inherit()
	}
	var v values
	if u.read(d, a.keep, p, &v) > p+look-16 {
		im.need(secInfo, u.entries, u.end)
	}
	if u.read(d, a.keep, p, &v) == damaged {
		return im.errorAt(secInfo, u.entries, object.ErrFormat, "the unit's first entry")
	}
	if u.root.takeBases(&v) {
		u.read(d, a.keep, p, &v)
	}
	u.root.take(&v)
	u.root.partial = a.class == classPartial
	if id, ok := v.get(slotDwoID); ok && u.version < 5 {
		u.dwoID = id
	}
	return nil
}

// rootTable reads abbreviations up to code. Small units may share theirs, so the
// last one is kept.
func (r *reader) rootTable(u *unit, code uint64) (*abbrevTable, error) {
	key := tableKey{u.abbrevOff, u.version, u.addrSize, u.offsetSize}
	if r.lastTable != nil && r.lastKey == key && r.lastImage == u.image && r.lastTable.get(code) != nil {
		return r.lastTable, nil
	}
	table, err := r.compile(u, code)
	r.lastTable, r.lastKey, r.lastImage = table, key, u.image
	return table, err
}

func (t *root) takeBases(v *values) bool {
	found := false
	for _, base := range []struct {
		slot slot
		to   *uint64
	}{{slotStrOffsetsBase, &t.strOffsetsBase}, {slotAddrBase, &t.addrBase}, {slotRnglistsBase, &t.rnglistsBase}, {slotRangesBase, &t.rangesBase}} {
		if at, ok := v.get(base.slot); ok {
			*base.to, found = at, true
		}
	}
	return found
}

func (t *root) take(v *values) {
	t.name, t.compDir = v.number(slotName), v.number(slotCompDir)
	t.language, t.producer = v.number(slotLanguage), v.number(slotProducer)
	t.stmtList, t.hasStmtList = v.get(slotStmtList)
	t.low, t.dwoName = v.number(slotLowPC), v.number(slotDwoName)
	t.stated = v.has & (1<<slotRanges | 1<<slotLowPC | 1<<slotHighAddr | 1<<slotHighBytes)
	t.rangeList, t.highAddr, t.highBytes = v.number(slotRanges), v.number(slotHighAddr), v.number(slotHighBytes)
}

// indexedString turns an index into .debug_str_offsets into a place in
// .debug_str; 0 where there is none.
func (u *unit) indexedString(index uint64) uint64 {
	if u.root == nil {
		return 0
	}
	im, width := u.image, int(u.offsetSize)
	size := uint64(im.size(secStrOffsets))
	if index > size || u.root.strOffsetsBase > size || u.root.strOffsetsBase+(index+1)*uint64(width) > size {
		return 0
	}
	at := int(u.root.strOffsetsBase) + int(index)*width
	d, _ := im.need(secStrOffsets, at, at+width)
	x, _ := fixed(d, at, width, im.big)
	return x&placeMask | inStr<<placeShift
}

// indexedAddr turns an index into .debug_addr into an address; 0 where there is
// none, which is no place for code.
func (u *unit) indexedAddr(index uint64) uint64 {
	of := u
	if u.skeleton != nil {
		of = u.skeleton
	}
	if of.root == nil {
		return 0
	}
	im, width := of.image, int(of.addrSize)
	size := uint64(im.size(secAddr))
	if index > size || of.root.addrBase > size || of.root.addrBase+(index+1)*uint64(width) > size {
		return 0
	}
	at := int(of.root.addrBase) + int(index)*width
	d, _ := im.need(secAddr, at, at+width)
	x, _ := fixed(d, at, width, im.big)
	return x
}

// bytesAt returns the bytes that a kept text's place names.
func (u *unit) bytesAt(place uint64) []byte {
	offset := place & placeMask
	switch place >> placeShift {
	case inInfo:
		return u.image.text(secInfo, offset)
	case inStr:
		return u.image.text(secStr, offset)
	case inLineStr:
		return u.image.text(secLineStr, offset)
	case inLine:
		return u.image.text(secLine, offset)
	case inAltStr:
		if alt := u.image.alt(); alt != nil {
			return alt.text(secStr, offset)
		}
	}
	return nil
}
