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
	// End ends the report early and says what is missing, empty if nothing;
	// atEnd says that it is the log that ends.
	End(why string, atEnd bool) string
	// Take hands over what is complete; Pending is where the first report
	// starts that is not.
	Take() []model.Report
	// Unread hands over what the stacks of the complete reports lack: offsets
	// and reasons.
	Unread() []model.Partial
	// Doubled says that the line that Fit last looked at begins a second stack
	// where the first has not ended.
	Doubled() bool
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
	format  string
	source  string        // where its lines come from, if the log says so
	margin  []byte        // what an unknown logger put before its first line
	line    int64         // the number of its last line
	before  int64         // the number of the line before that
	began   int64         // the number of its first line
	words   int64         // the number of its last line that is not empty
	mixed   bool          // that its frames may be another's was said
	rivals  []*openReport // later reports that got a line that may be its own
}

// session reads one log.
type session struct {
	name    string
	emit    func(model.Report) error
	open    []*openReport // in the order of their last lines, newest last
	waiting []model.Report
	held    []heldLine
	emitted int
	number  int64 // of the line
	whole   int64 // of the last line that the log's end did not cut
	scratch []byte
	nul     int64 // where the first NUL byte stands, +1

	partial []model.Partial
	dropped int // partials beyond the bound
	cut     int // lines beyond the bound
	threads int // reports of ThreadSanitizer whose SUMMARY is to come
}

func newSession(name string, emit func(model.Report) error) *session {
	return &session{name: name, emit: emit}
}

// line takes the next line of the log.
func (s *session) line(line stackline.Line) error {
	s.number++
	if !line.Unterminated {
		s.whole = s.number
	}
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
		s.makeRoom(m.PID(), string(source), format.name)
		s.open = append(s.open, &openReport{
			machine: m, format: format.name, source: string(source), margin: bytes.Clone(marginOf(line.Text)), line: s.number, began: s.number, words: s.number,
		})
		return true
	}
	return false
}

// makeRoom ends the reports that a new one shows to be over: of the same
// process, since a process reports one thing at a time; of the same format,
// if they have all they need; the stalest if there are too many.
func (s *session) makeRoom(pid int, source, format string) {
	for i := 0; i < len(s.open); {
		o := s.open[i]
		same := pid != 0 && o.machine.PID() == pid
		if same || o.machine.Settled() && o.source == source && o.format == format {
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
	best, tied := s.best(line, source)
	switch {
	case best == nil:
		if mayTell {
			s.tell(line)
		}
	case tied && announces(best.machine) && len(s.held) < maxOpen:
		line.Text = bytes.Clone(line.Text)
		s.held = append(s.held, heldLine{line, bytes.Clone(source)})
	default:
		s.watch(best, line, source, tied)
		s.feedHeading(best, line)
		s.feed(best, line)
	}
	s.endStale()
}

// best answers the report that the line continues best, and whether others
// fit as well: then the one that was fed last.
func (s *session) best(line stackline.Line, source []byte) (best *openReport, tied bool) {
	bestFit := stackline.FitNone
	for i := len(s.open) - 1; i >= 0; i-- {
		o := s.open[i]
		fit := s.fit(o, line, source)
		switch {
		case fit == stackline.FitNone || fit < bestFit:
		case fit > bestFit:
			best, bestFit, tied = o, fit, false
		default:
			tied = true
			if s.takeTurns(o, best) {
				best = o
			}
		}
	}
	return best, tied
}

func (s *session) fit(o *openReport, line stackline.Line, source []byte) stackline.Fit {
	if apart(o.source, source) {
		return stackline.FitNone
	}
	line.Text = line.Text[marginLength(line.Text, o.margin):]
	fit := o.machine.Fit(line)
	if fit != stackline.FitNone && o.source != "" && o.source == string(source) {
		fit += stackline.FitCertain
	}
	return fit
}

// feed gives the line to a report that was just asked whether it fits.
func (s *session) feed(o *openReport, line stackline.Line) {
	at := slices.Index(s.open, o)
	o.before, o.line = o.line, s.number
	s.open = append(slices.Delete(s.open, at, at+1), o)
	if o.machine.Feed(line) {
		s.end(len(s.open)-1, "")
	} else {
		s.take(o.machine)
	}
}

// heldLine is a heading that several reports wait for. The address of the
// first frame below it decides whose it is.
type heldLine struct {
	line   stackline.Line
	source []byte
}

func announces(m machine) bool {
	heading, ok := m.(interface{ Announces() bool })
	return ok && heading.Announces()
}

// feedHeading gives a report whose stack begins the heading that was held
// back, and asks it about the line again.
func (s *session) feedHeading(o *openReport, line stackline.Line) {
	if len(s.held) == 0 {
		return
	}
	if mark, ok := stackline.Find(line); !ok || mark.Index != 0 {
		return
	}
	for i, held := range s.held {
		if s.fit(o, held.line, held.source) != stackline.FitNone {
			o.machine.Feed(held.line)
			s.held = slices.Delete(s.held, i, i+1)
			break
		}
	}
	s.fit(o, line, nil)
}

// takeTurns says whether the last two lines went to older and then to newer,
// so that it is older's turn. A report that has the last two lines keeps on.
func (s *session) takeTurns(older, newer *openReport) bool {
	return newer.line == s.number-1 && older.line == s.number-2 && newer.before > 0 && newer.before < older.line
}

// threadReason is said once for each report of ThreadSanitizer: its stack
// lines name no addresses.
const threadReason = "a ThreadSanitizer report stands here: this version does not read ThreadSanitizer's reports"

// tell notes lines that say that a report is missing.
func (s *session) tell(line stackline.Line) {
	switch {
	case line.Unterminated && (bytes.Contains(line.Text, []byte("ERROR: ")) || bytes.Contains(line.Text, []byte("WARNING: MemorySanitizer: ")) || bytes.Contains(line.Text, []byte(": runtime error: "))):
		s.addPartial(line.OffsetBytes, "the log ends within a line that may begin a report")
	case lsan.Fatal(line):
		s.addPartial(line.OffsetBytes, "LeakSanitizer failed and did not look for leaks (it cannot run under ptrace: gdb, strace)")
	case bytes.Contains(line.Text, []byte("WARNING: ThreadSanitizer: ")):
		s.threads++
		s.addPartial(line.OffsetBytes, threadReason)
	case bytes.Contains(line.Text, []byte("SUMMARY: ThreadSanitizer: ")):
		if s.threads == 0 {
			s.addPartial(line.OffsetBytes, threadReason)
		}
		s.threads = max(s.threads-1, 0)
	case bytes.Contains(line.Text, []byte("SUMMARY: ")) && bytes.Contains(line.Text, []byte("Sanitizer: ")) && !s.summarized():
		s.addPartial(line.OffsetBytes, "a report ends here whose beginning is missing")
	}
}

// summarized says whether a report has its SUMMARY and still waits for its
// last words: of two equal ones that are mixed, each may have the other's.
func (s *session) summarized() bool {
	return slices.ContainsFunc(s.open, func(o *openReport) bool { return o.format == "asan" && o.machine.Settled() })
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

// endSettled ends the reports that have all they need, at a pause of the log.
func (s *session) endSettled() {
	for i := 0; i < len(s.open); {
		if s.open[i].machine.Settled() {
			s.end(i, "")
			continue
		}
		i++
	}
}

func (s *session) end(i int, why string) { s.close(i, why, false) }

func (s *session) close(i int, why string, atEnd bool) {
	m := s.open[i].machine
	s.open = slices.Delete(s.open, i, i+1)
	offset, pending := m.Pending()
	missing := m.End(why, atEnd)
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
		s.close(0, why, s.open[0].line >= s.whole)
	}
}

// take collects the complete reports of a machine, by where they begin.
func (s *session) take(m machine) {
	for _, unread := range m.Unread() {
		s.addPartial(unread.OffsetBytes, unread.Reason)
	}
	for _, report := range m.Take() {
		at, _ := slices.BinarySearchFunc(s.waiting, report.Source.OffsetBytes, func(r model.Report, offset int64) int {
			return int(min(max(r.Source.OffsetBytes-offset, -1), 1))
		})
		s.waiting = slices.Insert(s.waiting, at, report)
	}
}

// flush emits what no open report comes before.
func (s *session) flush() error {
	emitted := 0
	defer func() { s.waiting = slices.Delete(s.waiting, 0, emitted) }()
	for emitted < len(s.waiting) {
		if first, ok := s.firstPending(); ok && s.waiting[emitted].Source.OffsetBytes > first {
			if len(s.waiting)-emitted <= maxWaiting {
				return nil
			}
			s.endFirst()
			continue
		}
		report := s.waiting[emitted]
		emitted++
		s.emitted++
		if err := s.emit(report); err != nil {
			return err
		}
	}
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
