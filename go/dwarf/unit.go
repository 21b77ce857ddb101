package dwarf

import (
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// unit is one unit of .debug_info; off, entries and end are offsets there: of
// the header, the root entry, and behind the last one.
type unit struct {
	off, entries, end int
	abbrevOff         uint64
	version           uint16
	addrSize          uint8
	dwarf64           bool
	// info is what was read of a unit that was hit; nil before, and after the
	// cache was cleared.
	info *unitInfo
}

// root is what the unit's root entry says.
type root struct {
	entry          entry
	low            uint64
	strOffsetsBase uint64
	addrBase       uint64
	rnglistsBase   uint64
}

// unitInfo is the part of a unit that is read on the first hit.
type unitInfo struct {
	abbrevs *abbrevTable
	root    root

	functions     []functionRange
	functionsRead bool
	lines         *lineTable
	linesRead     bool
	paths         map[uint64]string
}

// span is a range of addresses that belongs to a unit. upTo is the greatest
// end of this span and all before it, in the order of starts.
type span struct {
	start, end, upTo uint64
	unit             uint32
}

// readUnits reads all unit headers and the address ranges of each unit.
func (d *Data) readUnits() error {
	info := d.section(secInfo)
	d.grant(len(info) + len(d.section(secAbbrev)))
	c := d.cursor(secInfo)
	var firstErr error
	keep := func(err error) {
		if firstErr == nil {
			firstErr = err
		}
	}
	for c.more() {
		start := c.off
		u, next, err := d.readUnitHeader(c)
		if err != nil {
			keep(err)
		}
		if next <= start {
			break
		}
		c.seek(uint64(next))
		if u == nil {
			continue
		}
		if len(d.units) >= maxUnits || len(d.spans) >= maxSpans {
			keep(d.errorAt(secInfo, uint64(start), object.ErrLimit, "units"))
			break
		}
		d.units = append(d.units, *u)
		if err := d.readSpans(len(d.units) - 1); err != nil {
			keep(err)
			if d.steps < 0 {
				break
			}
		}
	}
	slices.SortFunc(d.spans, func(a, b span) int {
		if a.start != b.start {
			if a.start < b.start {
				return -1
			}
			return 1
		}
		return int(a.unit) - int(b.unit)
	})
	upTo := uint64(0)
	for i := range d.spans {
		upTo = max(upTo, d.spans[i].end)
		d.spans[i].upTo = upTo
	}
	return firstErr
}

// readUnitHeader reads the header at c (DWARF 5, 7.5.1). next is the offset
// behind the unit, not above start where the rest cannot be read. u is nil for
// a unit that holds no code.
func (d *Data) readUnitHeader(c *cursor) (u *unit, next int, err error) {
	start := c.off
	length, dwarf64 := c.length()
	if c.bad || length > uint64(len(c.data)-c.off) {
		return nil, start, d.errorAt(secInfo, uint64(start), object.ErrFormat, "a unit of %d bytes reaches past the end", length)
	}
	next = c.off + int(length)
	u = &unit{off: start, end: next, dwarf64: dwarf64, version: c.u16()}
	if u.version < 2 || u.version > 5 {
		return nil, next, d.errorAt(secInfo, uint64(start), object.ErrFormat, "DWARF version %d", u.version)
	}
	kind := uint8(unitCompile)
	if u.version >= 5 {
		kind = c.u8()
		u.addrSize = c.u8()
		u.abbrevOff = c.offset(dwarf64)
	} else {
		u.abbrevOff = c.offset(dwarf64)
		u.addrSize = c.u8()
	}
	switch kind {
	case unitCompile, unitPartial:
	case unitSkeleton, unitSplitCompile:
		c.skip(8)
	case unitType, unitSplitType:
		return nil, next, nil
	default:
		return nil, next, d.errorAt(secInfo, uint64(start), object.ErrFormat, "unit type %d", kind)
	}
	u.entries = c.off
	if c.bad || u.entries > next || u.addrSize != 4 && u.addrSize != 8 {
		return nil, next, d.errorAt(secInfo, uint64(start), object.ErrFormat, "unit header")
	}
	return u, next, nil
}

// readSpans appends the address ranges that the root entry of unit i states.
func (d *Data) readSpans(i int) error {
	u := &d.units[i]
	var r root
	if err := d.readRoot(u, nil, &r); err != nil {
		return err
	}
	d.eachRange(u, &r, &r.entry, func(start, end uint64) bool {
		d.spans = append(d.spans, span{start: start, end: end, unit: uint32(i)})
		return len(d.spans) < maxSpans
	})
	return nil
}

// readRoot reads the root entry of u with the abbreviations in table, or, with
// table nil, with just the one that it needs.
func (d *Data) readRoot(u *unit, table *abbrevTable, r *root) error {
	c := d.unitCursor(u, uint64(u.entries))
	code := c.uleb()
	if code == 0 {
		return nil // an empty unit
	}
	if table == nil {
		var err error
		if table, err = d.abbrevs(u, code); err != nil {
			return err
		}
	}
	a := table.get(code)
	if a == nil || !d.readEntry(u, c, u.entries, a, &r.entry) {
		return d.errorAt(secInfo, uint64(u.entries), object.ErrFormat, "the unit's first entry")
	}
	// DWARF 5, 7.26 to 7.28: the bases point behind the sections' headers.
	r.strOffsetsBase, r.addrBase, r.rnglistsBase = 8, 8, 12
	if u.version < 5 {
		r.strOffsetsBase, r.addrBase, r.rnglistsBase = 0, 0, 0
	}
	for _, base := range []struct {
		slot slot
		to   *uint64
	}{{slotStrOffsetsBase, &r.strOffsetsBase}, {slotAddrBase, &r.addrBase}, {slotRnglistsBase, &r.rnglistsBase}} {
		if v, ok := r.entry.get(base.slot); ok {
			*base.to = v.bits
		}
	}
	if v, ok := r.entry.get(slotLowPC); ok {
		r.low, _ = d.address(u, r, v)
	}
	return nil
}

// tableKey is what an abbreviation table depends on: sizes of forms differ by
// the unit's shape.
type tableKey struct {
	off      uint64
	version  uint16
	addrSize uint8
	dwarf64  bool
}

// load reads the abbreviations and the root entry of u, once.
func (d *Data) load(u *unit) (*unitInfo, error) {
	if u.info != nil {
		return u.info, nil
	}
	if d.cached > maxCacheBytes {
		d.forget()
	}
	key := tableKey{u.abbrevOff, u.version, u.addrSize, u.dwarf64}
	table := d.tables[key]
	if table == nil {
		var err error
		if table, err = d.abbrevs(u, 0); table == nil {
			return nil, err
		}
		if err != nil {
			d.note(err) // what was read before the damage may do
		}
		d.tables[key] = table
		d.remember(24 * table.attrs)
	}
	info := &unitInfo{abbrevs: table}
	if err := d.readRoot(u, table, &info.root); err != nil {
		return nil, err
	}
	d.remember(1 << 10)
	u.info = info
	return info, nil
}

// unitAt returns the unit that holds offset off of .debug_info.
func (d *Data) unitAt(off uint64) *unit {
	i := sort.Search(len(d.units), func(i int) bool { return uint64(d.units[i].end) > off })
	if i == len(d.units) || off < uint64(d.units[i].entries) {
		return nil
	}
	return &d.units[i]
}

// unitCursor reads .debug_info from off to the end of u.
func (d *Data) unitCursor(u *unit, off uint64) *cursor {
	c := d.cursor(secInfo)
	c.data = c.data[:u.end]
	c.seek(off)
	return c
}

// unitsOf returns the units whose ranges hold addr, the best guess first: the
// one that starts nearest below.
func (d *Data) unitsOf(addr uint64) []uint32 {
	next := sort.Search(len(d.spans), func(i int) bool { return d.spans[i].start > addr })
	var units []uint32
	for i := next - 1; i >= 0 && len(units) < maxCandidates && d.spans[i].upTo > addr; i-- {
		if d.spans[i].end > addr && !slices.Contains(units, d.spans[i].unit) {
			units = append(units, d.spans[i].unit)
		}
		if next-i > 16*maxBackward {
			break
		}
	}
	return units
}
