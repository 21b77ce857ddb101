package join

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/trace"
)

// Where the modules of the process lie.
const (
	exe     = 0x400000
	store   = 0x7f0000000000
	service = 0x7f0000100000 // a Go library
	runtime = 0x7f0000200000
	agent   = 0x7f0000300000
)

var names = map[uint64]string{
	exe: "/usr/bin/python3", store: "/app/libstore.so", service: "/app/libservice.so",
	runtime: "/llvm/libclang_rt.asan-x86_64.so", agent: "/ffikit/libffikit_agent.so",
}

func newFile(pid uint32) *tracefile.File {
	f := tracefile.New(pid)
	for _, start := range []uint64{exe, store, service, runtime, agent} {
		f.Module(start, start+0x100000, start, "", names[start])
	}
	return f
}

func evidenceOf(t *testing.T, f *tracefile.File) *trace.Evidence {
	t.Helper()
	evidence, partial, err := trace.Read(bytes.NewReader(f.Bytes), "stacks.7")
	require.NoError(t, err)
	require.Empty(t, partial)
	return evidence
}

// logged is a frame as a log prints it for the return address: one byte less.
func logged(addr uint64) model.Frame {
	start := addr - addr%0x100000
	return model.Frame{Module: names[start], VirtAddr: model.VirtAddr(addr - 1 - start), AbsAddr: model.AbsAddr(addr - 1)}
}

func stackOf(role model.Role, addrs ...uint64) model.Stack {
	s := model.Stack{Role: role, Frames: []model.Frame{}}
	for _, addr := range addrs {
		s.Frames = append(s.Frames, logged(addr))
	}
	return s
}

// show writes a stack as "module+offset" of the frames' return addresses, and
// the names of Python's frames.
func show(s model.Stack) string {
	var parts []string
	for _, f := range s.Frames {
		if f.Language == model.LanguagePython {
			parts = append(parts, f.Function)
			continue
		}
		parts = append(parts, strings.TrimPrefix(f.Module[strings.LastIndexByte(f.Module, '/')+1:], "lib")+"+"+(f.VirtAddr+1).String())
	}
	return strings.Join(parts, " ")
}

func joined(t *testing.T, f *tracefile.File, reports ...model.Report) []model.Report {
	t.Helper()
	var out []model.Report
	joiner := New(evidenceOf(t, f))
	for _, r := range reports {
		require.NoError(t, joiner.Report(r, func(r model.Report) error {
			out = append(out, r)
			return nil
		}))
	}
	return out
}

func useAfterFree() model.Report {
	addr := model.AbsAddr(0x5018)
	return model.Report{Tool: "AddressSanitizer", Kind: "heap-use-after-free", PID: 7, AbsAddr: &addr, Count: 1, Stacks: []model.Stack{
		// As the log has them: by the sanitizer's unwinder, and two frames of each allocation.
		stackOf(model.RoleFault, store+0x100, service+0x900),
		stackOf(model.RoleFree, runtime+0x20, store+0x300),
		stackOf(model.RoleAllocation, runtime+0x30, store+0x200),
	}}
}

// record adds what the companion has of useAfterFree.
func record(f *tracefile.File, sequence uint32) {
	site := f.Site("deliver", "/app/keeper.py", 12, 10)
	module := f.Site("<module>", "/app/keeper.py", 40, 1)
	root := []uint64{exe + 0x500, site, module, exe + 0x600}
	fault := f.Stack(0, append([]uint64{agent + 0x10, runtime + 0x11, store + 0x100, service + 0x900, service + 0xa00}, root...)...)
	free := f.Stack(0, append([]uint64{agent + 0x20, runtime + 0x25, store + 0x300}, root...)...)
	allocation := f.Stack(0, append([]uint64{agent + 0x20, runtime + 0x38, store + 0x200}, root...)...)
	f.ReportStack(sequence, 0, 7, fault, 0x5018, store+0x100, "heap-use-after-free")
	f.ReportStack(sequence, 1, 7, free, 0x5010, 0, "heap-use-after-free")
	f.ReportStack(sequence, 2, 7, allocation, 0x5010, 0, "heap-use-after-free")
}

func TestFault(t *testing.T) {
	f := newFile(7)
	record(f, 0)
	out := joined(t, f, useAfterFree())
	require.Len(t, out, 1)
	const root = " python3+0x500 deliver <module> python3+0x600"
	assert.Equal(t, "store.so+0x100 service.so+0x900 service.so+0xa00"+root, show(out[0].Stacks[0]))
	// The log's frame of the sanitizer stays the leaf, the companion's way to it goes.
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x20 store.so+0x300"+root, show(out[0].Stacks[1]))
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x30 store.so+0x200"+root, show(out[0].Stacks[2]))
	for _, s := range out[0].Stacks {
		assert.True(t, s.Complete)
		assert.Empty(t, s.Truncated)
	}
	assert.Equal(t, model.Frame{Function: "deliver", Language: model.LanguagePython, File: "/app/keeper.py", Line: 12, FunctionLine: 10}, out[0].Stacks[1].Frames[3])
}

// A finding that the companion was not told of (UBSan linked into the program)
// shares the program's first frames with every other, and must not take its stacks.
func TestStacksOfAnotherTool(t *testing.T) {
	f := newFile(7)
	record(f, 0)
	overflow := model.Report{Tool: "UndefinedBehaviorSanitizer", Kind: "signed-integer-overflow", PID: 7, Count: 1, Stacks: []model.Stack{
		stackOf(model.RoleFault, store+0x700, exe+0x500, exe+0x600),
	}}
	out := joined(t, f, overflow, useAfterFree())
	require.Len(t, out, 2)
	assert.Equal(t, "store.so+0x700 python3+0x500 python3+0x600", show(out[0].Stacks[0]))
	assert.True(t, out[1].Stacks[0].Complete)
	assert.Contains(t, show(out[1].Stacks[0]), "deliver")
}

// Go hands over one address, and no frame pointer: the log has one frame.
func TestAccessByGo(t *testing.T) {
	f := newFile(7)
	stack := f.Stack(0, agent+0x10, runtime+0x11, service+0x40 /* cgo's __asan_read_go */, service+0x50 /* asancall */, service+0x60 /* asanread */, service+0x900, service+0xa00, exe+0x600)
	f.ReportStack(0, 0, 7, stack, 0x5018, service+0x900, "heap-use-after-free")
	r := useAfterFree()
	r.Stacks = []model.Stack{stackOf(model.RoleFault, service+0x900)}
	out := joined(t, f, r)
	assert.Equal(t, "service.so+0x900 service.so+0xa00 python3+0x600", show(out[0].Stacks[0]))
	assert.True(t, out[0].Stacks[0].Complete)
}

// A signal: the log shows the sanitizer's handler in the callers' place, the
// recorded stack has the interrupted instruction behind both handlers.
func TestSignal(t *testing.T) {
	f := newFile(7)
	stack := f.Stack(0, agent+0x10, runtime+0x11, runtime+0x70, service+0x80 /* sigfwd */, service+0x90 /* sigtramp */, (store+0x1ff)|tracefile.Exact, service+0x900, exe+0x600)
	f.ReportStack(0, 0, 7, stack, 0, store+0x1ff, "SEGV")
	zero := model.AbsAddr(0)
	r := model.Report{Tool: "AddressSanitizer", Kind: "SEGV", PID: 7, AbsAddr: &zero, Stacks: []model.Stack{stackOf(model.RoleFault, store+0x200, runtime+0x70, service+0x80)}}
	out := joined(t, f, r)
	assert.Equal(t, "store.so+0x200 service.so+0x900 python3+0x600", show(out[0].Stacks[0]))
	assert.True(t, out[0].Stacks[0].Complete)

	// A walk that did not get past the handlers knows no callers.
	f = newFile(7)
	f.ReportStack(0, 0, 7, f.Stack(5, agent+0x10, runtime+0x11, runtime+0x70, runtime+0x75, service+0x81, service+0x91), 0, store+0x1ff, "SEGV")
	out = joined(t, f, r)
	assert.Equal(t, show(r.Stacks[0]), show(out[0].Stacks[0]))
	assert.False(t, out[0].Stacks[0].Complete)
}

// The leaf of a bad free, or of a fault in memcpy, is the sanitizer's own.
func TestFaultInTheSanitizer(t *testing.T) {
	f := newFile(7)
	stack := f.Stack(0, agent+0x10, runtime+0x11, runtime+0x29, store+0x300, exe+0x600)
	f.ReportStack(0, 0, 7, stack, 0x5018, 0, "double-free")
	r := useAfterFree()
	r.Kind, r.Stacks = "double-free", []model.Stack{stackOf(model.RoleFault, runtime+0x20, runtime+0x28, store+0x300)}
	out := joined(t, f, r)
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x20 clang_rt.asan-x86_64.so+0x28 store.so+0x300 python3+0x600", show(out[0].Stacks[0]))

	// It could not walk to its caller: only its own frames are there.
	r.Stacks = []model.Stack{stackOf(model.RoleFault, runtime+0x20)}
	out = joined(t, f, r)
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x20 store.so+0x300 python3+0x600", show(out[0].Stacks[0]))
}

func TestUndefinedBehaviour(t *testing.T) {
	f := newFile(7)
	for i := range uint64(3) {
		stack := f.Stack(0, agent+0x10, runtime+0x11, store+0x100+i, exe+0x600+i)
		f.ReportStack(uint32(i), 0, 7, stack, 0, 0, "undefined")
	}
	place := model.Report{Tool: "UndefinedBehaviorSanitizer", Kind: "signed-integer-overflow", Stacks: []model.Stack{
		{Role: model.RoleFault, Frames: []model.Frame{{File: "/src/a.c", Line: 3}}},
	}}
	located := model.Report{Tool: "UndefinedBehaviorSanitizer", Kind: "shift", Stacks: []model.Stack{stackOf(model.RoleFault, store+0x101)}}
	located.Stacks[0].Frames[0].File = "/src/b.c"
	out := joined(t, f, place, located, located)
	require.Len(t, out, 3)
	for _, r := range out {
		assert.Equal(t, 7, r.PID)
	}
	assert.Equal(t, "store.so+0x100 python3+0x600", show(out[0].Stacks[0]))
	assert.Equal(t, "/src/a.c", out[0].Stacks[0].Frames[0].File)
	assert.Equal(t, 3, out[0].Stacks[0].Frames[0].Line)
	assert.Equal(t, "store.so+0x101 python3+0x601", show(out[1].Stacks[0]))
	assert.Equal(t, "/src/b.c", out[1].Stacks[0].Frames[0].File)
	assert.Equal(t, located.Stacks, out[2].Stacks, "each recorded stack is used once")
}

// Reports that are in one of both only do not shift the others.
func TestDrift(t *testing.T) {
	f := newFile(7)
	f.ReportStack(0, 0, 7, f.Stack(0, agent+0x10, runtime+0x11, store+0x700, exe+0x700), 0x9999, store+0x700, "heap-use-after-free")
	record(f, 1)
	unknown := model.Report{Tool: "AddressSanitizer", Kind: "CHECK-failed", PID: 7, Stacks: []model.Stack{stackOf(model.RoleFault, runtime+0x999)}}
	out := joined(t, f, unknown, useAfterFree())
	assert.Equal(t, unknown.Stacks, out[0].Stacks)
	assert.True(t, out[1].Stacks[0].Complete)
}

// Where a program goes on after a report, the same memory may be read again:
// the place tells the reports apart, whatever their order.
func TestOneAddressTwoPlaces(t *testing.T) {
	f := newFile(7)
	for _, i := range []uint64{0x10, 0x20} {
		f.ReportStack(uint32(i), 0, 7, f.Stack(0, agent+0x10, runtime+0x11, store+0x100+i, exe+0x600+i), 0x5018, store+0x100+i, "heap-use-after-free")
	}
	var reports []model.Report
	for _, i := range []uint64{0x20, 0x10} {
		r := useAfterFree()
		r.Stacks = []model.Stack{stackOf(model.RoleFault, store+0x100+i)}
		reports = append(reports, r)
	}
	out := joined(t, f, reports...)
	assert.Equal(t, "store.so+0x120 python3+0x620", show(out[0].Stacks[0]))
	assert.Equal(t, "store.so+0x110 python3+0x610", show(out[1].Stacks[0]))
}

// A report without a stack takes no other's.
func TestReportWithoutStack(t *testing.T) {
	f := newFile(7)
	record(f, 0)
	bare := model.Report{Tool: "AddressSanitizer", Kind: "shadow-memory-range-interleaves", PID: 7}
	out := joined(t, f, bare, useAfterFree())
	assert.Empty(t, out[0].Stacks)
	assert.True(t, out[1].Stacks[0].Complete)
}

// What the companion has no stack of stays, and says why there is so little.
func TestNotRecorded(t *testing.T) {
	f := newFile(7)
	f.ReportStack(0, 0, 7, f.Stack(0, agent+0x10, runtime+0x11, store+0x100, exe+0x600), 0x5018, store+0x100, "heap-use-after-free")
	// Another block's allocation: its caller is not the one that the log names.
	f.ReportStack(0, 2, 7, f.Stack(0, agent+0x20, runtime+0x38, store+0x222, exe+0x600), 0x5010, 0, "heap-use-after-free")
	whole := useAfterFree()
	out := joined(t, f, whole)
	assert.True(t, out[0].Stacks[0].Complete)
	for i := 1; i < 3; i++ {
		assert.Equal(t, whole.Stacks[i].Frames, out[0].Stacks[i].Frames)
		assert.Equal(t, notRecorded, out[0].Stacks[i].Truncated)
	}
	// A log with the sanitizer's own stacks needs no excuse.
	long := useAfterFree()
	long.Stacks[1] = stackOf(model.RoleFree, runtime+0x20, store+0x300, exe+0x300)
	out = joined(t, newFile(7), long)
	assert.Empty(t, out[0].Stacks[1].Truncated)
	assert.Equal(t, notRecorded, out[0].Stacks[2].Truncated)
}

// Two stacks of one role, by one caller of malloc, are two recorded ones.
func TestTwoAllocations(t *testing.T) {
	f := newFile(7)
	f.ReportStack(0, 0, 7, f.Stack(0, agent+0x10, runtime+0x11, store+0x100, exe+0x600), 0x5018, store+0x100, "heap-use-after-free")
	for i := range uint64(2) {
		f.ReportStack(0, 2, 7, f.Stack(0, agent+0x20, runtime+0x38, store+0x200, exe+0x610+i), 0x5010+i, 0, "")
	}
	r := useAfterFree()
	r.Stacks[1] = stackOf(model.RoleAllocation, runtime+0x30, store+0x200)
	out := joined(t, f, r)
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x30 store.so+0x200 python3+0x610", show(out[0].Stacks[1]))
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x30 store.so+0x200 python3+0x611", show(out[0].Stacks[2]))
}

// A walk that ended early takes the place of the log's only if it says more.
func TestShorterWalk(t *testing.T) {
	r := useAfterFree()
	r.Stacks = []model.Stack{stackOf(model.RoleFault, store+0x100, exe+0x200, exe+0x300)}
	for frames, replaced := range map[int]bool{1: false, 2: false, 3: false, 4: true} {
		f := newFile(7)
		walk := append([]uint64{agent + 0x10, runtime + 0x11}, []uint64{store + 0x100, exe + 0x20, exe + 0x30, exe + 0x40}[:frames]...)
		f.ReportStack(0, 0, 7, f.Stack(3, walk...), 0x5018, 0, "heap-use-after-free")
		out := joined(t, f, r)
		s := out[0].Stacks[0]
		assert.False(t, s.Complete)
		if replaced {
			assert.Contains(t, s.Truncated, "without unwind information")
			assert.Len(t, s.Frames, 4)
		} else {
			assert.Equal(t, r.Stacks[0], s)
		}
	}
}

func TestThreads(t *testing.T) {
	f := newFile(7)
	f.ReportStack(0, 0, 9, f.Stack(0, agent+0x10, runtime+0x11, store+0x100, exe+0x600), 0x5018, store+0x100, "heap-use-after-free")
	for i, name := range []string{"T1", "T2"} {
		f.ReportStack(0, 3, uint32(8+i), f.Stack(0, agent+0x90, store+0x500, exe+0x610+uint64(i)), 0, 0, name)
	}
	r := useAfterFree()
	second := stackOf(model.RoleThread, runtime+0x77, agent+0x99, store+0x500)
	second.Name = "Thread T2 created by T0 here"
	first := stackOf(model.RoleThread, runtime+0x77)
	first.Name = "Thread T1 created by T0 here"
	r.Stacks = []model.Stack{r.Stacks[0], second, first}
	out := joined(t, f, r)
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x77 ffikit_agent.so+0x99 store.so+0x500 python3+0x611", show(out[0].Stacks[1]))
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x77 store.so+0x500 python3+0x610", show(out[0].Stacks[2]))

	// What the sanitizer takes for the companion's caller need not be one.
	r = useAfterFree()
	r.Stacks[1] = stackOf(model.RoleThread, runtime+0x77, agent+0x99, exe+0x5ff0)
	r.Stacks[1].Name = "Thread T2 created by T0 here"
	out = joined(t, f, r)
	assert.Equal(t, "clang_rt.asan-x86_64.so+0x77 store.so+0x500 python3+0x611", show(out[0].Stacks[1]))

	// Of a thread that is not recorded the sanitizer knows nothing either.
	third := stackOf(model.RoleThread, runtime+0x77, agent+0x99)
	third.Name = "Thread T3 created by T0 here"
	r = useAfterFree()
	r.Stacks[1] = third
	out = joined(t, f, r)
	assert.Equal(t, notRecorded, out[0].Stacks[1].Truncated)
	assert.Len(t, out[0].Stacks[1].Frames, 2)
}

func TestOtherProcesses(t *testing.T) {
	f, other := newFile(7), newFile(8)
	record(f, 0)
	record(other, 0)
	other.Note("Python 3.15 is not known: its frames are missing")
	other.End(10, 5, 3, 2)
	mine := useAfterFree()
	foreign := useAfterFree()
	foreign.PID = 99
	nameless := useAfterFree()
	nameless.PID = 0
	joiner := New(evidenceOf(t, f), evidenceOf(t, other))
	var out []model.Report
	for _, r := range []model.Report{foreign, nameless, mine} {
		require.NoError(t, joiner.Report(r, func(r model.Report) error { out = append(out, r); return nil }))
	}
	assert.Equal(t, foreign, out[0])
	assert.Equal(t, nameless, out[1])
	assert.True(t, out[2].Stacks[0].Complete)
	assert.Equal(t, []model.Partial{
		{File: "stacks.7", Reason: "Python 3.15 is not known: its frames are missing"},
		{File: "stacks.7", Reason: "the companion could not record 2 of 15 allocations and frees"},
		{File: "stacks.7", Reason: "this is evidence of process 8, and the log has no report of it"},
	}, joiner.Partial())
}

// gcc's runtime prints no build IDs; the evidence has them.
func TestBuildIDsComeAlong(t *testing.T) {
	f := tracefile.New(7)
	f.Module(store, store+0x1000, store, "\x12\x34", names[store])
	f.ReportStack(0, 0, 7, f.Stack(0, store+0x100, store+0x200), 0x5018, 0, "heap-use-after-free")
	r := useAfterFree()
	r.Stacks = r.Stacks[:1]
	out := joined(t, f, r)
	for _, frame := range out[0].Stacks[0].Frames {
		assert.Equal(t, "1234", frame.BuildID)
	}
}
