package render_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/golden"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// hunted is a service that leaks from Python through C and by a goroutine, with
// what a stranger may have put into names.
func hunted() *render.HuntDocument {
	python := []model.Frame{
		{Function: "box_new", Language: model.LanguageC, File: "/src/victim/c/cvictim.c", Line: 4, Column: 49, FunctionLine: 4, Boundary: "python>c", Module: "/src/libbox.so", BuildID: "16d9", VirtAddr: 0x1136, AbsAddr: 0x7f0000001136},
		{Function: "PyObject_Vectorcall", Language: model.LanguageC, Runtime: true, Machinery: "CPython"},
		{Function: "Service.handle", Language: model.LanguagePython, File: "/src/victim/service.py", Line: 31, FunctionLine: 28},
	}
	caller := python[2]
	series := make([]uint64, 0, 4)
	var timeline []model.Moment
	for i := range uint64(4) {
		series = append(series, i<<20)
		timeline = append(timeline, model.Moment{SinceStart: time.Duration(i+1) * time.Second, LiveBytes: i << 20, MappedBytes: 4096, RSSBytes: (10 + i) << 20, PSSBytes: 9 << 20, GoSysBytes: 8 << 20, GoHeapBytes: 2 << 20})
	}
	blame := &model.Blame{Frame: 0, Role: model.RoleAllocation, Reason: "the first frame"}
	doc := &render.HuntDocument{Command: &render.Command{Args: []string{"python3", "service.py"}, ExitStatus: 143, Signal: "terminated"}}
	doc.Processes = []model.Process{{
		PID: 4711, ParentPID: 4710, Arguments: []string{"/usr/bin/python3", "service.py", "\x1b[31m"}, Started: time.Unix(1_700_000_000, 0).UTC(),
		Ended: "exited", SampleBytes: 512 << 10, Timeline: timeline,
	}, {PID: 4712, Started: time.Unix(1_700_000_001, 0).UTC()}}
	stack := model.Stack{Role: model.RoleAllocation, Frames: python}
	other := model.Stack{Role: model.RoleAllocation, Frames: append([]model.Frame{{Function: "fill\u202e", Language: model.LanguageC, Inlined: true, Module: "/src/libbox.so", VirtAddr: 0x1130}}, python...), Truncated: "the callers are unknown"}
	doc.Samples = []model.Sample{
		{Stack: stack, Class: model.ClassHeap, Process: 0, Fingerprint: "1:" + strings.Repeat("a", 32), Allocations: 3000, AllocatedBytes: 3 << 20, PeakBytes: 3 << 20, First: time.Second, Last: 4 * time.Second, LiveSeries: series},
		{Stack: other, Class: model.ClassHeap, Allocations: 900, Frees: 10, AllocatedBytes: 1 << 20, FreedBytes: 4096, LiveSeries: series},
		{Stack: model.Stack{Role: model.RoleAllocation, Frames: []model.Frame{}, Truncated: "the stack was not kept"}, Class: model.ClassMapping, Process: 1, Allocations: 1, AllocatedBytes: 4096},
		{Stack: model.Stack{Role: model.RoleAllocation, Frames: python[2:]}, Class: model.ClassHeap, Allocations: 10, AllocatedBytes: 2000},
	}
	doc.Growth = []model.Growth{
		{Sample: 0, LiveBytes: 3 << 20, LiveCount: 3000, BytesPerSecond: 1 << 20, Kind: model.GrowthRising, Reason: "what it keeps rose in 6 of 6 parts of 4.0 s", Blame: blame},
		{Sample: 1, LiveBytes: 1 << 20, LiveCount: 890, BytesPerSecond: 1 << 18, Kind: model.GrowthRising, Reason: "so did this", Blame: &model.Blame{Frame: 1, Role: model.RoleAllocation, Reason: "the first frame"}},
		{Sample: 2, LiveBytes: 4096, LiveCount: 1, Kind: model.GrowthUnknown, Reason: "too short"},
		{Sample: 3, LiveBytes: 2000, LiveCount: 10, Kind: model.GrowthCache, Reason: "Modules\x1b stay imported.", Rule: "cache:\x07import", Blame: &model.Blame{Role: model.RoleAllocation, Reason: "the first frame"}},
	}
	doc.Crossings = []model.Crossing{{Boundary: "python>c", Caller: caller, Callee: python[0], Samples: []int{0, 1}, Allocations: 3900, AllocatedBytes: 4 << 20, LiveBytes: 4<<20 - 4096, LiveCount: 3890, BytesPerSecond: 1.25 * (1 << 20)}}
	doc.Verdict = &model.Verdict{Text: "Native memory grows by 1.2 MiB a second.\x1b", RSSGrowthBytes: 3 << 20, LiveGrowthBytes: -1, GoSysGrowthBytes: 1, GoHeapGrowthBytes: 1}
	doc.Partial = []model.Partial{{File: "/bin/static", Reason: "not traced, because it is statically linked"}}
	return doc
}

func changed() *render.HuntDocument {
	doc := hunted()
	first, second := doc.Samples[0], doc.Samples[3]
	return &render.HuntDocument{Changes: []model.Change{
		{Kind: "more", Fingerprint: first.Fingerprint, Class: model.ClassHeap, Stack: first.Stack, BeforeBytes: 1 << 20, AfterBytes: 3 << 20, BeforeCount: 10, AfterCount: 30, BeforeBytesPerSecond: 1, AfterBytesPerSecond: 2, Blame: doc.Growth[0].Blame},
		{Kind: "same", Fingerprint: "1:bb", Class: model.ClassHeap, Stack: second.Stack, BeforeBytes: 7, AfterBytes: 7, BeforeCount: 1, AfterCount: 1},
		{Kind: "gone", Fingerprint: "1:cc", Class: model.ClassMapping, Stack: second.Stack, BeforeBytes: 4096, BeforeCount: 1},
	}}
}

func huntText(t *testing.T, doc *render.HuntDocument, opts render.HuntOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, render.HuntText(&out, doc, opts))
	return out.Bytes()
}

func huntJSON(t *testing.T, doc *render.HuntDocument) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, render.HuntJSON(&out, doc))
	return out.Bytes()
}

func TestHuntText(t *testing.T) {
	options := render.TextOptions{Sources: cvictim, Roots: []string{"/src/victim"}}
	for name, shown := range map[string][]byte{
		"hunt":          huntText(t, hunted(), render.HuntOptions{TextOptions: options}),
		"hunt-crossing": huntText(t, hunted(), render.HuntOptions{TextOptions: options, ByCrossing: true}),
		"hunt-changes":  huntText(t, changed(), render.HuntOptions{TextOptions: options}),
		"hunt-empty":    huntText(t, &render.HuntDocument{}, render.HuntOptions{}),
	} {
		golden.Assert(t, name+".txt", shown)
		for _, r := range string(shown) {
			assert.False(t, r < ' ' && r != '\n' || r == '\u202e', "%q in %s", r, name)
		}
	}
	narrow := huntText(t, hunted(), render.HuntOptions{TextOptions: render.TextOptions{Width: 10}, Top: 1})
	for line := range strings.Lines(string(narrow)) {
		assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, line)
	}
}

func validateHunt(t *testing.T, text []byte) error {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for name, source := range map[string][]byte{"urn:ffikit:schema:report:1": render.ReportSchema(), "urn:ffikit:schema:hunt:1": render.HuntSchema()} {
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
		require.NoError(t, err)
		require.Greater(t, tighten(schema), 5)
		require.NoError(t, compiler.AddResource(name, schema))
	}
	compiled, err := compiler.Compile("urn:ffikit:schema:hunt:1")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err, "%s", text)
	return compiled.Validate(value)
}

func TestHuntJSON(t *testing.T) {
	for name, doc := range map[string]*render.HuntDocument{"hunt": hunted(), "changes": changed(), "empty": {}} {
		text := huntJSON(t, doc)
		assert.NoError(t, validateHunt(t, text), name)
		assert.NotContains(t, string(text), "null", name)
		assert.NotContains(t, string(text), "\x1b")
	}
	assert.Error(t, validateHunt(t, []byte(`{"schema":"ffikit.hunt/1","partial":[]}`)))
	assert.NotContains(t, string(render.HuntSchema()), "additionalProperties")
}

// What the model can say and what the schema describes are the same members.
func TestHuntSchemaAndModelDoNotDrift(t *testing.T) {
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(render.HuntSchema(), &schema))
	for name, value := range map[string]any{
		"process": model.Process{}, "moment": model.Moment{}, "sample": model.Sample{}, "growth": model.Growth{},
		"crossing": model.Crossing{}, "verdict": model.Verdict{}, "change": model.Change{},
	} {
		var have, want []string
		for i := range reflect.TypeOf(value).NumField() {
			tag, _, _ := strings.Cut(reflect.TypeOf(value).Field(i).Tag.Get("json"), ",")
			want = append(want, tag)
		}
		for property := range schema.Defs[name].Properties {
			have = append(have, property)
		}
		assert.ElementsMatch(t, want, have, name)
	}
}

// What was written reads back as it was.
func TestReadHunt(t *testing.T) {
	text := huntJSON(t, hunted())
	read, err := render.ReadHunt(bytes.NewReader(text), "kept.json")
	require.NoError(t, err)
	want := hunted()
	for i := range want.Samples {
		for j := range want.Samples[i].Stack.Frames {
			if f := &want.Samples[i].Stack.Frames[j]; f.Module != "" {
				f.AbsAddr = 0 // it is not shown
			}
		}
	}
	assert.Equal(t, want.Samples, read.Samples)
	assert.Equal(t, want.Processes, read.Processes)
	assert.Equal(t, want.Growth, read.Growth)
	assert.Equal(t, want.Verdict, read.Verdict)
	assert.Equal(t, text, huntJSON(t, &render.HuntDocument{Hunt: *read, Command: want.Command}))

	for want, change := range map[string][2]string{
		"not a hunt: its schema is \"ffikit.report/1\"": {"ffikit.hunt/1", "ffikit.report/1"},
		"sample 2 names process 5 of 2":                 {`"process":1`, `"process":5`},
		"growth 2 names sample -2 of 4":                 {`"sample":2`, `"sample":-2`},
		"blames frame 9 of 3":                           {`"blame":{"stack":0,"frame":0`, `"blame":{"stack":0,"frame":9`},
		"crossing 0 names sample 7":                     {`"samples":[0,1]`, `"samples":[0,7]`},
		"byte ":                                         {`"pid":4711`, `"pid":"x"`},
		"invalid character":                             {`"pid":4711`, `pid`},
	} {
		bad := strings.Replace(string(text), change[0], change[1], 1)
		require.NotEqual(t, string(text), bad, want)
		_, err := render.ReadHunt(strings.NewReader(bad), "kept.json")
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "kept.json: ")
	}
	_, err = render.ReadHunt(bytes.NewReader(huntJSON(t, changed())), "kept.json")
	require.ErrorContains(t, err, "differs between two hunts")
	_, err = render.ReadHunt(bytes.NewReader(text[:len(text)/2]), "kept.json")
	require.ErrorContains(t, err, "unexpected EOF")
}

// FuzzReadHunt: what is accepted can be shown.
func FuzzReadHunt(f *testing.F) {
	for _, doc := range []*render.HuntDocument{hunted(), changed(), {}} {
		var out bytes.Buffer
		require.NoError(f, render.HuntJSON(&out, doc))
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		hunt, err := render.ReadHunt(bytes.NewReader(text), "kept.json")
		if err != nil {
			return
		}
		doc := &render.HuntDocument{Hunt: *hunt}
		for _, r := range string(huntText(t, doc, render.HuntOptions{})) + string(huntText(t, doc, render.HuntOptions{ByCrossing: true})) {
			require.False(t, r < ' ' && r != '\n', "%q", r)
		}
		huntJSON(t, doc)
	})
}
