package profile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/render/profile"
)

var (
	inlinedFill = model.Frame{Function: "fill<a;b>", LinkageName: "_ZN4fillE", Language: model.LanguageCPP, File: "/src/box.cc", Line: 7, Column: 3, FunctionLine: 5, Inlined: true, Module: "/src/libbox.so", BuildID: "16d9", VirtAddr: 0x1136}
	boxNew      = model.Frame{Function: "box_new", Language: model.LanguageC, File: "/src/box.c", Line: 4, Column: 49, FunctionLine: 2, Boundary: "python>c", Module: "/src/libbox.so", BuildID: "16d9", VirtAddr: 0x1136}
	stripped    = model.Frame{Module: "/usr/lib/libz.so.1", BuildID: "aa", VirtAddr: 0x99}
	vectorcall  = model.Frame{Function: "PyObject_Vectorcall", Language: model.LanguageC, Runtime: true, Module: "/usr/bin/python3", VirtAddr: 0x5000}
	handle      = model.Frame{Function: "Service.handle", Language: model.LanguagePython, File: "/src/service.py", Line: 31, FunctionLine: 28}
	hostile     = model.Frame{Function: "evil\x1b[31m\n; 9999\xff", File: "/tmp/\u202e.c", Line: -1}
)

func stack(frames ...model.Frame) model.Stack {
	return model.Stack{Role: model.RoleAllocation, Frames: frames}
}

func hunted() *model.Hunt {
	return &model.Hunt{
		Processes: []model.Process{
			{PID: 4711, Arguments: []string{"/usr/bin/python3", "service.py"}, Started: time.Unix(1_700_000_000, 0), SampleBytes: 512, Timeline: []model.Moment{{SinceStart: time.Second}, {SinceStart: 4 * time.Second}}},
			{PID: 4712},
		},
		Samples: []model.Sample{
			{Stack: stack(inlinedFill, boxNew, vectorcall, handle), Class: model.ClassHeap, Allocations: 3000, Frees: 1000, AllocatedBytes: 3 << 20, FreedBytes: 1 << 20},
			{Stack: stack(boxNew, vectorcall, handle), Class: model.ClassHeap, Process: 1, Allocations: 7, AllocatedBytes: 700},
			{Stack: stack(stripped, handle), Class: model.ClassMapping, Allocations: 1, AllocatedBytes: 4096},
			{Stack: model.Stack{Truncated: "it was not kept"}, Class: model.ClassHeap, Allocations: 2, AllocatedBytes: 20},
			{Stack: stack(hostile, handle, handle), Class: model.ClassHeap, Allocations: 1, AllocatedBytes: 5},
			{Stack: stack(vectorcall, handle), Class: model.ClassHeap, Allocations: 4, Frees: 4, AllocatedBytes: 44, FreedBytes: 44},
		},
		Verdict: &model.Verdict{Text: "Native memory grows."},
		Partial: []model.Partial{{File: "/bin/static", Reason: "not traced"}},
	}
}

func written(t *testing.T, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, write(&out))
	return out.Bytes()
}

func pprofOf(t *testing.T, h *model.Hunt) []byte {
	t.Helper()
	return written(t, func(out *bytes.Buffer) error { return profile.Pprof(out, h) })
}

// asWritten is a frame as pprof should show it.
func asWritten(f *model.Frame) string {
	return fmt.Sprintf("%s %s:%d:%d since %d", render.FrameName(f), render.Printable(f.File), max(f.Line, 0), max(f.Column, 0), f.FunctionLine)
}

// Every stack ends up as it was.
func TestPprofKeepsStacks(t *testing.T) {
	h := hunted()
	p, err := pprof.ParseData(pprofOf(t, h))
	require.NoError(t, err)
	require.Len(t, p.Sample, len(h.Samples))
	for i := range h.Samples {
		s := &h.Samples[i]
		var got, want []string
		for _, l := range p.Sample[i].Location {
			if len(l.Line) == 0 {
				got = append(got, fmt.Sprintf("%s %s+%#x", l.Mapping.BuildID, l.Mapping.File, l.Address))
			}
			for _, line := range l.Line {
				got = append(got, fmt.Sprintf("%s %s:%d:%d since %d", line.Function.Name, line.Function.Filename, line.Line, line.Column, line.Function.StartLine))
			}
		}
		for j := range s.Stack.Frames {
			f := &s.Stack.Frames[j]
			if f.Function == "" {
				want = append(want, "aa /usr/lib/libz.so.1+0x99")
				continue
			}
			want = append(want, asWritten(f))
		}
		if len(want) == 0 {
			want = []string{"[no stack] :0:0 since 0"}
		}
		assert.Equal(t, want, got)
		assert.Equal(t, []int64{int64(s.Allocations), int64(s.AllocatedBytes), int64(s.LiveCount()), int64(s.LiveBytes())}, p.Sample[i].Value)
	}
	// A physical frame and what is inlined into it are one location, and equal ones are shared.
	first, second := p.Sample[0].Location, p.Sample[1].Location
	require.Len(t, first, 3)
	assert.Len(t, first[0].Line, 2)
	assert.Equal(t, uint64(0x1136), first[0].Address)
	assert.Equal(t, "16d9", first[0].Mapping.BuildID)
	assert.NotSame(t, first[0], second[0])
	assert.Same(t, first[1], second[1])
	assert.Nil(t, first[2].Mapping)
	assert.Equal(t, "_ZN4fillE", first[0].Line[0].Function.SystemName)

	assert.Equal(t, map[string][]string{"pid": {"4711"}, "class": {"heap"}, "language": {"c++"}, "boundary": {"python>c"}}, p.Sample[0].Label)
	assert.Equal(t, map[string][]string{"pid": {"4711"}, "class": {"heap"}, "truncated": {"it was not kept"}}, p.Sample[3].Label)
	assert.Equal(t, []string{"python"}, p.Sample[5].Label["language"], "machinery asks for nothing by itself")
	assert.Equal(t, "/usr/bin/python3", p.Mapping[0].File)
	assert.Equal(t, "inuse_space", p.DefaultSampleType)
	assert.Equal(t, int64(512), p.Period)
	assert.Equal(t, int64(4*time.Second), p.DurationNanos)
	assert.Equal(t, time.Unix(1_700_000_000, 0).UnixNano(), p.TimeNanos)
	assert.Equal(t, []string{"Native memory grows.", "not all could be read: /bin/static: not traced"}, p.Comments)
}

func goToolPprof(t *testing.T, h *model.Hunt, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hunt.pb.gz")
	require.NoError(t, os.WriteFile(file, pprofOf(t, h), 0o600))
	command := exec.Command("go", append(append([]string{"tool", "pprof"}, args...), file)...)
	command.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir(), "PPROF_BINARY_PATH="+t.TempDir())
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s", stderr.String())
	return string(out)
}

// Go's own tool reads it and comes to the same sums.
func TestGoToolPprof(t *testing.T) {
	h := hunted()
	raw := goToolPprof(t, h, "-raw")
	assert.Contains(t, raw, "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]")
	assert.Contains(t, raw, "Mappings\n1: 0x0/0x5001/0x0 /usr/bin/python3  [FN]")
	assert.Contains(t, raw, "/src/libbox.so 16d9 [FN]")

	for _, v := range profile.Values() {
		var total int64
		flat := map[string]int64{}
		for i := range h.Samples {
			s := &h.Samples[i]
			n := map[profile.Value]int64{"alloc_objects": int64(s.Allocations), "alloc_space": int64(s.AllocatedBytes), "inuse_objects": int64(s.LiveCount()), "inuse_space": int64(s.LiveBytes())}[v]
			total += n
			leaf := "[no stack]"
			if len(s.Stack.Frames) > 0 {
				leaf = render.FrameName(&s.Stack.Frames[0])
			}
			flat[leaf] += n
		}
		top := goToolPprof(t, h, "-top", "-symbolize=none", "-nodecount=100", "-nodefraction=0", "-unit=B", "-sample_index="+string(v))
		assert.Regexp(t, fmt.Sprintf(`of %dB? total`, total), top)
		seen := 0
		for _, row := range regexp.MustCompile(`(?m)^ *(\d+)B? +\S+% +\S+% +\S+ +\S+% +(.*?)(?: \(inline\))?$`).FindAllStringSubmatch(top, -1) {
			if want, ok := flat[row[2]]; ok {
				assert.Equal(t, strconv.FormatInt(want, 10), row[1], row[2])
				seen++
			}
		}
		assert.GreaterOrEqual(t, seen, 4, "%s", top)
	}
	assert.NotContains(t, goToolPprof(t, h, "-top", "-symbolize=none"), "\x1b")
	assert.Contains(t, goToolPprof(t, h, "-tags", "-symbolize=none"), "python>c")
	assert.Contains(t, goToolPprof(t, h, "-comments"), "Native memory grows.")
}

func TestFolded(t *testing.T) {
	got := string(written(t, func(out *bytes.Buffer) error { return profile.Folded(out, hunted(), profile.LiveBytes) }))
	assert.Equal(t, strings.Join([]string{
		`process (4712);Service.handle (service.py:31);PyObject_Vectorcall;box_new (box.c:4) 700`,
		`python3 (4711);Service.handle (service.py:31);PyObject_Vectorcall;box_new (box.c:4);fill<a:b> (box.cc:7) 2097152`,
		`python3 (4711);Service.handle (service.py:31);Service.handle (service.py:31);evil\x1b[31m\n: 9999� (\u202e.c) 5`,
		`python3 (4711);Service.handle (service.py:31);libz.so.1+0x99 4096`,
		`python3 (4711);[no stack] 20`,
	}, "\n")+"\n", got)

	h := hunted()
	h.Processes = h.Processes[:1]
	h.Samples = []model.Sample{h.Samples[0], h.Samples[0]}
	got = string(written(t, func(out *bytes.Buffer) error { return profile.Folded(out, h, profile.AllocatedBlocks) }))
	assert.Equal(t, "Service.handle (service.py:31);PyObject_Vectorcall;box_new (box.c:4);fill<a:b> (box.cc:7) 6000\n", got, "one process needs no name; equal stacks are one")
}

// A program that gave all back as it ended has leaked until then.
func TestHeldUntilTheEnd(t *testing.T) {
	h := hunted()
	h.Processes, h.Samples = h.Processes[:1], h.Samples[5:]
	h.Growth = []model.Growth{{Sample: 0, LiveBytes: 40, Kind: model.GrowthRising}, {Sample: 7, LiveBytes: 1}, {Sample: -1}}
	folded := written(t, func(out *bytes.Buffer) error { return profile.Folded(out, h, profile.LiveBytes) })
	assert.Equal(t, "Service.handle (service.py:31);PyObject_Vectorcall 40\n", string(folded))
	p, err := pprof.ParseData(pprofOf(t, h))
	require.NoError(t, err)
	assert.Equal(t, []int64{4, 44, 0, 40}, p.Sample[0].Value)
	speedscope := written(t, func(out *bytes.Buffer) error { return profile.Speedscope(out, h) })
	assert.Contains(t, string(speedscope), `"endValue":40`)
}

func speedscopeSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/speedscope-schema.json")
	require.NoError(t, err)
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("speedscope", schema))
	compiled, err := compiler.Compile("speedscope")
	require.NoError(t, err)
	return compiled
}

func TestSpeedscope(t *testing.T) {
	schema := speedscopeSchema(t)
	for _, h := range []*model.Hunt{hunted(), {}} {
		text := written(t, func(out *bytes.Buffer) error { return profile.Speedscope(out, h) })
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		require.NoError(t, err)
		assert.NoError(t, schema.Validate(value))
		assert.NotContains(t, string(text), "null")
	}
	bad, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{},"profiles":[]}`))
	require.NoError(t, err)
	assert.Error(t, schema.Validate(bad))

	var file struct {
		Shared   struct{ Frames []map[string]any }
		Profiles []struct {
			Name, Unit string
			EndValue   float64
			Samples    [][]int
			Weights    []float64
		}
	}
	require.NoError(t, json.Unmarshal(written(t, func(out *bytes.Buffer) error { return profile.Speedscope(out, hunted()) }), &file))
	require.Len(t, file.Profiles, 4)
	live := file.Profiles[0]
	assert.Equal(t, "bytes", live.Unit)
	assert.Equal(t, "none", file.Profiles[1].Unit)
	assert.Equal(t, []float64{2 << 20, 700, 4096, 20, 5}, live.Weights)
	assert.Equal(t, float64(2<<20+700+4096+20+5), live.EndValue)
	var names []any
	for _, frame := range live.Samples[0] {
		names = append(names, file.Shared.Frames[frame]["name"])
	}
	assert.Equal(t, []any{"python3 (4711)", "Service.handle", "PyObject_Vectorcall", "box_new", "fill<a;b>"}, names)
	assert.Equal(t, map[string]any{"name": "box_new", "file": "/src/box.c", "line": 4.0, "col": 49.0}, file.Shared.Frames[live.Samples[0][3]])
}

// What no program could have asked for is still a profile.
func TestExtremes(t *testing.T) {
	odd := inlinedFill
	odd.VirtAddr = math.MaxUint64
	h := &model.Hunt{Samples: []model.Sample{
		{Stack: stack(odd), Process: 9, Allocations: math.MaxUint64, AllocatedBytes: math.MaxUint64},
		{Stack: stack(odd), Process: -1, Allocations: math.MaxUint64, AllocatedBytes: math.MaxUint64},
		{Stack: stack(model.Frame{}), FreedBytes: 9},
	}}
	p, err := pprof.ParseData(pprofOf(t, h))
	require.NoError(t, err)
	assert.Equal(t, int64(math.MaxInt64), p.Sample[0].Value[3])
	_, err = pprof.ParseData(pprofOf(t, &model.Hunt{}))
	require.NoError(t, err)
	folded := written(t, func(out *bytes.Buffer) error { return profile.Folded(out, h, profile.LiveBytes) })
	assert.Equal(t, "fill<a:b> (box.cc:7) 18446744073709551615\n", string(folded))
	written(t, func(out *bytes.Buffer) error { return profile.Speedscope(out, h) })
}
