package asan

import (
	"bytes"

	"github.com/ffikit/ffikit/go/report/stackline"
)

// header is the line that opens a report.
type header struct {
	pid     int
	tool    string
	message []byte // what follows the tool
	kind    string // the tool's own term, or our best reading of the message
	sure    bool   // the kind is a term of the tool's SUMMARY
	address *uint64
	pc      uint64
}

var (
	errorWord  = []byte("ERROR: ")
	memoryWord = []byte("WARNING: " + memoryTool + ": ")
	sanitizer  = []byte("Sanitizer")
	checkWord  = []byte("CHECK failed:")
	shadowWord = []byte("Shadow memory range interleaves")
)

// memoryTool is the one tool that calls its findings warnings and prints them
// in this form.
const memoryTool = "MemorySanitizer"

// shadowKind names the start-up failure that has no kind of its own: no
// SUMMARY follows it.
const shadowKind = "shadow-memory-range-interleaves"

// checkKind names a failed assertion of the runtime itself.
const checkKind = "CHECK-failed"

// parseHeader reads "==PID==ERROR: AddressSanitizer: MESSAGE" and the three
// forms that are not errors of the program: a failed CHECK, a failed start,
// a failed mmap. Any tool that ends in "Sanitizer" is taken by its name,
// since all of them report signals alike. A header that was cut before its
// kind is complete is refused.
func parseHeader(line stackline.Line) (header, bool) {
	text := line.Text
	var h header
	switch {
	case bytes.Contains(text, shadowWord):
		at := bytes.Index(text, shadowWord)
		_, pid, ok := stackline.LastPID(text, at)
		if !ok {
			return h, false
		}
		return header{pid: pid, tool: "AddressSanitizer", message: text[at:], kind: shadowKind, sure: true}, true
	case bytes.Contains(text, checkWord):
		return parseCheck(text)
	}
	at, word := bytes.Index(text, errorWord), errorWord
	if at < 0 {
		at, word = bytes.Index(text, memoryWord), []byte("WARNING: ")
	}
	if at < 0 {
		return h, false
	}
	_, h.pid, _ = stackline.LastPID(text, at)
	rest := text[at+len(word):]
	end := bytes.Index(rest, sanitizer)
	if end < 0 || bytes.IndexByte(rest[:end], ' ') >= 0 || end > 32 {
		return h, false
	}
	end += len(sanitizer)
	tool, ok := toolName(rest[:end])
	if !ok {
		return h, false
	}
	h.tool = tool
	rest = rest[end:]
	if !bytes.HasPrefix(rest, []byte(": ")) && !bytes.HasPrefix(rest, []byte(" failed to ")) {
		return h, false
	}
	h.message = bytes.TrimSpace(bytes.TrimPrefix(rest, []byte(":")))
	if len(h.message) == 0 || h.tool == "LeakSanitizer" && bytes.HasPrefix(h.message, []byte("detected memory leaks")) {
		return h, false
	}
	var complete bool
	h.kind, h.sure, complete = kindOf(h.message)
	if !line.Whole() && !complete {
		return h, false
	}
	h.readAddresses(line.Whole())
	return h, true
}

// toolName accepts one word of letters. The known names cost no allocation.
func toolName(word []byte) (string, bool) {
	if string(word) == "AddressSanitizer" {
		return "AddressSanitizer", true
	}
	for _, c := range word {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return "", false
		}
	}
	return string(word), true
}

// parseCheck reads "==PID==AddressSanitizer: CHECK failed: FILE:LINE …"; older
// runtimes leave the first colon out.
func parseCheck(text []byte) (header, bool) {
	at := bytes.Index(text, checkWord)
	before := bytes.TrimRight(text[:at], ": ")
	if !bytes.HasSuffix(before, sanitizer) {
		return header{}, false
	}
	start := len(before)
	for start > 0 && before[start-1] != '=' && before[start-1] != ' ' {
		start--
	}
	tool, ok := toolName(before[start:])
	if !ok {
		return header{}, false
	}
	_, pid, _ := stackline.LastPID(text, start)
	return header{pid: pid, tool: tool, message: text[at:], kind: checkKind, sure: true}, true
}

// messageKinds are the messages that do not begin with their kind, as
// asan_errors.cpp and sanitizer_allocator_report.cpp print them beside it.
var messageKinds = []struct{ message, kind string }{
	{"attempting free on address which was not malloc()-ed", "bad-free"},
	{"attempting to call malloc_usable_size()", "bad-malloc_usable_size"},
	{"attempting to call __sanitizer_get_allocated_size()", "bad-__sanitizer_get_allocated_size"},
	{"calloc parameters overflow", "calloc-overflow"},
	{"reallocarray parameters overflow", "reallocarray-overflow"},
	{"pvalloc parameters overflow", "pvalloc-overflow"},
	{"invalid allocation alignment", "invalid-allocation-alignment"},
	{"invalid alignment requested in aligned_alloc", "invalid-aligned-alloc-alignment"},
	{"invalid alignment requested in posix_memalign", "invalid-posix-memalign-alignment"},
	{"requested allocation size", "allocation-size-too-big"},
	{"specified RSS limit exceeded", "rss-limit-exceeded"},
	{"allocator exceeded the RSS limit", "rss-limit-exceeded"},
	{"out of memory", "out-of-memory"},
	{"allocator is out of memory", "out-of-memory"},
	{"failed to ", "out-of-memory"},
	{"bad parameters to __sanitizer_annotate_contiguous_container", "bad-__sanitizer_annotate_contiguous_container"},
	{"bad parameters to __sanitizer_annotate_double_ended_contiguous_container",
		"bad-__sanitizer_annotate_double_ended_contiguous_container"},
	{"nested bug in the same thread", "nested-bug"},
}

// kindOf reads the kind from a header's message. sure says that it is a word
// that only a tool would print; complete that no cut can have shortened it.
func kindOf(message []byte) (kind string, sure, complete bool) {
	for _, known := range messageKinds {
		if bytes.HasPrefix(message, []byte(known.message)) {
			return known.kind, true, true
		}
	}
	if rest, ok := bytes.CutPrefix(message, []byte("attempting ")); ok {
		message = rest
	}
	end := bytes.IndexAny(message, " :(,")
	word := message
	if end >= 0 {
		word = message[:end]
	}
	term := bytes.IndexByte(word, '-') > 0 || len(word) > 1 && bytes.Equal(word, bytes.ToUpper(word))
	if !term {
		// A sentence without a term: its first clause stands for the kind.
		if end = bytes.IndexAny(message, ":(,.0123456789"); end > 0 {
			message = message[:end]
		}
		word = bytes.TrimSpace(message[:min(len(message), maxKindBytes)])
	}
	word = word[:min(len(word), maxKindBytes)]
	return string(bytes.ToValidUTF8(word, []byte("\uFFFD"))), term, end >= 0
}

const maxKindBytes = 80

// noAddress are the kinds whose numbers are sizes.
var noAddress = map[string]bool{
	"allocation-size-too-big": true, "out-of-memory": true, "rss-limit-exceeded": true, "calloc-overflow": true,
	"reallocarray-overflow": true, "pvalloc-overflow": true, "invalid-allocation-alignment": true,
	"invalid-aligned-alloc-alignment": true, "invalid-posix-memalign-alignment": true, "negative-size-param": true,
	"nested-bug": true,
}

// readAddresses takes the address that the failure is about: the first one
// before the registers.
func (h *header) readAddresses(whole bool) {
	about := h.message
	if at := bytes.Index(about, []byte("pc 0x")); at >= 0 {
		h.pc, _ = stackline.Hex(about[at+3:])
		about = about[:at]
	}
	if noAddress[h.kind] {
		return
	}
	at := bytes.Index(about, []byte("0x"))
	if at < 0 {
		return
	}
	address, length := stackline.Hex(about[at:])
	if length == 0 || !whole && at+length == len(h.message) {
		return
	}
	h.address = &address
}
