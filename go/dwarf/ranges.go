package dwarf

// addrRange is a range of addresses, end excluded.
type addrRange struct{ start, end uint64 }

// rangesOf returns the address ranges that v states and that lie in code. Ranges
// elsewhere belong to functions that the linker dropped; it leaves 0, 1 or -1
// there. The slice is good until the next call.
func (r *reader) rangesOf(u *unit, v *values) []addrRange {
	r.ranges = r.ranges[:0]
	if list, ok := v.get(slotRanges); ok {
		r.listed(u, list)
		return r.ranges
	}
	start, ok := v.get(slotLowPC)
	if !ok {
		return nil
	}
	// DWARF 4, 2.17.2: an address, or a number of bytes from low_pc on.
	end, ok := v.get(slotHighAddr)
	if !ok {
		length, _ := v.get(slotHighBytes)
		if v.has&(1<<slotHighBytes) == 0 {
			return nil
		}
		end = start + length
	}
	r.addRange(start, end)
	return r.ranges
}

func (r *reader) addRange(start, end uint64) {
	if start < end && start >= r.data.codeStart && start < r.data.codeEnd {
		r.ranges = append(r.ranges, addrRange{start, min(end, r.data.codeEnd)})
	}
}

// listed reads a range list.
func (r *reader) listed(u *unit, list uint64) {
	root := u.root
	if root == nil {
		return
	}
	base := root.low
	if u.skeleton != nil && u.skeleton.root != nil {
		base = u.skeleton.root.low
	}
	if u.version < 5 {
		// GNU's split units: the list is in the program, from the skeleton's base.
		if u.skeleton != nil {
			r.oldList(u.skeleton, base, list+u.skeleton.root.rangesBase)
			return
		}
		r.oldList(u, base, list)
		return
	}
	offset := list
	if list>>placeShift == isIndex {
		im, width := u.image, int(u.offsetSize)
		index, size := list&placeMask, uint64(im.size(secRnglists))
		if index > size || root.rnglistsBase > size || root.rnglistsBase+(index+1)*uint64(width) > size {
			return
		}
		at := int(root.rnglistsBase) + int(index)*width
		d, _ := im.need(secRnglists, at, at+width)
		relative, _ := fixed(d, at, width, im.big)
		offset = root.rnglistsBase + relative
	}
	r.rnglist(u, base, offset)
}

// oldList reads .debug_ranges (DWARF 4, 2.17.3).
func (r *reader) oldList(u *unit, base, offset uint64) {
	const stride = 1 << 10
	im, width := u.image, int(u.addrSize)
	size := im.size(secRanges)
	if offset >= uint64(size) {
		return
	}
	d, baseMark := im.bytes[secRanges], ^uint64(0)>>(64-8*uint(width))
	for p, loaded := int(offset), 0; p+2*width <= size && r.spend(1); {
		if p+2*width > loaded {
			loaded = p + stride
			d, _ = im.need(secRanges, p, loaded)
		}
		var start, end uint64
		start, p = fixed(d, p, width, im.big)
		end, p = fixed(d, p, width, im.big)
		switch {
		case start == 0 && end == 0:
			return
		case start == baseMark:
			base = end
		default:
			r.addRange(base+start, base+end)
		}
	}
}

// rnglist reads .debug_rnglists (DWARF 5, 7.25). A missing address makes its
// range empty.
func (r *reader) rnglist(u *unit, base, offset uint64) {
	const stride = 1 << 10
	im, width := u.image, int(u.addrSize)
	size := im.size(secRnglists)
	if offset >= uint64(size) {
		return
	}
	d := im.bytes[secRnglists]
	for p, loaded := int(offset), 0; p < size && r.spend(1); {
		if p+2*maxLEB > loaded {
			loaded = p + stride
			d, _ = im.need(secRnglists, p, loaded)
		}
		kind := d[p]
		p++
		var a, b uint64
		switch kind {
		case rleEndOfList:
			return
		case rleBaseAddrx:
			a, p = uleb(d, p)
			base = u.indexedAddr(a)
			continue
		case rleBaseAddress:
			base, p = fixed(d, p, width, im.big)
			continue
		case rleStartxEndx, rleStartxLength, rleOffsetPair:
			a, p = uleb(d, p)
			b, p = uleb(d, min(p, size))
		case rleStartEnd:
			a, p = fixed(d, p, width, im.big)
			b, p = fixed(d, p, width, im.big)
		case rleStartLength:
			a, p = fixed(d, p, width, im.big)
			b, p = uleb(d, p)
		default:
			return
		}
		if p > size {
			return
		}
		switch kind {
		case rleStartxEndx:
			a, b = u.indexedAddr(a), u.indexedAddr(b)
		case rleStartxLength:
			a = u.indexedAddr(a)
			b += a
		case rleOffsetPair:
			a, b = base+a, base+b
		case rleStartLength:
			b += a
		}
		r.addRange(a, b)
	}
}
