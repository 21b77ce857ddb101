package dwarf

// eachRange visits the address ranges of e that lie in code. Ranges elsewhere
// belong to functions that the linker dropped; it leaves 0, 1 or -1 there.
// visit returns false to end.
func (d *Data) eachRange(u *unit, r *root, e *entry, visit func(start, end uint64) bool) {
	if v, ok := e.get(slotRanges); ok {
		d.eachListed(u, r, v, visit)
		return
	}
	v, ok := e.get(slotLowPC)
	if !ok {
		return
	}
	start, ok := d.address(u, r, v)
	if !ok {
		return
	}
	high, ok := e.get(slotHighPC)
	if !ok {
		return
	}
	// DWARF 4, 2.17.2: an address, or a number of bytes from low_pc on.
	end, isAddr := d.address(u, r, high)
	if !isAddr {
		end = start + high.bits
	}
	d.visitRange(start, end, visit)
}

func (d *Data) visitRange(start, end uint64, visit func(start, end uint64) bool) bool {
	if start >= end || start < d.codeStart || start >= d.codeEnd {
		return true
	}
	return visit(start, min(end, d.codeEnd))
}

// eachListed visits the ranges of a range list.
func (d *Data) eachListed(u *unit, r *root, v value, visit func(start, end uint64) bool) {
	if u.version < 5 {
		d.eachOldRange(u, r.low, v.bits, visit)
		return
	}
	offset := v.bits
	if v.form == formRnglistx {
		size := uint64(4)
		if u.dwarf64 {
			size = 8
		}
		c := d.cursor(secRnglists)
		if offset > uint64(len(c.data)) {
			return
		}
		c.seek(r.rnglistsBase + offset*size)
		offset = r.rnglistsBase + c.offset(u.dwarf64)
		if c.bad {
			return
		}
	}
	d.eachRnglist(u, r, offset, visit)
}

// eachOldRange reads .debug_ranges (DWARF 4, 2.17.3).
func (d *Data) eachOldRange(u *unit, base, offset uint64, visit func(start, end uint64) bool) {
	c := d.cursor(secRanges)
	c.seek(offset)
	baseMark := ^uint64(0) >> (64 - 8*uint(u.addrSize))
	for d.spend(1) {
		start, end := c.uint(int(u.addrSize)), c.uint(int(u.addrSize))
		if c.bad || start == 0 && end == 0 {
			return
		}
		if start == baseMark {
			base = end
			continue
		}
		if !d.visitRange(base+start, base+end, visit) {
			return
		}
	}
}

// eachRnglist reads .debug_rnglists (DWARF 5, 7.25).
func (d *Data) eachRnglist(u *unit, r *root, offset uint64, visit func(start, end uint64) bool) {
	c := d.cursor(secRnglists)
	c.seek(offset)
	base := r.low
	addrSize := int(u.addrSize)
	// A missing address makes its range empty.
	indexed := func() uint64 { addr, _ := d.indexedAddress(u, r, c.uleb()); return addr }
	for d.spend(1) {
		var start, end uint64
		switch c.u8() {
		case rleEndOfList:
			return
		case rleBaseAddrx:
			base = indexed()
			continue
		case rleBaseAddress:
			base = c.uint(addrSize)
			continue
		case rleStartxEndx:
			start, end = indexed(), indexed()
		case rleStartxLength:
			start = indexed()
			end = start + c.uleb()
		case rleOffsetPair:
			start, end = base+c.uleb(), base+c.uleb()
		case rleStartEnd:
			start, end = c.uint(addrSize), c.uint(addrSize)
		case rleStartLength:
			start = c.uint(addrSize)
			end = start + c.uleb()
		default:
			return
		}
		if c.bad || !d.visitRange(start, end, visit) {
			return
		}
	}
}
