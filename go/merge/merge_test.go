package merge_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

// useAfterFree is a normalized report as the main job of the suite makes it.
func useAfterFree() model.Report {
	address := model.AbsAddr(0x5060002b7c63)
	return model.Report{
		Tool: "AddressSanitizer", Kind: "heap-use-after-free", Message: "heap-use-after-free on address 0x5060002b7c63", PID: 16959,
		AbsAddr: &address, Access: &model.Access{Type: "read", SizeBytes: 1},
		Source: model.Location{File: "log", OffsetBytes: 66},
		Stacks: []model.Stack{
			{Role: model.RoleFault, Frames: []model.Frame{
				{Function: "peek", Language: model.LanguageC, File: "/src/c/cvictim.c", Line: 11, Column: 92, FunctionLine: 10, Inlined: true, Module: "/src/out/libc.so", BuildID: "aa", VirtAddr: 0x2690, AbsAddr: 0x7f2364186690},
				{Function: "c_read", Language: model.LanguageC, File: "/src/c/cvictim.c", Line: 15, Column: 49, FunctionLine: 14, Boundary: "go>c"},
				{Function: "_cgo_Cfunc_c_read", LinkageName: "_cgo_edd9ce9f9617_Cfunc_c_read", Language: model.LanguageC, File: "/tmp/go-build/cgo-gcc-prolog", Line: 100, Runtime: true, Machinery: "cgo"},
				{Function: "runtime.asmcgocall", Language: model.LanguageAsm, File: "/usr/local/go/src/runtime/asm_amd64.s", Line: 995, Runtime: true, Machinery: "Go runtime"},
			}},
			{Role: model.RoleFree, Frames: []model.Frame{
				{Function: "free", Module: "/usr/lib/libclang_rt.asan.so", Runtime: true, Machinery: "sanitizer"},
				{Function: "rvictim::inner::c_release", Language: model.LanguageRust, File: "/src/rust/src/lib.rs", Line: 18, FunctionLine: 18},
				{Function: "cyv.rsfreec", Language: model.LanguageCython, File: "/src/cy/cyv.pyx", Line: 5772, Boundary: "cython>rust"},
			}},
			{Role: model.RoleAllocation, Frames: []model.Frame{
				{Function: "malloc", Module: "/usr/lib/libclang_rt.asan.so", Runtime: true, Machinery: "sanitizer"},
				{Function: "raw_alloc", Language: model.LanguageC, File: "/src/c/cvictim.c", Line: 5, FunctionLine: 4},
			}},
		},
	}
}

// edited is useAfterFree after change.
func edited(change func(*model.Report)) model.Report {
	r := useAfterFree()
	change(&r)
	return r
}

func eachFrame(r *model.Report, change func(*model.Frame)) {
	for s := range r.Stacks {
		for f := range r.Stacks[s].Frames {
			change(&r.Stacks[s].Frames[f])
		}
	}
}

// Parts of one leak are one meeting of it; nothing that leaked is lost.
func TestLeaksAddUp(t *testing.T) {
	leak := func(size uint64, offset int64) model.Report {
		text := fmt.Sprintf("Direct leak of %d byte(s) in 1 object(s)", size)
		return model.Report{Tool: "LeakSanitizer", Kind: "direct-leak", Message: text, Source: model.Location{File: "log", OffsetBytes: offset},
			Leaked: &model.Leaked{SizeBytes: size, ObjectsCount: 1, Objects: []model.LeakedObject{{AbsAddr: 1, SizeBytes: size}}},
			Stacks: []model.Stack{{Role: model.RoleAllocation, Name: text, Frames: []model.Frame{{Function: "f", File: "/src/a.c", Line: 3}}}}}
	}
	reports := merge.Reports([]model.Report{leak(10, 5), leak(20, 5), leak(5, 90), leak(7, 90)}, merge.Options{})
	require.Len(t, reports, 1)
	assert.Equal(t, model.Leaked{SizeBytes: 42, ObjectsCount: 4}, *reports[0].Leaked)
	assert.Equal(t, 2, reports[0].Count)
	assert.Equal(t, "Direct leak of 42 byte(s) in 4 object(s)", reports[0].Message)
	assert.Equal(t, "Direct leak of 42 byte(s) in 4 object(s)", reports[0].Stacks[0].Name)
}

func TestFingerprintIgnoresWhatDiffersBetweenRunsAndBuilds(t *testing.T) {
	same := useAfterFree()
	want := merge.Fingerprint(&same)
	require.Regexp(t, `^1:[0-9a-f]{32}$`, want)
	for name, r := range map[string]model.Report{
		"addresses": edited(func(r *model.Report) {
			address := model.AbsAddr(1)
			r.AbsAddr = &address
			eachFrame(r, func(f *model.Frame) { f.AbsAddr += 0x1000; f.VirtAddr += 16 })
		}),
		"process, place in the log, count": edited(func(r *model.Report) { r.PID, r.Count, r.Source = 3, 7, model.Location{File: "other"} }),
		"message, details":                 edited(func(r *model.Report) { r.Message, r.Details = "0x1", []string{"0x2"} }),
		"folder": edited(func(r *model.Report) {
			eachFrame(r, func(f *model.Frame) { f.File, f.Module = "/elsewhere"+f.File, "/elsewhere"+f.Module })
		}),
		"build ID": edited(func(r *model.Report) { eachFrame(r, func(f *model.Frame) { f.BuildID = "bb" }) }),
		"columns, where a function's line is known": edited(func(r *model.Report) {
			eachFrame(r, func(f *model.Frame) {
				if f.FunctionLine > 0 {
					f.Column++
				}
			})
		}),
		"inlining":      edited(func(r *model.Report) { eachFrame(r, func(f *model.Frame) { f.Inlined = !f.Inlined }) }),
		"linkage names": edited(func(r *model.Report) { eachFrame(r, func(f *model.Frame) { f.LinkageName += ".cold" }) }),
		"lines above": edited(func(r *model.Report) {
			eachFrame(r, func(f *model.Frame) {
				if f.FunctionLine > 0 {
					f.Line, f.FunctionLine = f.Line+3, f.FunctionLine+3
				}
			})
		}),
		"stack headings": edited(func(r *model.Report) { r.Stacks[1].Name, r.Stacks[1].Truncated = "freed by thread T7 here", "end" }),
		"a recursion's depth": edited(func(r *model.Report) {
			release := r.Stacks[1].Frames[1]
			r.Stacks[1].Frames = append([]model.Frame{release, release}, r.Stacks[1].Frames...)
		}),
		"a function that the compiler split": edited(func(r *model.Report) {
			part := r.Stacks[0].Frames[1]
			part.Inlined, part.Line = true, 99
			r.Stacks[0].Frames = append(r.Stacks[0].Frames[:2:2], append([]model.Frame{part}, r.Stacks[0].Frames[2:]...)...)
		}),
		"machinery": edited(func(r *model.Report) { r.Stacks[1].Frames = r.Stacks[1].Frames[1:] }),
		"order of stacks": edited(func(r *model.Report) {
			r.Stacks[1], r.Stacks[2] = r.Stacks[2], r.Stacks[1]
		}),
		"threads that Go started": edited(func(r *model.Report) {
			start := model.Frame{Function: "x_cgo_thread_start", File: "/go/src/runtime/cgo/gcc_util.c", Line: 23, Runtime: true}
			r.Stacks = append(r.Stacks, model.Stack{Role: model.RoleThread, Frames: []model.Frame{start}},
				model.Stack{Role: model.RoleThread, Frames: []model.Frame{start, {Function: "<module>", File: "/src/a.py", Line: 3}}})
		}),
		"a thread of unknown start": edited(func(r *model.Report) {
			r.Stacks = append(r.Stacks, model.Stack{Role: model.RoleThread, Frames: []model.Frame{{Function: "pthread_create", Runtime: true}}})
		}),
		"how much leaked": edited(func(r *model.Report) { r.Leaked = &model.Leaked{SizeBytes: 9} }),
	} {
		assert.Equal(t, want, merge.Fingerprint(&r), name)
	}
}

// The reports below are pairwise different faults, and all differ.
func TestFingerprintTellsFaultsApart(t *testing.T) {
	seen := map[string]string{}
	for name, r := range map[string]model.Report{
		"as it is":  useAfterFree(),
		"tool":      edited(func(r *model.Report) { r.Tool = "HWAddressSanitizer" }),
		"kind":      edited(func(r *model.Report) { r.Kind = "heap-buffer-overflow" }),
		"write":     edited(func(r *model.Report) { r.Access.Type = "write" }),
		"no access": edited(func(r *model.Report) { r.Access = nil }),
		"thread": edited(func(r *model.Report) {
			r.Stacks = append(r.Stacks, model.Stack{Role: model.RoleThread, Frames: []model.Frame{{Function: "start", File: "/src/a.c", Line: 3}}})
		}),
		"function":            edited(func(r *model.Report) { r.Stacks[0].Frames[0].Function = "poke" }),
		"line":                edited(func(r *model.Report) { r.Stacks[0].Frames[0].Line++ }),
		"line unknown":        edited(func(r *model.Report) { r.Stacks[0].Frames[0].FunctionLine = 0 }),
		"language":            edited(func(r *model.Report) { r.Stacks[0].Frames[0].Language = model.LanguageCPP }),
		"file":                edited(func(r *model.Report) { r.Stacks[0].Frames[0].File = "/src/c/other.c" }),
		"caller":              edited(func(r *model.Report) { r.Stacks[0].Frames[1].Function = "c_other" }),
		"no caller":           edited(func(r *model.Report) { r.Stacks[0].Frames = r.Stacks[0].Frames[:1] }),
		"freed elsewhere":     edited(func(r *model.Report) { r.Stacks[1].Frames[1].Line++ }),
		"no free":             edited(func(r *model.Report) { r.Stacks = append(r.Stacks[:1:1], r.Stacks[2]) }),
		"allocated elsewhere": edited(func(r *model.Report) { r.Stacks[2].Frames[1].Function = "new_alloc" }),
		"roles swapped": edited(func(r *model.Report) {
			r.Stacks[1].Role, r.Stacks[2].Role = r.Stacks[2].Role, r.Stacks[1].Role
		}),
		"frames moved between stacks": edited(func(r *model.Report) {
			r.Stacks[1].Frames = append(r.Stacks[1].Frames, r.Stacks[2].Frames[1])
			r.Stacks[2].Frames = r.Stacks[2].Frames[:1]
		}),
		"nothing":    {},
		"only stack": {Stacks: []model.Stack{{Role: model.RoleFault}}},
		"name split otherwise": edited(func(r *model.Report) {
			r.Stacks[0].Frames[0].Function, r.Stacks[0].Frames[0].File = "peekc", "/src/c/victim.c"
		}),
		"address in one module":   {Stacks: []model.Stack{{Frames: []model.Frame{{Module: "/a/l.so", BuildID: "aa", VirtAddr: 1}}}}},
		"another address":         {Stacks: []model.Stack{{Frames: []model.Frame{{Module: "/a/l.so", BuildID: "aa", VirtAddr: 2}}}}},
		"another build":           {Stacks: []model.Stack{{Frames: []model.Frame{{Module: "/a/l.so", BuildID: "bb", VirtAddr: 1}}}}},
		"another module":          {Stacks: []model.Stack{{Frames: []model.Frame{{Module: "/a/m.so", BuildID: "aa", VirtAddr: 1}}}}},
		"a place only":            {Stacks: []model.Stack{{Frames: []model.Frame{{File: "a.c", Line: 3}}}}},
		"another place":           {Stacks: []model.Stack{{Frames: []model.Frame{{File: "a.c", Line: 4}}}}},
		"machinery only":          {Stacks: []model.Stack{{Frames: []model.Frame{{Function: "memcpy", Runtime: true}}}}},
		"other machinery only":    {Stacks: []model.Stack{{Frames: []model.Frame{{Function: "memset", Runtime: true}}}}},
		"two frames as one":       {Stacks: []model.Stack{{Frames: []model.Frame{{Function: "ab"}, {Function: "c"}}}}},
		"the same, cut otherwise": {Stacks: []model.Stack{{Frames: []model.Frame{{Function: "a"}, {Function: "bc"}}}}},
	} {
		print := merge.Fingerprint(&r)
		assert.NotContains(t, seen, print, "%q has the fingerprint of %q", name, seen[print])
		seen[print] = name
	}
}

// An absolute address of no module says nothing in another run.
func TestFingerprintWithoutModule(t *testing.T) {
	a := model.Report{Stacks: []model.Stack{{Frames: []model.Frame{{AbsAddr: 0x1000}, {Function: "f"}}}}}
	b := model.Report{Stacks: []model.Stack{{Frames: []model.Frame{{AbsAddr: 0x2000}, {Function: "f"}}}}}
	assert.Equal(t, merge.Fingerprint(&a), merge.Fingerprint(&b))
}

func TestReportsJoinsEqualOnes(t *testing.T) {
	second := edited(func(r *model.Report) { r.Kind = "heap-buffer-overflow"; r.Count = 2 })
	again := edited(func(r *model.Report) { r.PID = 3; r.Count = 4 })
	got := merge.Reports([]model.Report{useAfterFree(), second, again, useAfterFree()}, merge.Options{})
	require.Len(t, got, 2)
	assert.Equal(t, "heap-use-after-free", got[0].Kind)
	assert.Equal(t, 16959, got[0].PID, "the first is kept")
	assert.Equal(t, 6, got[0].Count)
	assert.Equal(t, 2, got[1].Count)
	assert.NotEqual(t, got[0].Fingerprint, got[1].Fingerprint)
	assert.NotNil(t, got[0].Blame)
	assert.Empty(t, merge.Reports(nil, merge.Options{}))
}

// Many equal reports take the memory of one, many different ones that of the
// bound.
func TestBucketerIsBounded(t *testing.T) {
	bucketer := merge.NewBucketer(merge.Options{MaxReports: 3})
	for i := 0; i < 5000; i++ {
		bucketer.Add(model.Report{Kind: fmt.Sprint(i % 2)})
	}
	require.Len(t, bucketer.Reports(), 2)
	assert.Equal(t, 2500, bucketer.Reports()[0].Count)
	assert.Zero(t, bucketer.Dropped())
	for i := 0; i < 5; i++ {
		bucketer.Add(model.Report{Kind: "new" + fmt.Sprint(i)})
	}
	assert.Len(t, bucketer.Reports(), 3)
	assert.Equal(t, 4, bucketer.Dropped())
	bucketer.Add(model.Report{Kind: "0"})
	assert.Equal(t, 2501, bucketer.Reports()[0].Count, "known ones still count")
}

func BenchmarkBucketer(b *testing.B) {
	r := useAfterFree()
	bucketer := merge.NewBucketer(merge.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		bucketer.Add(r)
	}
}
