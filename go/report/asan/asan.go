// Package asan reads the reports of AddressSanitizer, and the crash reports
// ("SEGV on unknown address …") and failed CHECKs of every sanitizer and the
// findings of MemorySanitizer, which have the same form.
//
// A Report is a pure state machine: lines enter, one model.Report leaves. It
// keeps functions, modules and addresses as printed. The formats are those of
// clang's and gcc's runtimes (asan_errors.cpp, asan_descriptions.cpp,
// sanitizer_symbolizer_report.cpp), read from their output.
package asan

import (
	"bytes"
	"fmt"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

// Report is one report that is being read.
type Report struct {
	header    header
	report    model.Report
	collector stackline.Collector

	event   event          // of the line that Fit last looked at
	body    []byte         // of that line, without "==PID=="
	mark    stackline.Mark // of that line
	located int            // how often it was said where the address lies
	summary bool           // the SUMMARY was read: only afterwords may come
	ended   bool
	taken   bool
	unread  string // what of the stacks is missing
}

// New begins a report if line is its header. name is the log's.
func New(line stackline.Line, name string) (*Report, bool) {
	h, ok := parseHeader(line)
	if !ok {
		return nil, false
	}
	r := &Report{header: h}
	message := bytes.TrimSuffix(bytes.TrimSpace(h.message), []byte(":"))
	r.report = model.Report{
		Tool:    h.tool,
		Kind:    h.kind,
		Message: r.collector.Strings.String(message[:min(len(message), maxMessageBytes)]),
		PID:     h.pid,
		Count:   1,
		Source:  model.Location{File: name, OffsetBytes: line.OffsetBytes},
	}
	r.header.message = nil // it lies in the reader's buffer
	if h.address != nil {
		address := model.AbsAddr(*h.address)
		r.report.AbsAddr = &address
	}
	if h.pc != 0 {
		r.collector.See(h.pc)
	}
	return r, true
}

const maxMessageBytes = 4096

// PID is the process that the report is of; 0 is unknown.
func (r *Report) PID() int { return r.header.pid }

// Patience says after how many lines that are not its own a report is over:
// long while it is incomplete, since other threads may print meanwhile; after
// the SUMMARY only the dump of the shadow memory (some 40 lines) lies between
// it and the last words.
func (r *Report) Patience() int {
	if r.Settled() {
		return 64
	}
	return 1000
}

// Settled says that the report can end here without loss. No SUMMARY follows
// a failed start or a failed CHECK.
func (r *Report) Settled() bool {
	return r.summary || r.header.kind == shadowKind || r.header.kind == checkKind && !r.collector.Open()
}

// Pending says where the report starts that is not complete yet.
func (r *Report) Pending() (offsetBytes int64, ok bool) {
	return r.report.Source.OffsetBytes, !r.ended
}

// Fit says how well line continues the report.
func (r *Report) Fit(line stackline.Line) stackline.Fit {
	r.event = eventNone
	if r.ended {
		return stackline.FitNone
	}
	pid, body := stackline.CutPID(line.Text)
	if pid != 0 && pid != r.header.pid {
		return stackline.FitNone
	}
	r.body = body
	if !r.summary {
		if mark, ok := stackline.Find(line); ok {
			r.mark, r.event = mark, eventFrame
			return r.collector.Fit(mark)
		}
		if stackline.Broken(line) {
			r.event = eventBroken
			return r.collector.FitBroken()
		}
		if line.Blank() {
			r.event = eventBlank
			if r.collector.Open() {
				return stackline.FitWeak
			}
			return 1
		}
	}
	r.event = classify(body, r.summary, r.report.Tool)
	fit := r.textFit()
	if pid != 0 && fit != stackline.FitNone {
		fit += stackline.FitCertain
	}
	return fit
}

// textFit weighs a line that is no frame.
func (r *Report) textFit() stackline.Fit {
	switch r.event {
	case eventNone:
		return stackline.FitNone
	case eventSummary:
		kind := summaryKind(r.body)
		switch {
		case kind == r.header.kind && r.namesLeaf():
			return stackline.FitGood + stackline.FitWeak
		case kind == r.header.kind:
			return stackline.FitGood
		case r.header.sure && plausible[r.header.kind]:
			return stackline.FitNone
		}
		return stackline.FitWeak
	case eventFree, eventAllocation:
		return r.headingFit()
	case eventAccess:
		if r.report.Access != nil {
			return stackline.FitNone
		}
		return r.addressFit()
	case eventDetail, eventLocated:
		return r.addressFit()
	}
	return stackline.FitGood
}

// Announces says whether the line that Fit last looked at is the heading of a
// stack. Its words fit any report; the stack's addresses do not.
func (r *Report) Announces() bool {
	return r.event == eventFree || r.event == eventAllocation || r.event == eventThread || r.event == eventOrigin
}

// headingFit weighs "freed by" and "allocated by", which follow where the
// address "is located", one after the other.
func (r *Report) headingFit() stackline.Fit {
	due := r.located > r.collector.Count(model.RoleAllocation)
	switch {
	case r.event == eventFree:
		due = due && r.collector.Count(model.RoleFree) == 0
	case bytes.Contains(r.body, []byte("previously ")):
		due = r.collector.Count(model.RoleFree) > 0
	}
	if due && !r.collector.Announced() {
		return stackline.FitGood
	}
	return stackline.FitWeak
}

// namesLeaf says whether the SUMMARY in body has the place of the fault.
func (r *Report) namesLeaf() bool {
	leaf, ok := r.collector.Leaf()
	if !ok {
		return false
	}
	if leaf.Module != "" {
		return bytes.Contains(r.body, fmt.Appendf(nil, "+0x%x)", uint64(leaf.VirtAddr)))
	}
	return leaf.File != "" && bytes.Contains(r.body, fmt.Appendf(nil, "%s:%d", leaf.File, leaf.Line))
}

// addressFit weighs a line that may name the report's address.
func (r *Report) addressFit() stackline.Fit {
	if r.report.AbsAddr == nil {
		return stackline.FitWeak
	}
	at := bytes.Index(r.body, []byte("0x"))
	if at < 0 {
		return stackline.FitWeak
	}
	if address, _ := stackline.Hex(r.body[at:]); address == uint64(*r.report.AbsAddr) {
		return stackline.FitGood + stackline.FitWeak
	}
	return stackline.FitWeak
}

// Feed takes the line that Fit was just asked about; done says that the
// report is over.
func (r *Report) Feed(line stackline.Line) (done bool) {
	text := bytes.TrimSpace(r.body)
	switch r.event {
	case eventFrame:
		r.collector.Add(r.mark)
	case eventBroken:
		r.collector.AddBroken()
	case eventBlank:
		r.collector.Blank()
	case eventAccess:
		r.readAccess(text)
		r.collector.Heading(model.RoleFault, text)
	case eventSignal:
		r.readSignal(text)
		r.collector.Detail(text)
	case eventFree:
		r.collector.Heading(model.RoleFree, trimColon(text))
	case eventAllocation:
		r.collector.Heading(model.RoleAllocation, trimColon(text))
	case eventThread:
		r.collector.Heading(model.RoleThread, trimColon(text))
	case eventLocated:
		if bytes.HasPrefix(text, []byte("Address ")) {
			r.collector.Detail(text)
		}
		r.collector.Heading(model.RoleOther, trimColon(text))
	case eventOrigin:
		r.collector.Heading(originRole(trimColon(text)), trimColon(text))
	case eventEmptyStack:
		r.collector.EmptyStack()
	case eventDetail:
		if bytes.Contains(text, []byte(" is located ")) {
			r.located++
		}
		r.collector.Detail(text)
	case eventSummary:
		r.readSummary(text, line)
	case eventAbort:
		r.finish("")
		return true
	}
	return false
}

func trimColon(text []byte) []byte { return bytes.TrimSuffix(text, []byte(":")) }

// readSummary takes the kind from the SUMMARY, which is the tool's last word
// on it, unless the log ends within the kind.
func (r *Report) readSummary(text []byte, line stackline.Line) {
	kind := summaryKind(text)
	complete := line.Whole() || bytes.Contains(text, []byte(kind+" ")) || kind == r.header.kind
	if kind != "" && complete {
		r.report.Kind = string(bytes.ToValidUTF8([]byte(kind), []byte("\uFFFD")))
	}
	r.collector.Blank()
	r.summary = true
}

// End ends the report at a place where none of its lines did, and says what
// is missing; it is empty if nothing is.
func (r *Report) End(why string, _ bool) string {
	if r.ended {
		return ""
	}
	if r.Settled() {
		r.finish("")
		return ""
	}
	r.finish(why)
	return fmt.Sprintf("the %s report %q is not complete: %s", r.report.Tool, r.report.Kind, why)
}

func (r *Report) finish(why string) {
	full := r.collector.Strings.Full()
	// The failures of the runtime itself need not have a stack.
	due := why == "" && r.header.kind != shadowKind && r.header.kind != checkKind
	r.unread = r.collector.Unread(fmt.Sprintf("the %s report %q", r.report.Tool, r.report.Kind), due)
	r.report.Stacks, r.report.Details = r.collector.Result(why)
	if full {
		r.report.Details = append(r.report.Details, "(the report is too large: some of its text is left out)")
	}
	r.ended = true
}

// Doubled says that the line that Fit last looked at begins a second stack
// where the first has not ended.
func (r *Report) Doubled() bool { return r.event == eventFrame && r.collector.Doubled(r.mark) }

// Unread hands over what the stacks of the complete report lack.
func (r *Report) Unread() []model.Partial {
	if r.unread == "" {
		return nil
	}
	unread := []model.Partial{{OffsetBytes: r.report.Source.OffsetBytes, Reason: r.unread}}
	r.unread = ""
	return unread
}

// Take hands over the report once it is complete.
func (r *Report) Take() []model.Report {
	if !r.ended || r.taken {
		return nil
	}
	r.taken = true
	return []model.Report{r.report}
}
