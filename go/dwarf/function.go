package dwarf

import (
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// functionRange is a range of code that belongs to the subprogram whose entry
// is at offset entry of .debug_info.
type functionRange struct {
	start, end uint64
	entry      uint64
}

// readFunctions lists the subprograms of u that have code, sorted by start;
// of equal starts the larger range comes first.
func (d *Data) readFunctions(u *unit, info *unitInfo) error {
	if info.functionsRead {
		return nil
	}
	info.functionsRead = true
	d.grant(u.end - u.off)
	c := d.unitCursor(u, uint64(u.entries))
	var e entry
	var err error
	for depth := 0; c.more(); {
		off := c.off
		code := c.uleb()
		if code == 0 {
			if depth--; depth <= 0 {
				break
			}
			continue
		}
		a := info.abbrevs.get(code)
		if a == nil {
			err = d.errorAt(secInfo, uint64(off), object.ErrFormat, "abbreviation %d is not defined", code)
			break
		}
		if !d.readFunction(u, info, c, off, a, &e) {
			if err = d.walkError(off); len(info.functions) >= maxFunctions {
				err = d.errorAt(secInfo, uint64(off), object.ErrLimit, "the unit's functions")
			}
			break
		}
		if a.children && e.off >= 0 {
			depth++
		}
		if depth == 0 {
			break
		}
	}
	slices.SortStableFunc(info.functions, func(a, b functionRange) int {
		switch {
		case a.start < b.start, a.start == b.start && a.end > b.end:
			return -1
		case a.start == b.start && a.end == b.end:
			return 0
		}
		return 1
	})
	d.remember(24 * len(info.functions))
	return err
}

// readFunction reads the entry at off and lists it where it is a subprogram
// with code. It sets e.off to -1 where it jumped over the entry's children.
func (d *Data) readFunction(u *unit, info *unitInfo, c *cursor, off int, a *abbrev, e *entry) bool {
	e.off = off
	switch {
	case a.tag == tagSubprogram && a.hasPC:
		if !d.readEntry(u, c, off, a, e) {
			return false
		}
		d.eachRange(u, &info.root, e, func(start, end uint64) bool {
			info.functions = append(info.functions, functionRange{start, end, uint64(off)})
			return true
		})
		return len(info.functions) < maxFunctions
	case a.hasSibling && a.children && (a.tag == tagEnumerationType || a.tag == tagArrayType || a.tag == tagSubroutineType):
		// Types without code are jumped over, forward only.
		if !d.readEntry(u, c, off, a, e) {
			return false
		}
		if sibling, ok := u.reference(e.values[slotSibling]); ok && sibling > uint64(c.off) && sibling <= uint64(u.end) {
			c.seek(sibling)
			e.off = -1
		}
		return true
	}
	return d.skipEntry(u, c, a)
}

func (d *Data) walkError(off int) error {
	if d.steps < 0 {
		return d.errorAt(secInfo, uint64(off), object.ErrLimit, "the unit asks for too much work")
	}
	return d.errorAt(secInfo, uint64(off), object.ErrFormat, "an entry cannot be read")
}

// functionAt returns the entry of the innermost subprogram that holds addr.
func (info *unitInfo) functionAt(addr uint64) (uint64, bool) {
	next := sort.Search(len(info.functions), func(i int) bool { return info.functions[i].start > addr })
	for i := next - 1; i >= 0 && i >= next-maxBackward; i-- {
		if info.functions[i].end > addr {
			return info.functions[i].entry, true
		}
	}
	return 0, false
}

// inlineChain returns the subprogram at offset off and the calls inlined into
// it that hold addr, outermost first. The slice is good until the next call.
func (d *Data) inlineChain(u *unit, info *unitInfo, off, addr uint64) ([]entry, error) {
	d.grant(u.end - int(off))
	c := d.unitCursor(u, off)
	chain := append(d.chain[:0], entry{})
	defer func() { d.chain = chain }()
	a := info.abbrevs.get(c.uleb())
	if a == nil || !d.readEntry(u, c, int(off), a, &chain[0]) {
		return nil, d.walkError(int(off))
	}
	if !a.children {
		return chain, nil
	}
	var e entry
	// The search goes on among the children of the last match only: least is
	// their depth.
	for depth, least := 1, 1; depth >= least && c.more(); {
		off := c.off
		code := c.uleb()
		if code == 0 {
			depth--
			continue
		}
		a := info.abbrevs.get(code)
		if a == nil {
			return chain, d.walkError(off)
		}
		if a.tag != tagInlinedSubroutine || !a.hasPC {
			if !d.skipEntry(u, c, a) {
				return chain, d.walkError(off)
			}
		} else {
			if !d.readEntry(u, c, off, a, &e) {
				return chain, d.walkError(off)
			}
			if d.holds(u, &info.root, &e, addr) {
				if chain = append(chain, e); !a.children || len(chain) >= maxInlineDepth {
					return chain, nil
				}
				least = depth + 1
			}
		}
		if a.children {
			depth++
		}
	}
	return chain, nil
}

func (d *Data) holds(u *unit, r *root, e *entry, addr uint64) bool {
	found := false
	d.eachRange(u, r, e, func(start, end uint64) bool {
		found = addr >= start && addr < end
		return !found
	})
	return found
}
