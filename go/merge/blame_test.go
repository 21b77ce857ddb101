package merge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

func blamed(t *testing.T, opts merge.Options, stacks ...model.Stack) model.Report {
	t.Helper()
	got := merge.Reports([]model.Report{{Tool: "AddressSanitizer", Kind: "heap-use-after-free", Stacks: stacks}}, opts)
	require.Len(t, got, 1)
	return got[0]
}

func fault(frames ...model.Frame) model.Stack {
	return model.Stack{Role: model.RoleFault, Frames: frames}
}

func TestBlameOfAUseAfterFree(t *testing.T) {
	got := merge.Reports([]model.Report{useAfterFree()}, merge.Options{})[0]
	require.NotNil(t, got.Blame)
	assert.Equal(t, model.RoleFault, got.Blame.Role)
	assert.Equal(t, [2]int{0, 0}, [2]int{got.Blame.Stack, got.Blame.Frame})
	assert.Contains(t, got.Blame.Reason, "first frame of the fault stack")
	require.Len(t, got.Related, 2)
	assert.Equal(t, [2]int{1, 1}, [2]int{got.Related[0].Stack, got.Related[0].Frame})
	assert.Equal(t, model.RoleFree, got.Related[0].Role)
	assert.Contains(t, got.Related[0].Reason, "freed here")
	assert.Equal(t, [2]int{2, 1}, [2]int{got.Related[1].Stack, got.Related[1].Frame})
	assert.Contains(t, got.Related[1].Reason, "allocated here")
}

// frames from the leaf: machinery, a library's, a user's outside of the root,
// a user's below it.
var mixed = []model.Frame{
	{Function: "memcpy", Runtime: true, File: "/src/app/pool.c"},
	{Function: "inline_max", Language: model.LanguageC, File: "/usr/include/max.h", Line: 1},
	{Function: "<serde::Vec>::next", Language: model.LanguageRust, File: "/home/u/.cargo/registry/src/index-1/serde-1.0/src/lib.rs", Line: 1},
	{Function: "fmt.Fprintf", Language: model.LanguageGo, File: "/opt/go/src/fmt/print.go", Line: 1},
	{Function: "shared.F", Language: model.LanguageGo, File: "/src/shared/f.go", Line: 1},
	{Function: "own", Language: model.LanguageC, File: "/src/app/own.c", Line: 1},
	{Function: "main", Language: model.LanguageC, File: "/src/app/main.c", Line: 1},
}

func TestBlamePrefersTheSourceRoot(t *testing.T) {
	for root, want := range map[string]int{"": 4, "/src/app": 5, "/src/app/": 5, "/src/ap": 4, "/src/none": 4, "/": 1, "/src/shared": 4} {
		got := blamed(t, merge.Options{SourceRoot: root}, fault(mixed...))
		require.NotNil(t, got.Blame, root)
		assert.Equal(t, want, got.Blame.Frame, root)
	}
	got := blamed(t, merge.Options{SourceRoot: "/src/app"}, fault(mixed...))
	assert.Contains(t, got.Blame.Reason, "below the source root /src/app")
	got = blamed(t, merge.Options{SourceRoot: "/src/none"}, fault(mixed...))
	assert.Contains(t, got.Blame.Reason, "in no system folder")
}

// A source root below a system folder, and a virtual environment within one.
func TestBlameInOddFolders(t *testing.T) {
	stack := fault(
		model.Frame{Function: "numpy_add", Language: model.LanguageC, File: "/usr/lib/app/.venv/lib/python3.11/site-packages/numpy/add.c", Line: 1},
		model.Frame{Function: "own", Language: model.LanguageC, File: "/usr/lib/app/own.c", Line: 1})
	got := blamed(t, merge.Options{SourceRoot: "/usr/lib/app"}, stack)
	require.NotNil(t, got.Blame)
	assert.Equal(t, 1, got.Blame.Frame)
	got = blamed(t, merge.Options{}, stack)
	assert.Nil(t, got.Blame, "all lies in system folders")

	got = blamed(t, merge.Options{SourceRoot: "/anything"}, fault(
		model.Frame{Function: "fmt.Fprintf", Language: model.LanguageGo, File: "fmt/print.go", Line: 1},
		model.Frame{Function: "up", Language: model.LanguageC, File: "../other/up.c", Line: 1},
		model.Frame{Function: "example.com/m.F", Language: model.LanguageGo, File: "example.com/m/f.go", Line: 1}))
	require.NotNil(t, got.Blame)
	assert.Equal(t, 2, got.Blame.Frame, "a trimmed path counts as below the root")
}

func TestBlameFallsBack(t *testing.T) {
	machinery := model.Frame{Function: "PyBytes_FromStringAndSize", Runtime: true, File: "/src/x.c", Line: 1}
	user := model.Frame{Function: "rs_dangling_vec", Language: model.LanguageRust, File: "/src/rust/src/lib.rs", Line: 17}
	named := model.Frame{Function: "c_read", Module: "/src/out/libc.so"}
	bare := model.Frame{Module: "/src/out/libc.so", VirtAddr: 0x10}
	system := model.Frame{Function: "inflate", Module: "/usr/lib/libz.so.1"}
	installed := model.Frame{Function: "core", Module: "/venv/lib/python3.11/site-packages/pkg/_core.so"}

	for name, test := range map[string]struct {
		stacks []model.Stack
		want   [2]int // stack, frame; -1 is nobody
		reason string
	}{
		"machinery only passes to who freed": {[]model.Stack{fault(machinery), {Role: model.RoleAllocation, Frames: []model.Frame{user}}, {Role: model.RoleFree, Frames: []model.Frame{machinery, user}}}, [2]int{2, 1}, "the fault stack has no frame of the user's; this is the first frame of the free stack"},
		"no fault stack":                     {[]model.Stack{{Role: model.RoleAllocation, Frames: []model.Frame{user}}}, [2]int{0, 0}, "first frame of the allocation stack"},
		"a stack of another role":            {[]model.Stack{{Role: model.RoleOther, Frames: []model.Frame{machinery, user}}}, [2]int{0, 1}, "first frame of the stack"},
		"files before names":                 {[]model.Stack{fault(named, user)}, [2]int{0, 1}, "in no system folder"},
		"names before addresses":             {[]model.Stack{fault(bare, system, named)}, [2]int{0, 2}, "by its name alone"},
		"addresses":                          {[]model.Stack{fault(machinery, bare)}, [2]int{0, 1}, "not symbolized"},
		"an installed package last":          {[]model.Stack{fault(system, installed)}, [2]int{0, 1}, "installed Python package"},
		"what std brings is no user's":       {[]model.Stack{fault(model.Frame{Function: "hashbrown::map::insert", Language: model.LanguageRust, File: "/rust/deps/hashbrown-0.16.1/src/map.rs", Line: 9}, user)}, [2]int{0, 1}, "in no system folder"},
		"nobody":                             {[]model.Stack{fault(machinery, system)}, [2]int{-1, -1}, ""},
		"no stacks":                          {nil, [2]int{-1, -1}, ""},
	} {
		got := blamed(t, merge.Options{}, test.stacks...)
		if test.want[0] < 0 {
			assert.Nil(t, got.Blame, name)
			continue
		}
		require.NotNil(t, got.Blame, name)
		assert.Equal(t, test.want, [2]int{got.Blame.Stack, got.Blame.Frame}, name)
		assert.Equal(t, test.stacks[test.want[0]].Role, got.Blame.Role)
		assert.Contains(t, got.Blame.Reason, test.reason, name)
		for _, related := range got.Related {
			assert.NotEqual(t, got.Blame.Stack, related.Stack, name)
		}
	}
}

func TestBlameOfALeakIsItsAllocation(t *testing.T) {
	user := model.Frame{Function: "leak_inner", Language: model.LanguageC, File: "/src/c/cvictim.c", Line: 15}
	got := merge.Reports([]model.Report{{
		Tool: "LeakSanitizer", Kind: "direct-leak", Leaked: &model.Leaked{SizeBytes: 3, ObjectsCount: 1},
		Stacks: []model.Stack{fault(user), {Role: model.RoleAllocation, Frames: []model.Frame{{Function: "malloc", Runtime: true}, user}}},
	}}, merge.Options{})
	require.NotNil(t, got[0].Blame)
	assert.Equal(t, [2]int{1, 1}, [2]int{got[0].Blame.Stack, got[0].Blame.Frame})
	assert.Equal(t, model.RoleAllocation, got[0].Blame.Role)
}

func TestRelatedNamesWhoStartedTheThread(t *testing.T) {
	user := model.Frame{Function: "spawn", Language: model.LanguageC, File: "/src/t.c", Line: 15}
	got := blamed(t, merge.Options{}, fault(user), model.Stack{Role: model.RoleThread, Frames: []model.Frame{user}}, model.Stack{Role: model.RoleOther, Frames: []model.Frame{user}})
	require.Len(t, got.Related, 1)
	assert.Equal(t, model.RoleThread, got.Related[0].Role)
	assert.Contains(t, got.Related[0].Reason, "thread started here")
}
