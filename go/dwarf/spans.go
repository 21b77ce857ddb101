package dwarf

import (
	"cmp"
	"slices"

	"github.com/ffikit/ffikit/go/object"
)

// span is a range of addresses of the unit whose header is at off.
type span struct {
	start, end uint64
	off        int
}

// spanIndex says which units may hold an address, by .debug_aranges, and by the
// units' own root entries.
type spanIndex struct {
	aranges, roots         []span
	arangesRead, rootsRead bool
	// listed are the units that .debug_aranges describes.
	listed map[int]bool
}

// arangesUnits are the units that .debug_aranges names for r.addrs.
func (r *reader) arangesUnits() []*unit {
	s := &r.data.spans
	if !s.arangesRead {
		s.arangesRead = true
		if err := r.readAranges(); err != nil {
			r.note(err)
		}
	}
	return r.unitsIn(s.aranges)
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
			for _, each := range r.rangesOf(u, &root.ranges) {
				if len(s.roots) < maxSpans {
					s.roots = append(s.roots, span{each.start, each.end, u.off})
				}
			}
			if r.steps < 0 {
				break
			}
		}
	}
	return r.unitsIn(s.roots)
}

// unitsIn are the units of spans that hold one of r.addrs, in the order of the
// file.
func (r *reader) unitsIn(spans []span) []*unit {
	var offs []int
	first, last := r.addrs[0], r.addrs[len(r.addrs)-1]
	for i := range spans {
		s := &spans[i]
		if s.start > last || s.end <= first || len(offs) > 0 && offs[len(offs)-1] == s.off {
			continue
		}
		if at := lower(r.addrs, s.start); at < len(r.addrs) && r.addrs[at] < s.end {
			offs = append(offs, s.off)
		}
	}
	slices.Sort(offs)
	offs = slices.Compact(offs)
	units := make([]*unit, 0, len(offs))
	for _, off := range offs {
		if u := r.data.main.unitStarting(off); u != nil {
			units = append(units, u)
		}
	}
	slices.SortFunc(units, func(a, b *unit) int { return cmp.Compare(a.off, b.off) })
	return units
}

// readAranges reads .debug_aranges (DWARF 5, 6.1.2).
func (r *reader) readAranges() error {
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
		p = next + 2 // version: 2 in all versions of DWARF
		var off uint64
		off, p = fixed(data, p, offsetSize, im.big)
		width := int(data[p])
		p += 2 // and the size of segments
		if p > end || width != 4 && width != 8 || off >= uint64(im.size(secInfo)) {
			return im.errorAt(secAranges, at, object.ErrFormat, "the header of a set")
		}
		// Tuples are aligned to their size, from the start of the set.
		p = at + (p-at+2*width-1)/(2*width)*(2*width)
		for p+2*width <= end {
			var start, count uint64
			start, p = fixed(data, p, width, im.big)
			count, p = fixed(data, p, width, im.big)
			if start == 0 && count == 0 {
				break
			}
			if count > 0 && start+count > start && start >= d.codeStart && start < d.codeEnd {
				if len(d.spans.aranges) >= maxSpans {
					return im.errorAt(secAranges, at, object.ErrLimit, "ranges")
				}
				d.spans.aranges = append(d.spans.aranges, span{start, start + count, int(off)})
			}
		}
		p = end
	}
	return nil
}
