package profile

import (
	"cmp"
	"io"
	"path"
	"slices"
	"strconv"

	"github.com/google/pprof/profile"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// Pprof writes h as pprof does (gzip of profile.proto), with the sample types of
// Go's heap profiles, shown by live bytes. Every site is a sample with the labels
// pid, class, language (of the user's frame nearest to the allocation), boundary
// (the change of language nearest to it) and truncated (why its stack is not
// whole). Calls that were inlined are lines of one location. Addresses are those
// in the module, as if it were loaded at 0: they are the same in every run. The
// error is w's.
func Pprof(w io.Writer, h *model.Hunt) error {
	b := &pprofBuilder{
		profile:   &profile.Profile{DefaultSampleType: string(LiveBytes), PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 1},
		mappings:  map[mappingKey]*profile.Mapping{},
		functions: map[functionKey]*profile.Function{},
		locations: map[string]*profile.Location{},
	}
	for _, v := range Values() {
		unit := "count"
		if v.isBytes() {
			unit = "bytes"
		}
		b.profile.SampleType = append(b.profile.SampleType, &profile.ValueType{Type: string(v), Unit: unit})
	}
	held := h.HeldBytes()
	for i := range h.Samples {
		b.sample(h, &h.Samples[i], held[i])
	}
	b.about(h)
	b.mainFirst(h)
	if err := b.profile.CheckValid(); err != nil {
		return err
	}
	return b.profile.Write(w)
}

type mappingKey struct{ file, buildID string }

type functionKey struct {
	name, linkage, file string
	line                int
}

type pprofBuilder struct {
	profile   *profile.Profile
	mappings  map[mappingKey]*profile.Mapping
	functions map[functionKey]*profile.Function
	// locations are by mapping, address and all lines.
	locations map[string]*profile.Location
}

func (b *pprofBuilder) sample(h *model.Hunt, s *model.Sample, held uint64) {
	sample := &profile.Sample{Label: labelsOf(h, s)}
	for _, v := range Values() {
		sample.Value = append(sample.Value, clamped(v.of(s, held)))
	}
	frames := framesOf(s)
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n-1].Inlined {
			n++
		}
		sample.Location = append(sample.Location, b.location(frames[:n]))
		frames = frames[n:]
	}
	b.profile.Sample = append(b.profile.Sample, sample)
}

func labelsOf(h *model.Hunt, s *model.Sample) map[string][]string {
	labels := map[string][]string{}
	set := func(key, value string) {
		if value != "" {
			labels[key] = []string{render.Printable(value)}
		}
	}
	set("class", string(s.Class))
	set("truncated", s.Stack.Truncated)
	if s.Process >= 0 && s.Process < len(h.Processes) {
		set("pid", strconv.Itoa(h.Processes[s.Process].PID))
	}
	for i := range s.Stack.Frames {
		f := &s.Stack.Frames[i]
		if f.Boundary != "" && labels["boundary"] == nil {
			set("boundary", f.Boundary)
		}
		if f.Language != "" && !f.Runtime && labels["language"] == nil {
			set("language", string(f.Language))
		}
	}
	return labels
}

// location is that of a physical frame with the calls inlined into it, leaf first.
func (b *pprofBuilder) location(frames []model.Frame) *profile.Location {
	physical := &frames[len(frames)-1]
	l := &profile.Location{Mapping: b.mapping(physical), Address: uint64(physical.VirtAddr)}
	if l.Mapping == nil && physical.AbsAddr != 0 {
		l.Address = uint64(physical.AbsAddr)
	}
	isKnown := len(frames) > 1 || physical.Function != "" || physical.LinkageName != "" || physical.File != "" || l.Address == 0
	if l.Mapping != nil {
		l.Mapping.Limit = max(l.Mapping.Limit, l.Address+1)
	}
	key := strconv.FormatUint(l.Address, 16)
	if l.Mapping != nil {
		key += "@" + strconv.FormatUint(l.Mapping.ID, 16)
	}
	if isKnown { // an address alone is left to pprof, which may find a name for it
		for i := range frames {
			f := &frames[i]
			function := b.function(f)
			line := profile.Line{Function: function, Line: int64(max(f.Line, 0)), Column: int64(max(f.Column, 0))}
			l.Line = append(l.Line, line)
			key += " " + strconv.FormatUint(function.ID, 16) + ":" + strconv.FormatInt(line.Line, 16) + ":" + strconv.FormatInt(line.Column, 16)
		}
		if m := l.Mapping; m != nil {
			m.HasFunctions, m.HasFilenames, m.HasLineNumbers, m.HasInlineFrames = true, true, true, true
		}
	}
	if known := b.locations[key]; known != nil {
		return known
	}
	b.locations[key] = l
	b.profile.Location = append(b.profile.Location, l)
	l.ID = uint64(len(b.profile.Location))
	return l
}

// mapping is that of a frame's module; nil where it has none, as Python's have not.
func (b *pprofBuilder) mapping(f *model.Frame) *profile.Mapping {
	if f.Module == "" {
		return nil
	}
	key := mappingKey{f.Module, f.BuildID}
	m := b.mappings[key]
	if m == nil {
		m = &profile.Mapping{File: render.Printable(f.Module), BuildID: render.Printable(f.BuildID)}
		b.mappings[key] = m
		b.profile.Mapping = append(b.profile.Mapping, m)
		m.ID = uint64(len(b.profile.Mapping))
	}
	return m
}

func (b *pprofBuilder) function(f *model.Frame) *profile.Function {
	key := functionKey{f.Function, f.LinkageName, f.File, f.FunctionLine}
	if f.Function == "" { // its name is made of what else is known
		key.name = render.FrameName(f)
	}
	function := b.functions[key]
	if function == nil {
		function = &profile.Function{
			Name: render.FrameName(f), SystemName: render.Printable(cmp.Or(f.LinkageName, key.name)),
			Filename: render.Printable(f.File), StartLine: int64(max(f.FunctionLine, 0)),
		}
		b.functions[key] = function
		b.profile.Function = append(b.profile.Function, function)
		function.ID = uint64(len(b.profile.Function))
	}
	return function
}

// about says when it was, for how long, and what of it is not exact.
func (b *pprofBuilder) about(h *model.Hunt) {
	p := b.profile
	for i := range h.Processes {
		process := &h.Processes[i]
		if at := process.Started.UnixNano(); !process.Started.IsZero() && (p.TimeNanos == 0 || at < p.TimeNanos) {
			p.TimeNanos = at
		}
		if n := len(process.Timeline); n > 0 {
			p.DurationNanos = max(p.DurationNanos, int64(process.Timeline[n-1].SinceStart))
		}
		p.Period = max(p.Period, clamped(process.SampleBytes))
	}
	if h.Verdict != nil {
		p.Comments = append(p.Comments, render.Printable(h.Verdict.Text))
	}
	for _, partial := range h.Partial {
		p.Comments = append(p.Comments, render.Printable("not all could be read: "+partial.File+": "+partial.Reason))
	}
}

// mainFirst puts the mapping of the program itself first, of which pprof says the
// profile is.
func (b *pprofBuilder) mainFirst(h *model.Hunt) {
	if len(h.Processes) == 0 || len(h.Processes[0].Arguments) == 0 {
		return
	}
	program := path.Base(h.Processes[0].Arguments[0])
	slices.SortStableFunc(b.profile.Mapping, func(x, y *profile.Mapping) int {
		rank := func(m *profile.Mapping) int {
			if path.Base(m.File) == program {
				return 0
			}
			return 1
		}
		return cmp.Compare(rank(x), rank(y))
	})
	for i, m := range b.profile.Mapping {
		m.ID = uint64(i + 1)
	}
}
