package normalize_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/report"
)

// A fault in C that Go's handler forwarded to the sanitizer: the frames after
// the fault's own are the handler's, and no caller can be told from them.
func TestGoSignalHandlerIsNoCaller(t *testing.T) {
	reports := readCorpus(t, "null_in_c")
	require.Len(t, reports, 1)
	require.Len(t, reports[0].Stacks, 1)
	stack := reports[0].Stacks[0]
	frames := stack.Frames
	require.Equal(t, "store_head_length", frames[0].Function)
	require.Contains(t, frames[len(frames)-1].Function, "runtime.sigfwd")
	for _, f := range frames {
		assert.Empty(t, f.Boundary, "%+v", f)
	}
	assert.Contains(t, stack.Truncated, "Go's signal handler")
}

// A stack that does go on behind the handler is whole, and its crossings count.
func TestStackBehindGoSignalHandler(t *testing.T) {
	runtime := "/usr/local/go/src/runtime/"
	r := model.Report{Stacks: []model.Stack{{Role: model.RoleFault, Frames: []model.Frame{
		{Function: "handler", File: "/src/handler.c"},
		{Function: "runtime.sigfwd.abi0", File: runtime + "sys_linux_amd64.s"},
		{Function: "store_head_length", File: "/src/store.c"},
		{Function: "runtime.asmcgocall.abi0", File: runtime + "asm_amd64.s"},
	}}}}
	normalize.Report(&r, normalize.Options{})
	assert.NotContains(t, r.Stacks[0].Truncated, "signal handler")
	assert.Empty(t, r.Stacks[0].Frames[0].Boundary)
	assert.Equal(t, "go>c", r.Stacks[0].Frames[2].Boundary)
}

// readCorpus gives the normalized reports of a log of the corpus.
func readCorpus(t *testing.T, name string) []model.Report {
	t.Helper()
	log, err := os.Open("../testdata/corpus/" + name + ".sym.txt")
	require.NoError(t, err)
	defer log.Close()
	var reports []model.Report
	_, err = report.Read(log, name, func(r model.Report) error {
		normalize.Report(&r, normalize.Options{})
		reports = append(reports, r)
		return nil
	})
	require.NoError(t, err)
	return reports
}

// Each stack of a real run that ends at Go says so; one that came to the
// process's start or a thread's has nothing to say.
func TestStacksOfTheCorpusThatEndAtGo(t *testing.T) {
	const systemStack, oneAddress, handler = "Go's system stack", "one address", "signal handler"
	for name, reasons := range map[string][][]string{
		"use_after_free":       {{oneAddress, systemStack, ""}},
		"pyo3_use_after_free":  {{oneAddress, "", ""}},
		"slice_overrun":        {{oneAddress, ""}},
		"leak_through_go":      {{systemStack}},
		"overflow_in_preamble": {{systemStack}},
		"null_in_c":            {{handler}},
		"null_seen_by_ubsan":   {{systemStack}, {handler}},
		"dangling_vec_in_c":    {{"", "", ""}},
		"plain_thread":         {{"", "", "", ""}},
		"plain_stack":          {{"", ""}},
	} {
		reports := readCorpus(t, name)
		require.Len(t, reports, len(reasons), name)
		for i, r := range reports {
			require.Len(t, r.Stacks, len(reasons[i]), name)
			for j, reason := range reasons[i] {
				got := r.Stacks[j].Truncated
				assert.Equal(t, reason == "", got == "", "%s: %s: %q", name, r.Stacks[j].Role, got)
				assert.Contains(t, got, reason, "%s: %s", name, r.Stacks[j].Role)
			}
		}
	}
}

// Where a stack's root-most frame tells why it ends, and where it does not.
func TestWhyAStackEnds(t *testing.T) {
	runtime := "/usr/local/go/src/runtime/"
	leaf := model.Frame{Function: "main.read", File: "/src/main.go", Line: 3}
	inlined := leaf
	inlined.Inlined = true
	for what, c := range map[string]struct {
		role   model.Role
		frames []model.Frame
		reason string
	}{
		"one access":          {model.RoleFault, []model.Frame{leaf}, "one address"},
		"and inlined calls":   {model.RoleFault, []model.Frame{inlined, leaf}, "one address"},
		"two calls":           {model.RoleFault, []model.Frame{leaf, leaf}, "did not walk past this Go function"},
		"no access":           {model.RoleAllocation, []model.Frame{leaf}, "did not walk past this Go function"},
		"runtime's access":    {model.RoleFault, []model.Frame{{Function: "runtime.growslice", File: runtime + "slice.go"}}, "one address"},
		"a goroutine's root":  {model.RoleFault, []model.Frame{leaf, {Function: "runtime.goexit.abi0", File: runtime + "asm_amd64.s"}}, ""},
		"the same by name":    {model.RoleFault, []model.Frame{leaf, {Function: "runtime.goexit.abi0"}}, ""},
		"main's caller":       {model.RoleFault, []model.Frame{leaf, {Function: "runtime.main", File: runtime + "proc.go"}}, ""},
		"a thread's root":     {model.RoleFault, []model.Frame{leaf, {Function: "runtime.mstart1", File: runtime + "proc.go"}}, ""},
		"a program's root":    {model.RoleFault, []model.Frame{leaf, {Function: "runtime.rt0_go.abi0", File: runtime + "asm_amd64.s"}}, ""},
		"a program's entry":   {model.RoleFault, []model.Frame{leaf, {Function: "_rt0_amd64_linux", File: runtime + "rt0_linux_amd64.s"}}, ""},
		"no debug lines":      {model.RoleFree, []model.Frame{{Function: "runtime.asmcgocall.abi0"}}, "Go's system stack"},
		"the runtime's own":   {model.RoleFree, []model.Frame{leaf, {Function: "runtime.systemstack.abi0", File: runtime + "asm_amd64.s"}}, "Go's system stack"},
		"a user's asmcgocall": {model.RoleFault, []model.Frame{{Function: "asmcgocall", File: "/src/a.c"}}, ""},
		"C in a Go file":      {model.RoleFault, []model.Frame{{Function: "add_lengths", File: "/src/main.go"}}, ""},
		"a Go file only":      {model.RoleFault, []model.Frame{{File: "/src/main.go"}}, ""},
		"nothing known":       {model.RoleFault, []model.Frame{{AbsAddr: 0x1234}}, ""},
		"no frames":           {model.RoleFault, nil, ""},
	} {
		r := model.Report{Stacks: []model.Stack{{Role: c.role, Frames: c.frames}}}
		normalize.Report(&r, normalize.Options{})
		got := r.Stacks[0].Truncated
		assert.Equal(t, c.reason == "", got == "", "%s: %q", what, got)
		assert.Contains(t, got, c.reason, what)
	}
}

// What the evidence says about a stack's end is not ours to replace.
func TestReasonOfTheEvidenceStays(t *testing.T) {
	r := model.Report{Stacks: []model.Stack{{
		Role: model.RoleFault, Truncated: "the log ends",
		Frames: []model.Frame{{Function: "main.read", File: "/src/main.go"}},
	}}}
	normalize.Report(&r, normalize.Options{})
	assert.Equal(t, "the log ends", r.Stacks[0].Truncated)
}

// Whether a stack says why it ends makes no other fault of it.
func TestFingerprintIgnoresWhyAStackEnds(t *testing.T) {
	reports := readCorpus(t, "use_after_free")
	require.Len(t, reports, 1)
	r := reports[0]
	before := merge.Fingerprint(&r)
	require.NotEmpty(t, before)
	for i := range r.Stacks {
		r.Stacks[i].Truncated = ""
	}
	assert.Equal(t, before, merge.Fingerprint(&r))
}
