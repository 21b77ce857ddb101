// Package ubsan reads the reports of UndefinedBehaviorSanitizer:
// "FILE:LINE:COLUMN: runtime error: MESSAGE", the notes after it, and the
// stack and SUMMARY where the options asked for them. The lines name no
// process. A finding without a stack gets a fault stack of one frame, which
// is the place in its first line.
//
// A Report is a pure state machine over one finding. The format is that of
// clang's and gcc's runtimes (ubsan_diag.cpp), read from their output.
package ubsan

import (
	"bytes"
	"fmt"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

var (
	errorWord   = []byte(": runtime error: ")
	noteWord    = []byte(": note: ")
	summaryWord = []byte("SUMMARY: UndefinedBehaviorSanitizer: ")
	emptyStack  = []byte("<empty stack>")
)

// maxMessageBytes bounds a message; type names may be long.
const maxMessageBytes = 4096

// Report is one finding that is being read.
type Report struct {
	report    model.Report
	place     model.Frame // of the first line
	collector stackline.Collector

	event event // of the line that Fit last looked at
	body  []byte
	mark  stackline.Mark
	dump  int  // lines of a memory dump that may still come
	caret int  // the column at which the last of them pointed, 0 if it did not
	cut   bool // the log ends within the first line
	ended bool
	taken bool

	unread string // what of the stack is missing
}

type event int

const (
	eventNone event = iota
	eventBlank
	eventFrame
	eventBroken
	eventNote
	eventDump
	eventEmptyStack
	eventSummary
)

// New begins a finding if line is its first. name is the log's.
func New(line stackline.Line, name string) (*Report, bool) {
	at := bytes.Index(line.Text, errorWord)
	if at < 0 {
		return nil, false
	}
	message := bytes.TrimSpace(line.Text[at+len(errorWord):])
	message = message[:min(len(message), maxMessageBytes)]
	r := &Report{cut: line.Unterminated}
	kind := Kind(string(message))
	if !line.Whole() && !complete(string(message), kind) {
		return nil, false
	}
	if !r.readPlace(bytes.TrimSpace(line.Text[:at]), kind != Generic) || len(message) == 0 {
		return nil, false
	}
	r.report = model.Report{
		Tool:    "UndefinedBehaviorSanitizer",
		Kind:    kind,
		Message: r.collector.Strings.String(message),
		Count:   1,
		Source:  model.Location{File: name, OffsetBytes: line.OffsetBytes},
	}
	r.readAccess(message)
	return r, true
}

// readAccess takes type and address of an access from "load of misaligned
// address 0x…", "store to null pointer of type …" and their like.
func (r *Report) readAccess(message []byte) {
	var address uint64
	if at := bytes.Index(message, []byte(" address 0x")); at >= 0 {
		digits := message[at+len(" address "):]
		var length int
		if address, length = stackline.Hex(digits); length == 0 || r.cut && length == len(digits) {
			return
		}
	} else if r.report.Kind != "null-pointer-use" {
		return
	}
	abs := model.AbsAddr(address)
	r.report.AbsAddr = &abs
	switch {
	case bytes.HasPrefix(message, []byte("load of ")):
		r.report.Access = &model.Access{Type: "read"}
	case bytes.HasPrefix(message, []byte("store to ")):
		r.report.Access = &model.Access{Type: "write"}
	}
}

// readPlace reads where the check stands: FILE:LINE:COLUMN, or, if the
// program holds no places, MODULE+OFFSET, an address, or <unknown>. A place
// without a column is also what other programs print before "runtime error",
// so known says that the message is one of ours.
func (r *Report) readPlace(text []byte, known bool) bool {
	if bytes.Equal(text, []byte("<unknown>")) {
		return true
	}
	if frame, ok := stackline.Place(text, &r.collector.Strings); ok {
		r.place = frame
		return known || frame.Module != ""
	}
	// A logger's words before the place are not part of the path.
	if at := bytes.LastIndex(text, []byte(": ")); at >= 0 {
		text = text[at+2:]
	}
	file, line, column, count := stackline.Source(text)
	if count == 0 || count == 1 && !known || len(file) == 0 || line == 0 {
		return false
	}
	r.place = model.Frame{File: r.collector.Strings.String(file), Line: line, Column: column}
	return true
}

// PID is unknown: 0.
func (r *Report) PID() int { return 0 }

// Patience says after how many lines that are not its own a finding is over.
// The runtime prints all of one under a lock.
func (r *Report) Patience() int { return 64 }

// Settled says that the finding can end here without loss.
func (r *Report) Settled() bool { return !r.collector.Open() }

// Pending says where the finding starts, until it is complete.
func (r *Report) Pending() (offsetBytes int64, ok bool) {
	return r.report.Source.OffsetBytes, !r.ended
}

// Fit says how well line continues the finding.
func (r *Report) Fit(line stackline.Line) stackline.Fit {
	r.event = eventNone
	if r.ended {
		return stackline.FitNone
	}
	r.body = line.Text
	if mark, ok := stackline.Find(line); ok {
		fit := r.collector.Fit(mark)
		if mark.Index == 0 && r.collector.Stacks() > 0 {
			return stackline.FitNone // there is only one stack
		}
		r.mark, r.event = mark, eventFrame
		return fit
	}
	if stackline.Broken(line) {
		r.event = eventBroken
		return r.collector.FitBroken()
	}
	text := bytes.TrimSpace(line.Text)
	switch {
	case line.Blank():
		r.event = eventBlank
		if r.collector.Open() {
			return stackline.FitWeak
		}
		return 1
	case bytes.Contains(text, summaryWord):
		r.event = eventSummary
		return r.summaryFit(text)
	case bytes.Contains(text, noteWord):
		r.event = eventNote
	case r.dump > 0 && isDump(text, r.caret > 0 && margin(line.Text) == r.caret):
		r.event = eventDump
	case bytes.HasPrefix(text, emptyStack):
		r.event = eventEmptyStack
	default:
		return stackline.FitNone
	}
	return stackline.FitGood
}

// summaryFit prefers the finding whose place the SUMMARY repeats.
func (r *Report) summaryFit(text []byte) stackline.Fit {
	if r.place.File != "" && bytes.Contains(text, []byte(r.place.File)) {
		return stackline.FitGood
	}
	return stackline.FitWeak
}

// Feed takes the line that Fit was just asked about; done says that the
// finding is over.
func (r *Report) Feed(line stackline.Line) (done bool) {
	switch r.event {
	case eventFrame:
		r.collector.Add(r.mark)
	case eventBroken:
		r.collector.AddBroken()
	case eventBlank:
		r.collector.Blank()
	case eventEmptyStack:
		r.collector.EmptyStack()
	case eventNote:
		r.dump, r.caret = 3, 0
		r.collector.Detail(bytes.TrimSpace(r.body))
	case eventDump:
		r.dump--
		r.caret = max(bytes.IndexByte(r.body, '^'), 0)
		r.collector.Detail(bytes.TrimRight(r.body, " "))
	case eventSummary:
		r.readSummary(line)
		r.finish("")
		return true
	}
	return false
}

// readSummary takes the kind of a SUMMARY that names one
// (report_error_type=1).
func (r *Report) readSummary(line stackline.Line) {
	_, rest, _ := bytes.Cut(line.Text, summaryWord)
	kind, _, complete := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	if len(kind) == 0 || len(kind) > 80 || string(kind) == Generic || !complete && !line.Whole() {
		return
	}
	r.report.Kind = string(bytes.ToValidUTF8(kind, []byte("\uFFFD")))
}

// End ends the finding at a place where none of its lines did, and says what
// is missing; it is empty if nothing is. Only a stack has an end to miss, and
// only where the log itself ends (atEnd): some collectors drop the empty line
// behind a stack.
func (r *Report) End(why string, atEnd bool) string {
	if r.ended {
		return ""
	}
	incomplete := atEnd && (r.cut || r.collector.Open())
	if !incomplete {
		why = ""
	}
	r.finish(why)
	if !incomplete {
		return ""
	}
	return fmt.Sprintf("the UndefinedBehaviorSanitizer report %q is not complete: %s", r.report.Kind, why)
}

func (r *Report) finish(why string) {
	// Stacks are asked for by an option; the place in the first line is enough.
	placed := r.place.File != "" || r.place.Module != "" || r.place.AbsAddr != 0
	r.unread = r.collector.Unread(fmt.Sprintf("the %s report %q", r.report.Tool, r.report.Kind), !placed)
	r.report.Stacks, r.report.Details = r.collector.Result(why)
	r.ended = true
	if len(r.report.Stacks) == 0 && placed {
		r.report.Stacks = []model.Stack{{Role: model.RoleFault, Frames: []model.Frame{r.place}}}
		return
	}
	r.placeLeaf()
}

// placeLeaf gives the leaf of a stack without symbols the place of the first
// line, which is where the check stands.
func (r *Report) placeLeaf() {
	if len(r.report.Stacks) == 0 || len(r.report.Stacks[0].Frames) == 0 || r.place.File == "" {
		return
	}
	leaf := &r.report.Stacks[0].Frames[0]
	if leaf.File == "" {
		leaf.File, leaf.Line, leaf.Column = r.place.File, r.place.Line, r.place.Column
	}
}

// Doubled is false: a finding takes no second stack.
func (r *Report) Doubled() bool { return false }

// Unread hands over what the stack of the complete finding lacks.
func (r *Report) Unread() []model.Partial {
	if r.unread == "" {
		return nil
	}
	unread := []model.Partial{{OffsetBytes: r.report.Source.OffsetBytes, Reason: r.unread}}
	r.unread = ""
	return unread
}

// Take hands over the finding once it is complete.
func (r *Report) Take() []model.Report {
	if !r.ended || r.taken {
		return nil
	}
	r.taken = true
	return []model.Report{r.report}
}

// isDump accepts the lines after a note: bytes in hexadecimal, a caret below
// one of them, and what the caret points at, which alone may hold words.
func isDump(text []byte, words bool) bool {
	digits := 0
	for _, c := range text {
		switch {
		case c == ' ' || c == '^' || c == '~' || c == '?':
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			digits++
		case bytes.Equal(text, []byte("<memory cannot be printed>")):
			return true
		default:
			return words
		}
	}
	return digits%2 == 0
}

func margin(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " ")) }
