package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

const overflowHeader = "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n"

const overflowEnd = "SUMMARY: AddressSanitizer: heap-buffer-overflow /src/a.c:1:2 in f\n==7==ABORTING\n"

func TestReportsWithoutReadableStacks(t *testing.T) {
	for name, test := range map[string]struct{ log, reason string }{
		"no stack":         {overflowHeader + overflowEnd, "has no stack"},
		"other frames":     {overflowHeader + "    #0 f /src/a.c:1:2\n\n" + overflowEnd, "has no stack"},
		"frame number":     {overflowHeader + "    #" + strings.Repeat("9", 40) + " 0x1 in f /src/a.c:1:2\n\n" + overflowEnd, "1 stack lines"},
		"negative number":  {overflowHeader + "    #-1 0x1 in f /src/a.c:1:2\n\n" + overflowEnd, "1 stack lines"},
		"frame address":    {overflowHeader + "    #0 0x" + strings.Repeat("f", 40) + " in f /src/a.c:1:2\n\n" + overflowEnd, "1 stack lines"},
		"leak":             {"==7==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 1 byte(s) in 1 object(s) allocated from:\n\nSUMMARY: AddressSanitizer: 1 byte(s) leaked in 1 allocation(s).\n", "has no stack"},
		"leak, number":     {"==7==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 1 byte(s) in 1 object(s) allocated from:\n    #99999999 0x1 in f\n\nSUMMARY: AddressSanitizer: 1 byte(s) leaked in 1 allocation(s).\n", "1 stack lines"},
		"undefined, place": {"<unknown>: runtime error: division by zero\n", "has no stack"},
		"undefined":        {"a.c:1:2: runtime error: division by zero\n    #99999999 0x1 in f\n\n", "1 stack lines"},
	} {
		t.Run(name, func(t *testing.T) {
			reports, partial := read(t, []byte(test.log))
			require.Len(t, reports, 1)
			require.Len(t, partial, 1)
			assert.Contains(t, partial[0].Reason, test.reason)
			assert.Equal(t, reports[0].Source.OffsetBytes, partial[0].OffsetBytes)
		})
	}
}

// What follows a frame that cannot be read is read.
func TestFramesAfterABrokenOne(t *testing.T) {
	reports, partial := read(t, []byte(overflowHeader+"    #99999999 0x10 in f /src/a.c:1:2\n    #1 0x20 in g /src/a.c:3:4\n\n"+overflowEnd))
	require.Len(t, reports, 1)
	require.Len(t, partial, 1)
	require.Len(t, reports[0].Stacks, 1)
	require.Len(t, reports[0].Stacks[0].Frames, 1)
	assert.Equal(t, "g", reports[0].Stacks[0].Frames[0].Function)
	assert.Contains(t, reports[0].Stacks[0].Truncated, "cannot be read")
}

// The form is clang 19's: a program that branches on a malloc'ed value.
func TestMemorySanitizer(t *testing.T) {
	reports, partial := read(t, []byte("==7==WARNING: MemorySanitizer: use-of-uninitialized-value\n"+
		"    #0 0x55e1256c7c9c in pick(int*) /src/m.cpp:3:75\n    #1 0x55e1256c7cb5 in main /src/m.cpp:4:44\n\n"+
		"  Uninitialized value was created by a heap allocation\n    #0 0x55e12566af62 in malloc (/src/m+0x6ef62)\n\n"+
		"SUMMARY: MemorySanitizer: use-of-uninitialized-value /src/m.cpp:3:75 in pick(int*)\nExiting\n"))
	assert.Empty(t, partial)
	require.Len(t, reports, 1)
	r := reports[0]
	assert.Equal(t, "MemorySanitizer", r.Tool)
	assert.Equal(t, "use-of-uninitialized-value", r.Kind)
	assert.Equal(t, 7, r.PID)
	require.Len(t, r.Stacks, 2)
	assert.Equal(t, []model.Role{model.RoleFault, model.RoleAllocation}, []model.Role{r.Stacks[0].Role, r.Stacks[1].Role})
	require.Len(t, r.Stacks[0].Frames, 2)
	assert.Equal(t, "pick(int*)", r.Stacks[0].Frames[0].Function)
	assert.Equal(t, 3, r.Stacks[0].Frames[0].Line)
}

func TestThreadSanitizerIsNamed(t *testing.T) {
	race := "==================\nWARNING: ThreadSanitizer: data race (pid=7)\n  Write of size 4 at 0x720400000000 by thread T2:\n" +
		"    #0 bump() /src/t.cpp:3:21 (t+0xe7a8b)\n\nSUMMARY: ThreadSanitizer: data race /src/t.cpp:3:21 in bump()\n"
	for log, count := range map[string]int{
		race: 1, race + race: 2, race[strings.Index(race, "SUMMARY"):]: 1, race[:strings.Index(race, "SUMMARY")]: 1,
	} {
		reports, partial := read(t, []byte(log))
		assert.Empty(t, reports)
		require.Len(t, partial, count)
		for _, p := range partial {
			assert.Contains(t, p.Reason, "does not read ThreadSanitizer's reports")
		}
	}
}

// Forked processes have the same addresses: nothing tells their frames apart.
func TestMixedForksAreSaid(t *testing.T) {
	one := fixture(t, "use_after_free.clang.sym")
	other := anyPID.ReplaceAll(fixture(t, "double_free.clang.sym"), []byte("==77777=="))
	for _, separator := range []string{"\n", "\n\n"} {
		reports, partial := read(t, interleave(one, other, separator))
		assert.ElementsMatch(t, []string{"AddressSanitizer heap-use-after-free", "AddressSanitizer double-free"}, kinds(reports))
		var reasons []string
		for _, p := range partial {
			reasons = append(reasons, p.Reason)
		}
		assert.Contains(t, strings.Join(reasons, "; "), "are mixed here: frames may be misplaced")
		assert.Contains(t, strings.Join(reasons, "; "), "77777")
	}
	// A header that is missing: two first frames below one heading.
	_, partial := read(t, []byte(overflowHeader+"    #0 0x10 in f /src/a.c:1:2\n    #0 0x10 in g /src/a.c:1:2\n    #1 0x20 in h /src/a.c:3:4\n\n"+overflowEnd))
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, "lines of several processes are mixed")
}

// Logs one behind the other are not mixed, even where the first is broken off.
func TestSeparateForksAreNotMixed(t *testing.T) {
	one := fixture(t, "use_after_free.clang.sym")
	other := anyPID.ReplaceAll(fixture(t, "double_free.clang.sym"), []byte("==77777=="))
	_, partial := read(t, append(append([]byte(nil), one...), other...))
	assert.Empty(t, partial)
	cut := strings.LastIndexByte(string(one[:strings.Index(string(one), "    #1 ")]), '\n') + 1
	_, partial = read(t, append(append([]byte(nil), one[:cut]...), other...))
	for _, p := range partial {
		assert.NotContains(t, p.Reason, "mixed")
	}
}

func TestFixturesAreReadWhole(t *testing.T) {
	for name, log := range fixtures(t) {
		_, partial := read(t, log)
		for _, p := range partial {
			assert.NotContains(t, p.Reason, "mixed", name)
			assert.NotContains(t, p.Reason, "stack", name)
		}
	}
}
