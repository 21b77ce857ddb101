package trace

import (
	"encoding/hex"
	"fmt"

	"github.com/ffikit/ffikit/go/model"
)

// Evidence is what the companion recorded in one process.
type Evidence struct {
	// Name is the file's, as in partial entries.
	Name string
	// PID is the process, Machine its architecture as ELF's e_machine,
	// StartTimeNS when it started, in nanoseconds since 1970.
	PID         int
	Machine     uint32
	StartTimeNS uint64

	// ReportStacks says which stack belongs to which report, in the file's order.
	ReportStacks []ReportStack
	// Notes are the companion's own words on what it could not do.
	Notes []string
	// Statistics are nil where the process did not end in an orderly way.
	Statistics *Statistics

	modules []module
	sites   []site
	stacks  []stack
}

// Role says what a stack tells about its report.
type Role uint32

// The roles of report-stacks.
const (
	RoleFault Role = iota
	RoleFree
	RoleAllocation
	RoleThread
	RoleLeak
	rolesKnown
)

// ReportStack joins a stack to a report of the process.
type ReportStack struct {
	// Sequence counts the process's reports, in the order of its log.
	Sequence uint32
	Role     Role
	// ThreadID is the kernel's.
	ThreadID uint32
	// Stack is what Evidence.Frames takes.
	Stack uint32
	// AbsAddr is what the report is about (for free, allocation and leak the
	// start of the block), PC what the sanitizer takes for the fault's place;
	// 0 is none.
	AbsAddr model.AbsAddr
	PC      model.AbsAddr
	// Kind is the sanitizer's term for the report; of a thread its name there.
	Kind string
}

// Statistics count what the companion saw in a process.
type Statistics struct {
	Mallocs, Frees, Stacks uint64
	// Lost hooks could not record a stack.
	Lost uint64
}

type module struct {
	path, buildID string
	bias          uint64
}

type site struct {
	function, file     string
	line, functionLine uint32
}

type stack struct {
	words []uint64
	// owners are the modules of the frames, their index + 1; 0: none.
	owners []uint32
	end    uint32
	// dropped frames are beyond the reader's limit.
	dropped uint32
	known   bool
}

const (
	isPython = 1 << 63
	isExact  = 1 << 62
	siteMask = 1<<32 - 1
)

// lookup is the address to look up for a frame of native code.
func lookup(word uint64) uint64 {
	if word&isExact != 0 {
		return word &^ isExact
	}
	return word - 1
}

// Frames gives the frames of a stack, leaf first, and why it ends before its
// root, empty if it does not. ok is false where the file has no such stack. The
// frames are the caller's.
func (e *Evidence) Frames(id uint32) (frames []model.Frame, truncated string, ok bool) {
	if uint64(id) >= uint64(len(e.stacks)) || !e.stacks[id].known {
		return nil, "", false
	}
	s := &e.stacks[id]
	frames = make([]model.Frame, 0, len(s.words))
	for i, word := range s.words {
		switch {
		case word&isPython != 0:
			frames = append(frames, e.pythonFrame(word&siteMask))
		case s.owners[i] != 0:
			m := &e.modules[s.owners[i]-1]
			frames = append(frames, model.Frame{
				Module: m.path, BuildID: m.buildID,
				VirtAddr: model.VirtAddr(lookup(word) - m.bias), AbsAddr: model.AbsAddr(lookup(word)),
			})
		default:
			frames = append(frames, model.Frame{AbsAddr: model.AbsAddr(lookup(word))})
		}
	}
	if s.dropped > 0 {
		return frames, fmt.Sprintf("the stack is too deep: %d more frames are left out", s.dropped), true
	}
	return frames, endReason(s.end), true
}

func (e *Evidence) pythonFrame(id uint64) model.Frame {
	if id >= uint64(len(e.sites)) {
		return model.Frame{Language: model.LanguagePython}
	}
	s := &e.sites[id]
	return model.Frame{
		Function: s.function, Language: model.LanguagePython,
		File: s.file, Line: int(s.line), FunctionLine: int(s.functionLine),
	}
}

// endReasons are the words for the end reasons of FORMAT.md, by their number.
var endReasons = [...]string{
	"",
	"the stack is deeper than the companion records: the outer callers are left out",
	"the companion cannot walk through code that is in no loaded module (made at run time, or unloaded): the callers are unknown",
	"the companion cannot walk through code without unwind information (.eh_frame): the callers are unknown",
	"the companion cannot read the unwind information (.eh_frame) of this code: the callers are unknown",
	"the companion found no readable stack here: the callers are unknown",
	"the stack is damaged here: the callers are unknown",
	"the companion does not know how this version of Go calls here: the callers are unknown",
	"too many threads faulted at once for the companion to walk on: the callers are unknown",
	"the companion was not ready yet: the callers are unknown",
}

// endDamaged is the reader's own, for a stack whose record is too short.
const endDamaged = 1<<32 - 1

func endReason(end uint32) string {
	if end == endDamaged {
		return "the evidence is damaged here: the callers are unknown"
	}
	if uint64(end) < uint64(len(endReasons)) {
		return endReasons[end]
	}
	return fmt.Sprintf("the companion ended the walk for a reason that this version does not know (%d): the callers are unknown", end)
}

func buildIDOf(raw []byte) string { return hex.EncodeToString(raw) }
