// Package profile writes a hunt in the formats of other people's tools: pprof's
// profile.proto, Brendan Gregg's folded stacks, speedscope's JSON. All three
// add up what every allocation site holds; what only time tells (growth) they
// cannot say. What is live is what a site held before its program, as it ended,
// gave all back (model.Hunt.HeldBytes). Text of strangers is written as render.Printable makes it, since
// these tools print it as it is.
package profile

import (
	"fmt"
	"math"
	"path"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// Value is what of an allocation site is added up, by the name that pprof has for it.
type Value string

// The values of allocation sites.
const (
	AllocatedBlocks Value = "alloc_objects"
	AllocatedBytes  Value = "alloc_space"
	LiveBlocks      Value = "inuse_objects"
	LiveBytes       Value = "inuse_space"
)

// Values are all values, in the order in which Go's own heap profiles have them.
func Values() []Value {
	return []Value{AllocatedBlocks, AllocatedBytes, LiveBlocks, LiveBytes}
}

// of is the value of s, which held so much.
func (v Value) of(s *model.Sample, held uint64) uint64 {
	switch v {
	case AllocatedBlocks:
		return s.Allocations
	case AllocatedBytes:
		return s.AllocatedBytes
	case LiveBlocks:
		return s.LiveCount()
	}
	return held
}

func (v Value) isBytes() bool { return v == AllocatedBytes || v == LiveBytes }

// title is what v is called where people choose it.
func (v Value) title() string {
	return map[Value]string{
		AllocatedBlocks: "blocks allocated", AllocatedBytes: "bytes allocated",
		LiveBlocks: "blocks live", LiveBytes: "bytes live",
	}[v]
}

// clamped is n in the type that profile.proto has for values.
func clamped(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// noStack names what holds the memory of a site whose stack was not kept: it
// would else vanish from every sum.
const noStack = "[no stack]"

// framesOf are the frames of a site, one at least.
func framesOf(s *model.Sample) []model.Frame {
	if len(s.Stack.Frames) > 0 {
		return s.Stack.Frames
	}
	return []model.Frame{{Function: noStack}}
}

// processRoots gives each process a name to stand below its stacks, where a hunt
// has more than one; else none.
func processRoots(h *model.Hunt) []string {
	if len(h.Processes) < 2 {
		return nil
	}
	roots := make([]string, len(h.Processes))
	for i := range h.Processes {
		p := &h.Processes[i]
		name := "process"
		if len(p.Arguments) > 0 && p.Arguments[0] != "" {
			name = render.Printable(path.Base(p.Arguments[0]))
		}
		roots[i] = fmt.Sprintf("%s (%d)", name, p.PID)
	}
	return roots
}

// rootOf is the name of the process of s, empty where there is none to name.
func rootOf(roots []string, s *model.Sample) string {
	if s.Process < 0 || s.Process >= len(roots) {
		return ""
	}
	return roots[s.Process]
}
