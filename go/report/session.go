package report

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/asan"
	"github.com/ffikit/ffikit/go/report/lsan"
	"github.com/ffikit/ffikit/go/report/stackline"
	"github.com/ffikit/ffikit/go/report/ubsan"
)

// machine reads one report (or one leak check) from the lines that it is
// given. Fit must be asked about a line right before it is fed.
type machine interface {
	// Fit says how well a line continues the report; Feed takes the line and
	// says whether the report is over.
	Fit(stackline.Line) stackline.Fit
	Feed(stackline.Line) bool
	// End ends the report early and says what is missing, empty if nothing.
	End(why string) string
	// Take hands over what is complete; Pending is where the first report
	// starts that is not.
	Take() []model.Report
	Pending() (int64, bool)
	PID() int
	// Patience is how many foreign lines may come between two of its own,
	// Settled whether the report may end here without loss.
	Patience() int
	Settled() bool
}

// format makes a machine from the first line of a report. A new format is a
// new line of the registry.
type format struct {
	name  string
	begin func(line stackline.Line, name string) (machine, bool)
}

// formats is the registry. The first that knows a line gets it.
var formats = []format{
	{"ubsan", begin(ubsan.New)},
	{"lsan", begin(lsan.New)},
	{"asan", begin(asan.New)},
}

func begin[M machine](make func(stackline.Line, string) (M, bool)) func(stackline.Line, string) (machine, bool) {
	return func(line stackline.Line, name string) (machine, bool) {
		m, ok := make(line, name)
		return m, ok
	}
}

// markers are the words without which no line can begin a report, nor tell of
// one that failed.
var markers = [][]byte{
	[]byte("Sanitizer"), []byte(": runtime error: "), []byte(" leak of "), []byte("Shadow memory range interleaves"),
}

func interesting(text []byte) bool {
	for _, marker := range markers {
		if bytes.Contains(text, marker) {
			return true
		}
	}
	return false
}

const (
	// maxOpen is how many reports may be read at the same time.
	maxOpen = 8
	// maxWaiting is how many complete reports may wait for an earlier one.
	maxWaiting = 128
	// maxPartials bounds what is said of each kind of failure.
	maxPartials = 100
)

type openReport struct {
	machine machine
	source  string // where its lines come from, if the log says so
	line    int64  // the number of its last line
}

// session reads one log.
type session struct {
	name    string
	emit    func(model.Report) error
	open    []*openReport // in the order of their last lines, newest last
	waiting []model.Report
	emitted int
	number  int64 // of the line
	scratch []byte
	nul     int64 // where the first NUL byte stands, +1

	partial []model.Partial
	dropped int // partials beyond the bound
	cut     int // lines beyond the bound
}

func newSession(name string, emit func(model.Report) error) *session {
	return &session{name: name, emit: emit}
}

// line takes the next line of the log.
func (s *session) line(line stackline.Line) error {
	s.number++
	if line.Cut {
		s.cutLine(line)
	}
	if s.nul == 0 {
		s.nul = int64(bytes.IndexByte(line.Text, 0)) + 1
		if s.nul > 0 {
			s.nul += line.OffsetBytes
		}
	}
	starts := interesting(line.Text)
	if len(s.open) == 0 && !starts {
		return nil
	}
	var source []byte
	line.Text, source = cleanLine(line.Text, &s.scratch)
	if starts && s.begin(line, source) {
		return s.flush()
	}
	s.route(line, source, starts)
	return s.flush()
}

func (s *session) cutLine(line stackline.Line) {
	if s.cut++; s.cut <= 16 {
		s.addPartial(line.OffsetBytes, fmt.Sprintf("the line is longer than %d bytes: the rest of it was not read", maxLineBytes))
	}
}

// begin opens a report if the line is the first of one.
func (s *session) begin(line stackline.Line, source []byte) bool {
	// A leak check that is being read goes on with its next leak.
	for _, o := range s.open {
		if m, ok := o.machine.(*lsan.Report); ok && m.Fit(line) != stackline.FitNone && !apart(o.source, source) {
			return false
		}
	}
	for _, format := range formats {
		m, ok := format.begin(line, s.name)
		if !ok {
			continue
		}
		s.makeRoom(m.PID(), string(source))
		s.open = append(s.open, &openReport{machine: m, source: string(source), line: s.number})
		return true
	}
	return false
}

// makeRoom ends the reports that a new one shows to be over: of the same
// process, since a process reports one thing at a time; those that have all
// they need; the stalest if there are too many.
func (s *session) makeRoom(pid int, source string) {
	for i := 0; i < len(s.open); {
		o := s.open[i]
		same := pid != 0 && o.machine.PID() == pid
		if same || o.machine.Settled() && o.source == source {
			s.end(i, "another report begins here")
			continue
		}
		i++
	}
	if len(s.open) >= maxOpen {
		s.end(0, fmt.Sprintf("more than %d reports are mixed here", maxOpen))
	}
}

// apart says that two sources exclude each other. A line without a source may
// belong to any.
func apart(a string, b []byte) bool {
	return a != "" && len(b) > 0 && a != string(b)
}

// route gives the line to the report that it continues best.
func (s *session) route(line stackline.Line, source []byte, mayTell bool) {
	best, bestFit := -1, stackline.FitNone
	for i := len(s.open) - 1; i >= 0; i-- {
		o := s.open[i]
		if apart(o.source, source) {
			continue
		}
		fit := o.machine.Fit(line)
		if fit != stackline.FitNone && o.source != "" && o.source == string(source) {
			fit += stackline.FitCertain
		}
		if fit > bestFit {
			best, bestFit = i, fit
		}
	}
	if best < 0 {
		if mayTell {
			s.tell(line)
		}
		s.endStale()
		return
	}
	o := s.open[best]
	o.line = s.number
	s.open = append(slices.Delete(s.open, best, best+1), o)
	if o.machine.Feed(line) {
		s.end(len(s.open)-1, "")
	} else {
		s.take(o.machine)
	}
	s.endStale()
}

// tell notes lines that say that a report is missing.
func (s *session) tell(line stackline.Line) {
	switch {
	case lsan.Fatal(line):
		s.addPartial(line.OffsetBytes, "LeakSanitizer failed and did not look for leaks (it cannot run under ptrace: gdb, strace)")
	case bytes.Contains(line.Text, []byte("SUMMARY: ")) && bytes.Contains(line.Text, []byte("Sanitizer: ")):
		s.addPartial(line.OffsetBytes, "a report ends here whose beginning is missing")
	}
}

// endStale ends the reports that too many foreign lines came after.
func (s *session) endStale() {
	for i := 0; i < len(s.open); {
		o := s.open[i]
		if s.number-o.line > int64(o.machine.Patience()) {
			s.end(i, fmt.Sprintf("%d lines that are not of the report follow", o.machine.Patience()))
			continue
		}
		i++
	}
}

func (s *session) end(i int, why string) {
	m := s.open[i].machine
	s.open = slices.Delete(s.open, i, i+1)
	offset, pending := m.Pending()
	missing := m.End(why)
	if missing != "" {
		if !pending {
			offset = 0
		}
		s.addPartial(offset, missing)
	}
	s.take(m)
}

func (s *session) endAll(why string) {
	for len(s.open) > 0 {
		s.end(0, why)
	}
}

// take collects the complete reports of a machine, by where they begin.
func (s *session) take(m machine) {
	for _, report := range m.Take() {
		at, _ := slices.BinarySearchFunc(s.waiting, report.Source.OffsetBytes, func(r model.Report, offset int64) int {
			return int(min(max(r.Source.OffsetBytes-offset, -1), 1))
		})
		s.waiting = slices.Insert(s.waiting, at, report)
	}
}

// flush emits what no open report comes before.
func (s *session) flush() error {
	for len(s.waiting) > 0 {
		if first, ok := s.firstPending(); ok && s.waiting[0].Source.OffsetBytes > first {
			if len(s.waiting) <= maxWaiting {
				return nil
			}
			s.endFirst()
			continue
		}
		report := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.emitted++
		if err := s.emit(report); err != nil {
			return err
		}
	}
	s.waiting = nil
	return nil
}

func (s *session) firstPending() (int64, bool) {
	first, found := int64(0), false
	for _, o := range s.open {
		if offset, ok := o.machine.Pending(); ok && (!found || offset < first) {
			first, found = offset, true
		}
	}
	return first, found
}

// endFirst ends the report that all others wait for.
func (s *session) endFirst() {
	first, _ := s.firstPending()
	for i, o := range s.open {
		if offset, ok := o.machine.Pending(); ok && offset == first {
			s.end(i, fmt.Sprintf("%d later reports are complete", maxWaiting))
			return
		}
	}
}

func (s *session) addPartial(offsetBytes int64, reason string) {
	if len(s.partial) >= maxPartials {
		s.dropped++
		return
	}
	s.partial = append(s.partial, model.Partial{File: s.name, OffsetBytes: offsetBytes, Reason: reason})
}

// partials answers all that could not be read.
func (s *session) partials() []model.Partial {
	partial := s.partial
	add := func(offset int64, reason string) {
		partial = append(partial, model.Partial{File: s.name, OffsetBytes: offset, Reason: reason})
	}
	if s.cut > 16 {
		add(0, fmt.Sprintf("%d more lines are longer than %d bytes", s.cut-16, maxLineBytes))
	}
	if s.dropped > 0 {
		add(0, fmt.Sprintf("%d more places could not be read", s.dropped))
	}
	if s.emitted == 0 && s.nul > 0 {
		add(s.nul-1, "the log holds binary data and no report was found in it")
	}
	return partial
}
