package samples

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/symbolize"
	"github.com/ffikit/ffikit/go/trace"
)

// Options steer Read.
type Options struct {
	Symbolize symbolize.Options
	Normalize normalize.Options
	// MaxStacks bounds how many stacks are symbolized, and MaxSites how many sites
	// are made of them: those that hold most. The rest is one site without frames
	// for each class of memory. Of several programs each gets its share by what it
	// holds, and a few in any case. 0 means the defaults.
	MaxStacks, MaxSites int
}

// The bounds of Options: what lies beyond holds a few bytes each.
const (
	DefaultMaxStacks = 10_000
	DefaultMaxSites  = 800
)

// maxFrames bounds the distinct frames, and maxStackFrames those
// that are kept of one site: its root's side is left out.
const (
	maxFrames      = 1 << 20
	maxStackFrames = 512
)

// Trace is the heap trace of one program, and what was seen of it over time.
type Trace struct {
	Heap *trace.Heap
	// Ended is as in model.Process.
	Ended    string
	Timeline []model.Moment
	// Live is what was live at each moment of Timeline, by the counts' index;
	// nil where it was not kept.
	Live [][]uint64
}

// Read makes processes and their allocation sites of heap traces, and tells
// what could not be read or symbolized. Sites are sorted by what they hold, the most first.
func Read(opts Options, traces ...Trace) ([]model.Process, []model.Sample, []model.Partial) {
	if opts.MaxStacks <= 0 {
		opts.MaxStacks = DefaultMaxStacks
	}
	if opts.MaxSites <= 0 {
		opts.MaxSites = DefaultMaxSites
	}
	symbolizer := symbolize.New(opts.Symbolize)
	defer symbolizer.Close()
	processes := make([]model.Process, 0, len(traces))
	var all []model.Sample
	var partial []model.Partial
	frames, shares := map[place]*[]model.Frame{}, sharesOf(traces)
	for i := range traces {
		t := &traces[i]
		processes = append(processes, process(t))
		r := reader{
			symbolizer: symbolizer, normalize: opts.Normalize, trace: t, process: i, frames: frames,
			maxStacks: shareOf(opts.MaxStacks, shares[i]), maxSites: shareOf(opts.MaxSites, shares[i]),
		}
		all = append(all, r.read()...)
		for _, note := range t.Heap.Notes {
			partial = append(partial, model.Partial{File: t.Heap.Name, Reason: note})
		}
		partial = append(partial, t.Heap.Partial()...)
		partial = append(partial, r.partial...)
	}
	slices.SortStableFunc(all, func(a, b model.Sample) int {
		return cmp.Or(cmp.Compare(b.LiveBytes(), a.LiveBytes()), cmp.Compare(b.PeakBytes, a.PeakBytes))
	})
	return processes, all, partial
}

// sharesOf tells how much of all that is held each program holds.
func sharesOf(traces []Trace) []float64 {
	shares, sum := make([]float64, len(traces)), 0.0
	for i := range traces {
		shares[i] = 1
		for _, count := range traces[i].Heap.Counts() {
			shares[i] += float64(traces[i].weight(&count))
		}
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

// shareOf is what a program gets of a bound.
func shareOf(bound int, share float64) int {
	const least = 20
	return max(int(float64(bound)*share), min(bound, least))
}

func process(t *Trace) model.Process {
	return model.Process{
		PID: t.Heap.PID, ParentPID: t.Heap.ParentPID, Arguments: t.Heap.Arguments, Started: t.Heap.Started,
		Ended: t.Ended, SampleBytes: t.Heap.SampleBytes, Timeline: t.Timeline,
	}
}

// reader reads one trace.
type reader struct {
	symbolizer          *symbolize.Symbolizer
	normalize           normalize.Options
	trace               *Trace
	process             int
	maxStacks, maxSites int
	// frames are the logical frames of each physical one, of all programs.
	frames  map[place]*[]model.Frame
	partial []model.Partial
}

// place is what a physical frame is looked up by.
type place struct {
	module, buildID string
	addr            uint64
}

func (r *reader) read() []model.Sample {
	counts := slices.Clone(r.trace.Heap.Counts())
	weights := make(map[uint32]uint64, len(counts))
	for i := range counts {
		weights[counts[i].Index] = r.trace.weight(&counts[i])
	}
	slices.SortStableFunc(counts, func(a, b trace.HeapCount) int {
		return cmp.Or(cmp.Compare(weights[b.Index], weights[a.Index]), cmp.Compare(b.PeakBytes, a.PeakBytes))
	})
	known := min(len(counts), r.maxStacks)
	unresolved := r.lookUp(counts[:known])
	sites := r.merge(counts[:known])
	stacks := make([]model.Stack, len(sites))
	for i := range sites {
		stacks[i] = sites[i].Stack
	}
	r.partial = append(r.partial, normalize.Missed(stacks, unresolved)...)
	return r.addRest(sites, counts[known:])
}

// weight is what a stack holds, or held before the program gave all back as it ended.
func (t *Trace) weight(count *trace.HeapCount) uint64 {
	weight := count.LiveBytes()
	if n := len(t.Live); n > 0 {
		for _, live := range [][]uint64{t.Live[n*3/4], t.Live[n*7/8]} {
			if uint64(count.Index) < uint64(len(live)) {
				weight = max(weight, live[count.Index])
			}
		}
	}
	return weight
}

// addRest makes one site of each class of what lies beyond the bounds.
func (r *reader) addRest(sites []model.Sample, counts []trace.HeapCount) []model.Sample {
	known := min(len(sites), r.maxSites)
	rest := map[model.Class]*model.Sample{}
	number := map[model.Class]int{}
	take := func(sample *model.Sample) {
		number[sample.Class]++
		if of := rest[sample.Class]; of != nil {
			add(of, sample)
			return
		}
		rest[sample.Class] = sample
	}
	for i := range sites[known:] {
		take(&sites[known+i])
	}
	for i := range counts {
		sample := r.sample(&counts[i])
		take(&sample)
	}
	sites = slices.Clone(sites[:known])
	for _, class := range []model.Class{model.ClassHeap, model.ClassMapping, model.ClassFileMapping} {
		if of := rest[class]; of != nil {
			of.Stack = model.Stack{Role: model.RoleAllocation, Frames: []model.Frame{}, Truncated: fmt.Sprintf("these are %d smaller sites together", number[class])}
			of.Fingerprint = fingerprint(of)
			sites = append(sites, *of)
		}
	}
	return sites
}

func fingerprint(s *model.Sample) string {
	return merge.Fingerprint(&model.Report{Tool: "ffikit hunt", Kind: string(s.Class), Stacks: []model.Stack{s.Stack}})
}

// sample is a count without its stack.
func (r *reader) sample(count *trace.HeapCount) model.Sample {
	return model.Sample{
		Class: count.Class, Process: r.process,
		Allocations: count.Allocations, Frees: count.Frees, AllocatedBytes: count.AllocatedBytes, FreedBytes: count.FreedBytes,
		PeakBytes: count.PeakBytes, First: count.First, Last: count.Last, LiveSeries: r.series(count.Index),
	}
}

// lookUp symbolizes each distinct frame of the counts' stacks.
func (r *reader) lookUp(counts []trace.HeapCount) []model.Partial {
	var report model.Report
	var places []place
	for i := range counts {
		frames, _, _ := r.trace.Heap.Frames(counts[i].Node)
		for _, frame := range frames[:min(len(frames), maxStackFrames)] {
			at := placeOf(&frame)
			if frame.Module == "" || r.frames[at] != nil || len(r.frames) >= maxFrames {
				continue
			}
			r.frames[at] = &[]model.Frame{frame}
			places = append(places, at)
			report.Stacks = append(report.Stacks, model.Stack{Frames: []model.Frame{frame}})
		}
	}
	unresolved := r.symbolizer.Report(&report)
	for i, at := range places {
		*r.frames[at] = report.Stacks[i].Frames
	}
	return unresolved
}

func placeOf(f *model.Frame) place { return place{f.Module, f.BuildID, uint64(f.VirtAddr)} }

// stack is that of a count, symbolized and normalized.
func (r *reader) stack(count *trace.HeapCount) model.Stack {
	stack := model.Stack{Role: model.RoleAllocation, Frames: []model.Frame{}}
	physical, truncated, ok := r.trace.Heap.Frames(count.Node)
	if !ok {
		stack.Truncated = "the stack was not kept"
		return stack
	}
	stack.Truncated, stack.Complete = truncated, truncated == ""
	if beyond := len(physical) - maxStackFrames; beyond > 0 {
		physical = physical[:maxStackFrames]
		stack.Truncated = fmt.Sprintf("the stack is deep: its %d outermost frames are left out", beyond)
	}
	frames, logical := make([][]model.Frame, len(physical)), 0
	for i := range physical {
		frames[i] = physical[i : i+1]
		if physical[i].Module != "" {
			if found := r.frames[placeOf(&physical[i])]; found != nil {
				frames[i] = *found
			}
		}
		logical += len(frames[i])
	}
	stack.Frames = make([]model.Frame, 0, logical)
	for i := range frames {
		stack.Frames = append(stack.Frames, frames[i]...)
	}
	normalized := model.Report{Stacks: []model.Stack{stack}}
	normalize.Report(&normalized, r.normalize)
	return normalized.Stacks[0]
}

// merge joins counts whose stacks read the same. The stack of the one that
// holds most, which comes first, is shown for all.
func (r *reader) merge(counts []trace.HeapCount) []model.Sample {
	places := map[string]int{}
	var merged []model.Sample
	for i := range counts {
		count := &counts[i]
		sample := r.sample(count)
		sample.Stack = r.stack(count)
		sample.Fingerprint = fingerprint(&sample)
		at, met := places[sample.Fingerprint]
		if !met {
			places[sample.Fingerprint] = len(merged)
			merged = append(merged, sample)
			continue
		}
		add(&merged[at], &sample)
	}
	return merged
}

func add(to, from *model.Sample) {
	to.Allocations += from.Allocations
	to.Frees += from.Frees
	to.AllocatedBytes += from.AllocatedBytes
	to.FreedBytes += from.FreedBytes
	to.PeakBytes += from.PeakBytes
	to.First, to.Last = min(to.First, from.First), max(to.Last, from.Last)
	for i := range to.LiveSeries {
		to.LiveSeries[i] += from.LiveSeries[i]
	}
}

// series is what a count held at each moment.
func (r *reader) series(index uint32) []uint64 {
	if len(r.trace.Live) == 0 {
		return nil
	}
	series := make([]uint64, len(r.trace.Live))
	for i, live := range r.trace.Live {
		if uint64(index) < uint64(len(live)) {
			series[i] = live[index]
		}
	}
	return series
}
