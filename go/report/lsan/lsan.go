// Package lsan reads the reports of LeakSanitizer: one model.Report for each
// leak ("Direct leak of 64 byte(s) in 2 object(s) allocated from:"), with the
// kind direct-leak or indirect-leak and the stack of the allocation.
//
// A Report is a pure state machine over one run of the leak check, from
// "detected memory leaks" to the SUMMARY. The format is that of clang's and
// gcc's runtimes (lsan_common.cpp), read from their output. What the check
// suppressed is not reported.
package lsan

import (
	"bytes"
	"fmt"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

var (
	headerWord  = []byte("ERROR: LeakSanitizer: detected memory leaks")
	fatalWord   = []byte("LeakSanitizer has encountered a fatal error")
	directWord  = []byte("Direct leak of ")
	indirectWd  = []byte("Indirect leak of ")
	summaryWord = []byte("SUMMARY: ")
	leakedWord  = []byte(" byte(s) leaked in ")
	objectsWord = []byte("Objects leaked above:")
	emptyStack  = []byte("<empty stack>")
)

// Report is one leak check that is being read.
type Report struct {
	name      string
	pid       int
	collector stackline.Collector
	leak      *model.Report // being read
	complete  []model.Report
	checked   bool // the header was seen
	start     int64

	event event // of the line that Fit last looked at
	body  []byte
	mark  stackline.Mark
	next  leakLine
	ended bool

	object  model.LeakedObject // of the line that Fit last looked at
	objects int                // of all leaks

	unread []model.Partial
}

type event int

const (
	eventNone event = iota
	eventBlank
	eventFrame
	eventBroken
	eventLeak
	eventEmptyStack
	eventObjects
	eventObject
	eventSummary
)

// New begins a leak check if line is its header, or a leak's own first line
// where a log lost its beginning. name is the log's.
func New(line stackline.Line, name string) (*Report, bool) {
	if at := bytes.Index(line.Text, headerWord); at >= 0 {
		_, pid, _ := stackline.LastPID(line.Text, at)
		return &Report{name: name, pid: pid, checked: true, start: line.OffsetBytes}, true
	}
	leak, ok := parseLeak(line)
	if !ok {
		return nil, false
	}
	r := &Report{name: name, start: line.OffsetBytes}
	r.begin(leak, line.OffsetBytes)
	return r, true
}

// Fatal says whether the line tells that the leak check itself failed, as it
// does under a debugger: then nothing is known about leaks.
func Fatal(line stackline.Line) bool { return bytes.Contains(line.Text, fatalWord) }

// PID is the process that was checked; 0 is unknown.
func (r *Report) PID() int { return r.pid }

// Patience says after how many lines that are not its own a check is over.
func (r *Report) Patience() int { return 1000 }

// Settled says that the check can end here without loss.
func (r *Report) Settled() bool { return r.ended }

// Pending says where the leak starts that is not complete yet.
func (r *Report) Pending() (offsetBytes int64, ok bool) {
	if r.leak == nil {
		return 0, false
	}
	return r.leak.Source.OffsetBytes, true
}

// Fit says how well line continues the check.
func (r *Report) Fit(line stackline.Line) stackline.Fit {
	r.event = eventNone
	if r.ended {
		return stackline.FitNone
	}
	pid, body := stackline.CutPID(line.Text)
	if pid != 0 && pid != r.pid {
		return stackline.FitNone
	}
	r.body = bytes.TrimSpace(body)
	if mark, ok := stackline.Find(line); ok {
		if r.leak == nil {
			return stackline.FitNone
		}
		r.mark, r.event = mark, eventFrame
		return r.collector.Fit(mark)
	}
	if r.leak != nil && stackline.Broken(line) {
		r.event = eventBroken
		return r.collector.FitBroken()
	}
	switch {
	case line.Blank():
		r.event = eventBlank
		if r.collector.Open() {
			return stackline.FitWeak
		}
		return 1
	case bytes.HasPrefix(r.body, summaryWord) && bytes.Contains(r.body, leakedWord):
		r.event = eventSummary
	case bytes.HasPrefix(r.body, objectsWord):
		r.event = eventObjects
	case bytes.HasPrefix(r.body, emptyStack):
		r.event = eventEmptyStack
	case r.isObject(r.body):
		r.event = eventObject
	default:
		leak, ok := parseLeak(line)
		if !ok {
			return stackline.FitNone
		}
		r.next, r.event = leak, eventLeak
	}
	return stackline.FitGood
}

// Feed takes the line that Fit was just asked about; done says that the check
// is over.
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
	case eventObjects, eventObject:
		if r.leak == nil {
			break
		}
		r.collector.Blank()
		r.collector.Detail(r.body)
		if r.event == eventObject && r.objects < maxObjects {
			r.objects++
			r.leak.Leaked.Objects = append(r.leak.Leaked.Objects, r.object)
		}
	case eventLeak:
		r.close("")
		r.begin(r.next, line.OffsetBytes)
	case eventSummary:
		r.close("")
		r.ended = true
	}
	return r.ended
}

// End ends the check at a place where none of its lines did, and says what is
// missing; it is empty if nothing is.
func (r *Report) End(why string, _ bool) string {
	if r.ended {
		return ""
	}
	r.ended = true
	r.close(why)
	if !r.checked && why != "" {
		return fmt.Sprintf("the LeakSanitizer report has neither its beginning nor its end: %s", why)
	}
	return fmt.Sprintf("the LeakSanitizer report is not complete: %s", why)
}

// Take hands over the leaks that are complete.
func (r *Report) Take() []model.Report {
	complete := r.complete
	r.complete = nil
	return complete
}

// Doubled says that the line that Fit last looked at begins a second stack
// where the first has not ended.
func (r *Report) Doubled() bool { return r.event == eventFrame && r.collector.Doubled(r.mark) }

// Unread hands over what the stacks of the complete leaks lack.
func (r *Report) Unread() []model.Partial {
	unread := r.unread
	r.unread = nil
	return unread
}

func (r *Report) begin(leak leakLine, offsetBytes int64) {
	r.collector = stackline.Collector{}
	r.leak = &model.Report{
		Tool:    "LeakSanitizer",
		Kind:    leak.kind,
		Message: r.collector.Strings.String(leak.text),
		PID:     r.pid,
		Leaked:  &model.Leaked{SizeBytes: leak.sizeBytes, ObjectsCount: leak.objectsCount},
		Count:   1,
		Source:  model.Location{File: r.name, OffsetBytes: offsetBytes},
	}
	r.collector.Heading(model.RoleAllocation, leak.text)
}

func (r *Report) close(why string) {
	if r.leak == nil {
		return
	}
	if unread := r.collector.Unread(fmt.Sprintf("the %s report %q", r.leak.Tool, r.leak.Kind), why == ""); unread != "" {
		r.unread = append(r.unread, model.Partial{OffsetBytes: r.leak.Source.OffsetBytes, Reason: unread})
	}
	r.leak.Stacks, r.leak.Details = r.collector.Result(why)
	r.complete = append(r.complete, *r.leak)
	r.leak = nil
}

type leakLine struct {
	kind         string
	text         []byte
	sizeBytes    uint64
	objectsCount uint64
}

// parseLeak reads "Direct leak of 64 byte(s) in 2 object(s) allocated from:".
func parseLeak(line stackline.Line) (leakLine, bool) {
	text := bytes.TrimSpace(line.Text)
	leak := leakLine{kind: "direct-leak"}
	at, word := bytes.Index(text, directWord), directWord
	if at < 0 {
		at, word = bytes.Index(text, indirectWd), indirectWd
		leak.kind = "indirect-leak"
	}
	if at < 0 {
		return leak, false
	}
	leak.text = bytes.TrimSuffix(text[at:], []byte(" allocated from:"))
	if len(leak.text) == len(text[at:]) {
		return leak, false
	}
	rest := text[at+len(word):]
	var length int
	if leak.sizeBytes, length = stackline.Decimal(rest); length == 0 {
		return leak, false
	}
	rest, ok := bytes.CutPrefix(rest[length:], []byte(" byte(s) in "))
	if !ok {
		return leak, false
	}
	if leak.objectsCount, length = stackline.Decimal(rest); length == 0 {
		return leak, false
	}
	return leak, bytes.HasPrefix(rest[length:], []byte(" object(s)"))
}

// maxObjects bounds the objects that are kept of one check.
const maxObjects = 1 << 20

// isObject accepts a line of LSAN_OPTIONS=report_objects=1, "0x… (64 bytes)",
// and keeps what it says.
func (r *Report) isObject(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("0x")) || !bytes.HasSuffix(text, []byte(" bytes)")) {
		return false
	}
	address, length := stackline.Hex(text)
	if length == 0 || !bytes.HasPrefix(text[length:], []byte(" (")) {
		return false
	}
	size, digits := stackline.Decimal(text[length+2:])
	r.object = model.LeakedObject{AbsAddr: model.AbsAddr(address), SizeBytes: size}
	return digits > 0
}
