package model

import "time"

// Hunt is what was found of the memory that the processes of a program ask for
// and do not give back (JSON schema ffikit.hunt/1).
type Hunt struct {
	Processes []Process `json:"processes"`
	// Samples are the allocation sites, Growth those of them whose live memory
	// keeps rising, the worst first.
	Samples []Sample `json:"samples"`
	Growth  []Growth `json:"growth"`
	// Crossings are the same memory by the change of language that asked for it.
	Crossings []Crossing `json:"crossings"`
	Verdict   *Verdict   `json:"verdict,omitempty"`
	Partial   []Partial  `json:"partial,omitempty"`
}

// Process is one program that a process ran: exec begins another.
type Process struct {
	PID       int       `json:"pid"`
	ParentPID int       `json:"parent_pid,omitempty"`
	Arguments []string  `json:"arguments,omitempty"`
	Started   time.Time `json:"started"`
	// Ended is how it ended: "exited", "running", or empty: not in an orderly way, or unknown.
	Ended string `json:"ended,omitempty"`
	// SampleBytes is 0 where every allocation was tracked; else counts are estimates,
	// from one tracked allocation in about so many bytes.
	SampleBytes uint64 `json:"sample_bytes,omitempty"`
	// Timeline is what was seen of it while it ran, oldest first.
	Timeline []Moment `json:"timeline,omitempty"`
}

// Moment is the memory of a process at one time. 0 is unknown, but for Live and Mapped.
type Moment struct {
	SinceStart time.Duration `json:"since_start_ns"`
	// Live is what malloc and its kin have given and was not given back, Mapped
	// the same of mmap.
	LiveBytes   uint64 `json:"live_bytes"`
	MappedBytes uint64 `json:"mapped_bytes"`
	// RSS and PSS are the kernel's: resident, and its fair share of it.
	RSSBytes uint64 `json:"rss_bytes,omitempty"`
	PSSBytes uint64 `json:"pss_bytes,omitempty"`
	// Go's own: MemStats.Sys, HeapAlloc.
	GoSysBytes  uint64 `json:"go_sys_bytes,omitempty"`
	GoHeapBytes uint64 `json:"go_heap_bytes,omitempty"`
}

// Class is whom memory is asked of.
type Class string

// The classes of memory.
const (
	ClassHeap        Class = "heap"         // malloc and its kin
	ClassMapping     Class = "mapping"      // mmap
	ClassFileMapping Class = "file mapping" // mmap of a file
)

// Sample is an allocation site, the stack that allocated, with its values.
type Sample struct {
	Stack Stack `json:"stack"`
	Class Class `json:"class"`
	// Process is the index in Hunt.Processes of who allocated.
	Process int `json:"process"`
	// Fingerprint is equal for the same site in other processes, runs and builds.
	Fingerprint string `json:"fingerprint,omitempty"`

	Allocations    uint64 `json:"allocations"`
	Frees          uint64 `json:"frees"`
	AllocatedBytes uint64 `json:"allocated_bytes"`
	FreedBytes     uint64 `json:"freed_bytes"`
	// PeakBytes is the most that was live at one moment.
	PeakBytes uint64 `json:"peak_bytes,omitempty"`
	// First and Last are when it allocated, since its process started.
	First time.Duration `json:"first_ns"`
	Last  time.Duration `json:"last_ns"`
	// LiveSeries is what was live at each moment of the process's timeline, in
	// bytes; nil where that was not kept.
	LiveSeries []uint64 `json:"live_series,omitempty"`
}

// LiveBytes is what was allocated and not freed.
func (s *Sample) LiveBytes() uint64 { return saturatingSub(s.AllocatedBytes, s.FreedBytes) }

// LiveCount is how many blocks were allocated and not freed.
func (s *Sample) LiveCount() uint64 { return saturatingSub(s.Allocations, s.Frees) }

// saturatingSub is 0 where a running process was read between two of its steps.
func saturatingSub(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}

// Growth is an allocation site that keeps what it allocates.
type Growth struct {
	// Sample is its index in Hunt.Samples.
	Sample int `json:"sample"`
	// LiveBytes and LiveCount are what it held at the end.
	LiveBytes uint64 `json:"live_bytes"`
	LiveCount uint64 `json:"live_count"`
	// BytesPerSecond is how fast what stays rises: the slope of the lower
	// envelope of what was live.
	BytesPerSecond float64    `json:"bytes_per_second"`
	Kind           GrowthKind `json:"kind"`
	// Reason says in a sentence what makes it so; Rule which rule, if one did.
	Reason string `json:"reason"`
	Rule   string `json:"rule,omitempty"`
	// Blame is the frame to look at first.
	Blame *Blame `json:"blame,omitempty"`
}

// HeldBytes is what each of Samples held when it was judged: what Growth says of
// it, else what is live. A program that gives all back as it ends has held it
// nevertheless.
func (h *Hunt) HeldBytes() []uint64 {
	held := make([]uint64, len(h.Samples))
	for i := range h.Samples {
		held[i] = h.Samples[i].LiveBytes()
	}
	for i := range h.Growth {
		if g := &h.Growth[i]; g.Sample >= 0 && g.Sample < len(held) {
			held[g.Sample] = max(held[g.Sample], g.LiveBytes)
		}
	}
	return held
}

// GrowthKind says how a site keeps what it holds.
type GrowthKind string

// The kinds of growth.
const (
	GrowthRising  GrowthKind = "growth"
	GrowthUnknown GrowthKind = "unknown"  // too short a time to tell
	GrowthStartUp GrowthKind = "start-up" // held since then
	GrowthOneOff  GrowthKind = "one-off"  // it grew, and stopped
	GrowthCache   GrowthKind = "cache"    // a rule said so
)

// Crossing is where one language asked another one for memory: all samples
// whose crossing next to the leaf it is.
type Crossing struct {
	// Boundary is the change of language, caller first: "go>c".
	Boundary string `json:"boundary"`
	// Caller is the user's frame that called across, Callee the one that was entered.
	Caller Frame `json:"caller"`
	Callee Frame `json:"callee"`
	// Samples are indexes in Hunt.Samples.
	Samples        []int   `json:"samples"`
	Allocations    uint64  `json:"allocations"`
	AllocatedBytes uint64  `json:"allocated_bytes"`
	LiveBytes      uint64  `json:"live_bytes"`
	LiveCount      uint64  `json:"live_count"`
	BytesPerSecond float64 `json:"bytes_per_second"`
}

// Change is an allocation site in two hunts.
type Change struct {
	// Kind is "new", "gone", "more", "less" or "same": of what it holds at the end.
	Kind        string `json:"kind"`
	Fingerprint string `json:"fingerprint"`
	Class       Class  `json:"class"`
	// Stack is that of the second hunt, if it has the site; else of the first.
	Stack Stack `json:"stack"`
	// What both held at the end.
	BeforeBytes uint64 `json:"before_bytes"`
	AfterBytes  uint64 `json:"after_bytes"`
	BeforeCount uint64 `json:"before_count"`
	AfterCount  uint64 `json:"after_count"`
	// How fast what it kept rose.
	BeforeBytesPerSecond float64 `json:"before_bytes_per_second"`
	AfterBytesPerSecond  float64 `json:"after_bytes_per_second"`
	Blame                *Blame  `json:"blame,omitempty"`
}

// Verdict says in one sentence whose memory it is that grows, and by which numbers.
type Verdict struct {
	Text string `json:"text"`
	// What grew from the first to the last moment that the timeline has; negative: it shrank.
	RSSGrowthBytes    int64 `json:"rss_growth_bytes"`
	LiveGrowthBytes   int64 `json:"live_growth_bytes"`
	MappedGrowthBytes int64 `json:"mapped_growth_bytes"`
	GoSysGrowthBytes  int64 `json:"go_sys_growth_bytes,omitempty"`
	GoHeapGrowthBytes int64 `json:"go_heap_growth_bytes,omitempty"`
}
