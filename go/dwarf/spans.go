package dwarf

import (
	"cmp"
	"maps"
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// span is a range of addresses of the unit whose header is at off.
type span struct {
	start, end, upTo uint64
	off              int
}

// spanIndex says which units may hold an address, by .debug_aranges, and by the
// units' own root entries. Spans are sorted by their starts; upTo is the greatest
// end of a span and all before it.
type spanIndex struct {
	aranges, roots         []span
	arangesRead, rootsRead bool
	// scanned means that .debug_aranges was gone through once already.
	scanned bool
	// unstated are units that state no range, and may hold any address.
	unstated []*unit
}

// arangesUnits are the units that .debug_aranges names for r.addrs. The first
// call goes through it, the second one keeps it.
func (r *reader) arangesUnits() []*unit {
	s := &r.data.spans
	if !s.arangesRead && (!s.scanned || len(r.addrs) >= manyAddrs) {
		s.scanned = true
		var offs []int
		first, last := r.addrs[0], r.addrs[len(r.addrs)-1]
		err := r.eachArange(func(start, end uint64, off int) bool {
			if start > last || end <= first || len(offs) > 0 && offs[len(offs)-1] == off {
				return true
			}
			if at := lower(r.addrs, start); at < len(r.addrs) && r.addrs[at] < end {
				offs = append(offs, off)
			}
			return true
		})
		if err != nil {
			r.note(err)
		}
		return r.unitsOf(offs)
	}
	if !s.arangesRead {
		s.arangesRead = true
		const tuple = 16 // bytes, of 8-byte addresses
		s.aranges = make([]span, 0, r.data.main.size(secAranges)/tuple)
		if err := r.eachArange(func(start, end uint64, off int) bool {
			s.aranges = append(s.aranges, span{start: start, end: end, off: off})
			return len(s.aranges) < r.maxSpans()
		}); err != nil {
			r.note(err)
		}
		sortSpans(s.aranges)
	}
	return r.unitsIn(s.aranges)
}

// maxSpans is how many ranges the units may state: each takes bytes of its own.
func (r *reader) maxSpans() int {
	const leastBytes = 3 // an offset pair of a range list
	spans := freeSpans
	for _, id := range []sectionID{secInfo, secAranges, secRanges, secRnglists} {
		spans += r.data.main.weight(id) / leastBytes
	}
	return spans
}

// sortSpans sorts by start.
func sortSpans(spans []span) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	upTo := uint64(0)
	for i := range spans {
		upTo = max(upTo, spans[i].end)
		spans[i].upTo = upTo
	}
}

// rangesUnits are the units whose root entries state a range that holds one of
// r.addrs, of those that .debug_aranges does not describe and of those that it
// describes wrongly.
func (r *reader) rangesUnits() []*unit {
	s := &r.data.spans
	if !s.rootsRead {
		s.rootsRead = true
		im := r.data.main
		im.all(secInfo)
		if err := im.list(); err != nil {
			r.note(err)
		}
		for _, u := range im.units {
			root, err := r.rootOf(u)
			if err != nil {
				r.note(err)
				continue
			}
			if root.stated&(1<<slotRanges|1<<slotLowPC) == 0 && root.hasStmtList && !root.partial {
				s.unstated = append(s.unstated, u)
			}
			ranges := r.rootRanges(u, root)
			if len(s.roots)+len(ranges) > r.maxSpans() {
				r.note(im.errorAt(secInfo, u.off, object.ErrLimit, "the units share lists of ranges"))
				break
			}
			for _, each := range ranges {
				s.roots = append(s.roots, span{start: each.start, end: each.end, off: u.off})
			}
			if r.steps < 0 {
				break
			}
		}
		sortSpans(s.roots)
	}
	return append(r.unitsIn(s.roots), s.unstated...)
}

// unitsIn are the units of spans that hold one of r.addrs.
func (r *reader) unitsIn(spans []span) []*unit {
	found := map[int]bool{}
	last := -1
	// Backwards from each address there is little to see, but where a unit spans the
	// code of many others; then all spans are gone through once.
	looks := 4 * len(spans)
	for _, addr := range r.addrs {
		next := sort.Search(len(spans), func(i int) bool { return spans[i].start > addr })
		for i := next - 1; i >= 0 && spans[i].upTo > addr; i-- {
			if spans[i].end > addr && spans[i].off != last {
				last = spans[i].off
				found[last] = true
			}
			if looks--; looks < 0 {
				return r.unitsOf(r.offsIn(spans))
			}
		}
	}
	return r.unitsOf(slices.Collect(maps.Keys(found)))
}

// offsIn are the offsets of the units of spans that hold one of r.addrs.
func (r *reader) offsIn(spans []span) []int {
	var offs []int
	for _, each := range spans {
		if at := lower(r.addrs, each.start); at < len(r.addrs) && r.addrs[at] < each.end {
			offs = append(offs, each.off)
		}
	}
	return offs
}

// unitsOf are the units at offs, in the order of the file.
func (r *reader) unitsOf(offs []int) []*unit {
	slices.Sort(offs)
	offs = slices.Compact(offs)
	units := make([]*unit, 0, len(offs))
	for _, off := range offs {
		if u := r.data.main.unitStarting(off); u != nil {
			units = append(units, u)
		}
	}
	return units
}

// eachArange visits .debug_aranges (DWARF 5, 6.1.2) as far as it lies in code:
// ranges, and the offset of the unit that they are of.
func (r *reader) eachArange(visit func(start, end uint64, off int) bool) error {
	d := r.data
	im := d.main
	data, size := im.all(secAranges)
	for p := 0; p < size; {
		at := p
		length, offsetSize, next, ok := initialLength(data, p, im.big)
		if !ok || next > size || length > uint64(size-next) {
			return im.errorAt(secAranges, at, object.ErrFormat, "a set of %d bytes reaches past the end", length)
		}
		end := next + int(length)
		var off uint64
		off, p = fixed(data, next+2, offsetSize, im.big) // behind the version, 2 in all versions of DWARF
		width := int(data[p])
		p += 2 // and the size of segments
		if p > end || width != 4 && width != 8 || off >= uint64(im.size(secInfo)) {
			return im.errorAt(secAranges, at, object.ErrFormat, "the header of a set")
		}
		// Tuples are aligned to their size, from the start of the set.
		p = at + (p-at+2*width-1)/(2*width)*(2*width)
		for ; p+2*width <= end; p += 2 * width {
			var start, count uint64
			if width == 8 {
				start, count = fixed64(data, p, im.big), fixed64(data, p+8, im.big)
			} else {
				start, count = fixed32(data, p, im.big), fixed32(data, p+4, im.big)
			}
			if start == 0 && count == 0 {
				break
			}
			if start+count > start && start >= d.codeStart && start < d.codeEnd && !visit(start, start+count, int(off)) {
				return im.errorAt(secAranges, at, object.ErrLimit, "ranges")
			}
		}
		p = end
	}
	return nil
}
