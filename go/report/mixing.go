package report

import (
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/report/stackline"
)

// watch looks for lines of several processes that are mixed so that nothing
// tells whose they are, as with forked processes, which have the same
// addresses. best is about to get the line; tied says that others fit as well.
// A report that was broken off gets no line after a later one began: then the
// logs are not mixed, and the later one rightly gets what fits both.
func (s *session) watch(best *openReport, line stackline.Line, source []byte, tied bool) {
	if line.Blank() {
		return
	}
	best.words = s.number
	if best.machine.Doubled() {
		s.sayMixed(line, best, nil)
	}
	for _, rival := range best.rivals {
		s.sayMixed(line, best, rival)
	}
	best.rivals = nil
	_, frame := stackline.Find(line)
	if !tied || !frame && !announces(best.machine) {
		return
	}
	fit := s.fit(best, line, source)
	for _, other := range s.open {
		if other == best || other.machine.Settled() || s.fit(other, line, source) != fit {
			continue
		}
		older, newer := other, best
		if older.began > newer.began {
			older, newer = newer, older
		}
		switch {
		case older.words > newer.began:
			s.sayMixed(line, older, newer)
		case len(older.rivals) < maxOpen && !slices.Contains(older.rivals, newer):
			older.rivals = append(older.rivals, newer)
		}
	}
}

// sayMixed says once for each report that its frames may be another's. b is
// nil if the other report is not known.
func (s *session) sayMixed(line stackline.Line, a, b *openReport) {
	if a.mixed && (b == nil || b.mixed) {
		return
	}
	a.mixed = true
	whose := "several processes"
	if b != nil {
		b.mixed = true
		if one, other := a.machine.PID(), b.machine.PID(); one != 0 && other != 0 {
			whose = fmt.Sprintf("the processes %d and %d", min(one, other), max(one, other))
		}
	}
	s.addPartial(line.OffsetBytes, "lines of "+whose+" are mixed here: frames may be misplaced")
}
