package trace

import (
	"slices"
	"sort"
)

// span is a range of addresses, its end excluded, and the module in it.
type span struct {
	start, end uint64
	owner      uint32
}

// ranges are disjoint spans in ascending order: the modules as they lie at one
// moment of the file.
type ranges []span

// set puts a module into a range, over whatever was there.
func (r *ranges) set(start, end uint64, owner uint32) {
	if start >= end {
		return
	}
	spans := *r
	first := sort.Search(len(spans), func(i int) bool { return spans[i].end > start })
	behind := first + sort.Search(len(spans)-first, func(i int) bool { return spans[first+i].start >= end })
	fresh := make([]span, 0, 3)
	if first < behind && spans[first].start < start {
		fresh = append(fresh, span{spans[first].start, start, spans[first].owner})
	}
	fresh = append(fresh, span{start, end, owner})
	if first < behind && spans[behind-1].end > end {
		fresh = append(fresh, span{end, spans[behind-1].end, spans[behind-1].owner})
	}
	*r = slices.Replace(spans, first, behind, fresh...)
}

// at gives the module at an address; 0: none.
func (r ranges) at(addr uint64) uint32 {
	i := sort.Search(len(r), func(i int) bool { return r[i].end > addr })
	if i < len(r) && r[i].start <= addr {
		return r[i].owner
	}
	return 0
}

// setBelow puts a module into a range, but not over modules with a larger
// number, which were recorded behind it.
func (r *ranges) setBelow(start, end uint64, owner uint32) {
	spans := *r
	first := sort.Search(len(spans), func(i int) bool { return spans[i].end > start })
	var later []span
	for i := first; i < len(spans) && spans[i].start < end; i++ {
		if spans[i].owner > owner {
			later = append(later, spans[i])
		}
	}
	r.set(start, end, owner)
	for _, s := range later {
		r.set(s.start, s.end, s.owner)
	}
}
