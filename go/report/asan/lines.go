package asan

import (
	"bytes"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

// event is what a line of a report means.
type event int

const (
	eventNone event = iota // not a line of a report
	eventBlank
	eventFrame
	eventBroken     // a stack line that cannot be read
	eventAccess     // "READ of size 1 at 0x… thread T0"
	eventSignal     // "The signal is caused by a READ memory access."
	eventFree       // "freed by thread T0 here:"
	eventAllocation // "allocated by thread T0 here:"
	eventThread     // "Thread T1 created by T0 here:"
	eventLocated    // an explanation that a stack follows
	eventOrigin     // "Uninitialized value was created by a heap allocation"
	eventEmptyStack
	eventDetail
	eventSummary
	eventAbort
)

var (
	wordSummary    = []byte("SUMMARY: ")
	wordAborting   = []byte("ABORTING")
	wordHere       = []byte(" here:")
	wordFreed      = []byte("freed by thread ")
	wordAllocated  = []byte("allocated by thread ")
	wordCreated    = []byte(" created by ")
	wordOfSize     = []byte(" of size ")
	wordEmptyStack = []byte("<empty stack>")
	wordHint       = []byte("HINT: ")
)

// classify reads what a line means. afterwards says that the SUMMARY was
// read. text has no "==PID==".
func classify(text []byte, afterwards bool, tool string) event {
	trimmed := bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(trimmed, wordAborting):
		return eventAbort
	case afterwards:
		if tool == memoryTool && string(trimmed) == "Exiting" {
			return eventAbort
		}
		if bytes.HasPrefix(trimmed, wordHint) {
			return eventDetail
		}
		return eventNone
	case bytes.HasPrefix(trimmed, wordSummary):
		if bytes.HasPrefix(trimmed[len(wordSummary):], []byte(tool)) && summaryKind(trimmed) != "" {
			return eventSummary
		}
		return eventNone
	case bytes.HasSuffix(trimmed, wordHere):
		switch {
		case bytes.Contains(trimmed, wordFreed):
			return eventFree
		case bytes.Contains(trimmed, wordAllocated):
			return eventAllocation
		case bytes.Contains(trimmed, wordCreated):
			return eventThread
		}
	case isAccess(trimmed):
		return eventAccess
	case bytes.HasPrefix(trimmed, []byte("The signal is caused by a ")):
		return eventSignal
	case bytes.HasPrefix(trimmed, wordEmptyStack):
		return eventEmptyStack
	case tool == memoryTool && isOrigin(trimmed):
		return eventOrigin
	}
	return classifyDetail(text, trimmed)
}

// The explaining lines, by how they begin (the margin is cut off) and by what
// they hold. Lines beyond these are foreign: a program may print anything
// between.
var (
	detailStarts = [][]byte{
		wordHint, []byte("Hint: "), []byte("Address 0x"), []byte("This frame has "), []byte("Memory access at offset "),
		[]byte("object passed to delete has wrong type"), []byte("size of the "), []byte("alignment of the "),
		[]byte("(longjmp and C++ exceptions"), []byte("This could be caused by "), []byte("beg     "), []byte("end     "),
		[]byte("old_mid "), []byte("new_mid "), []byte("If you suspect a false positive see also: "),
		[]byte("These globals were registered at these points"), []byte("ASan shadow was supposed to be located"),
		[]byte("This might be related to "), []byte("Fake frame "), []byte("Unspecified "),
	}
	detailParts = [][]byte{
		[]byte(" is located "), []byte(" is ascii string "), []byte("can not describe address in more detail"),
		[]byte("can not provide additional info"), []byte("can't parse the stack frame descriptor"),
		[]byte(" created by unknown thread"), []byte("is a wild pointer inside of access range"),
	}
)

func classifyDetail(text, trimmed []byte) event {
	if isVariable(trimmed) {
		return eventDetail
	}
	switch string(trimmed) {
	case "registered at:":
		return eventLocated
	}
	if registrationPoint(trimmed) {
		return eventLocated
	}
	for _, start := range detailStarts {
		if bytes.HasPrefix(trimmed, start) {
			if bytes.HasSuffix(trimmed, []byte(" in frame")) {
				return eventLocated
			}
			return eventDetail
		}
	}
	for _, part := range detailParts {
		if bytes.Contains(trimmed, part) {
			return eventDetail
		}
	}
	if len(text) > 0 && bytes.HasPrefix(trimmed, []byte("Thread T")) && bytes.Contains(trimmed, wordCreated) {
		return eventDetail
	}
	return eventNone
}

// isOrigin accepts the headings of MemorySanitizer's further stacks.
func isOrigin(text []byte) bool {
	return bytes.HasPrefix(text, []byte("Uninitialized value was ")) || bytes.HasPrefix(text, []byte("Memory was marked as uninitialized"))
}

// originRole is what the stack below such a heading shows.
func originRole(text []byte) model.Role {
	switch {
	case bytes.HasSuffix(text, []byte("by a heap allocation")):
		return model.RoleAllocation
	case bytes.HasSuffix(text, []byte("by a heap deallocation")):
		return model.RoleFree
	}
	return model.RoleOther
}

// isVariable accepts the variables of a stack frame, "[32, 48) 'x' (line 19)",
// and the globals of an ODR violation, "[1] size=4 'x' a.c:1:5".
func isVariable(text []byte) bool {
	if len(text) < 3 || text[0] != '[' {
		return false
	}
	_, length := stackline.Decimal(text[1:])
	rest := text[1+length:]
	if length == 0 {
		return false
	}
	if bytes.HasPrefix(rest, []byte("] size=")) {
		return true
	}
	if !bytes.HasPrefix(rest, []byte(", ")) {
		return false
	}
	_, length = stackline.Decimal(rest[2:])
	return length > 0 && bytes.HasPrefix(rest[2+length:], []byte(") "))
}

// registrationPoint accepts "[1]:", before each stack of an ODR violation.
func registrationPoint(text []byte) bool {
	if len(text) < 4 || text[0] != '[' {
		return false
	}
	_, length := stackline.Decimal(text[1:])
	return length > 0 && string(text[1+length:]) == "]:"
}

// isAccess accepts "READ of size 4 at 0x… thread T0".
func isAccess(text []byte) bool {
	at := bytes.Index(text, wordOfSize)
	if at < 0 {
		return false
	}
	word := text[:at]
	if !bytes.Equal(word, []byte("READ")) && !bytes.Equal(word, []byte("WRITE")) {
		return false
	}
	_, length := stackline.Decimal(text[at+len(wordOfSize):])
	return length > 0
}

// readAccess takes type and size from a line that isAccess accepted.
func (r *Report) readAccess(text []byte) {
	at := bytes.Index(text, wordOfSize)
	size, _ := stackline.Decimal(text[at+len(wordOfSize):])
	r.report.Access = &model.Access{Type: accessType(text), SizeBytes: size}
}

// readSignal takes the type of access that raised a signal; its size is not
// known.
func (r *Report) readSignal(text []byte) {
	text = bytes.TrimPrefix(text, []byte("The signal is caused by a "))
	if kind := accessType(text); kind != "" && r.report.Access == nil {
		r.report.Access = &model.Access{Type: kind}
	}
}

func accessType(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte("READ")):
		return "read"
	case bytes.HasPrefix(text, []byte("WRITE")):
		return "write"
	}
	return ""
}

// summaryKind reads the kind of "SUMMARY: AddressSanitizer: KIND …", empty if
// the line is no such SUMMARY (LeakSanitizer's begins with a number).
func summaryKind(text []byte) string {
	at := bytes.Index(text, wordSummary)
	if at < 0 {
		return ""
	}
	_, rest, ok := bytes.Cut(text[at+len(wordSummary):], []byte("Sanitizer: "))
	if !ok {
		return ""
	}
	kind, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kind = bytes.TrimSuffix(kind, []byte(":"))
	if len(kind) == 0 || len(kind) > maxKindBytes || kind[0] >= '0' && kind[0] <= '9' {
		return ""
	}
	return string(kind)
}

// plausible are the kinds that a header always names like the SUMMARY: a
// different SUMMARY belongs to another report.
var plausible = map[string]bool{
	"heap-use-after-free": true, "heap-buffer-overflow": true, "stack-buffer-overflow": true,
	"stack-buffer-underflow": true, "dynamic-stack-buffer-overflow": true, "global-buffer-overflow": true,
	"stack-use-after-return": true, "stack-use-after-scope": true, "use-after-poison": true, "container-overflow": true,
	"double-free": true, "bad-free": true, "alloc-dealloc-mismatch": true, "new-delete-type-mismatch": true,
	"SEGV": true, "FPE": true, "ILL": true, "BUS": true, "stack-overflow": true,
}
