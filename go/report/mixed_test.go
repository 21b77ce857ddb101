package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// elsewhere moves a log into another process: another PID and other places of
// the modules, as the loader's randomness makes them.
func elsewhere(log []byte, pid string) []byte {
	moved := strings.NewReplacer("0x5555", "0x5612", "0x7fff", "0x7e01", "0x502", "0x512", "0x506", "0x516").Replace(string(log))
	return anyPID.ReplaceAll([]byte(moved), []byte("=="+pid+"=="))
}

// Two processes write into one log, line by line and block by block.
func TestInterleavedProcesses(t *testing.T) {
	one := fixture(t, "in_thread.clang.raw")
	for name, other := range map[string][]byte{
		"another fault":         elsewhere(fixture(t, "use_after_free.clang.raw"), "77777"),
		"the same fault":        elsewhere(one, "77777"),
		"another fault, by gcc": elsewhere(fixture(t, "double_free.gcc.sym"), "77777"),
		"a leak":                elsewhere(fixture(t, "leak.clang.raw"), "77777"),
		"undefined behaviour":   elsewhere(fixture(t, "ub_stack.clang.raw"), "77777"),
	} {
		want, _ := read(t, one)
		wantOther, _ := read(t, other)
		want = append(want, wantOther...)
		for size, mixed := range map[string][]byte{
			"line by line": interleave(one, other, "\n"), "block by block": interleave(one, other, "\n\n"),
			"one in the other": append(append(append([]byte(nil), one[:len(one)/2]...), other...), one[len(one)/2:]...),
		} {
			if size == "one in the other" {
				half := bytes.LastIndexByte(one[:len(one)/2], '\n') + 1
				mixed = append(append(append([]byte(nil), one[:half]...), other...), one[half:]...)
			}
			t.Run(name+"/"+size, func(t *testing.T) {
				got, partial := read(t, mixed)
				if name == "undefined behaviour" && size == "line by line" {
					// Its first line names no process, so some frames are
					// anybody's: the findings are all there all the same.
					assert.ElementsMatch(t, kinds(want), kinds(got))
					return
				}
				if size == "line by line" {
					// The first frame in a module that neither process showed
					// before goes by turns: right here, but not certain.
					for _, p := range partial {
						assert.Contains(t, p.Reason, "are mixed here: frames may be misplaced")
					}
				} else {
					assert.Empty(t, partial)
				}
				assert.ElementsMatch(t, anywhere(want), anywhere(got))
			})
		}
	}
}

func kinds(reports []model.Report) []string {
	var kinds []string
	for _, r := range reports {
		kinds = append(kinds, r.Tool+" "+r.Kind)
	}
	return kinds
}

func interleave(a, b []byte, separator string) []byte {
	first, second := strings.SplitAfter(string(a), separator), strings.SplitAfter(string(b), separator)
	var out strings.Builder
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out.WriteString(first[i])
		}
		if i < len(second) {
			out.WriteString(second[i])
		}
	}
	return []byte(out.String())
}

// A forked child has its parent's addresses: only the log's own prefixes tell
// the two apart.
func TestInterleavedForksWithPrefixes(t *testing.T) {
	one := fixture(t, "use_after_free.clang.sym")
	other := anyPID.ReplaceAll(fixture(t, "double_free.clang.sym"), []byte("==77777=="))
	want, _ := read(t, one)
	wantOther, _ := read(t, other)
	prefix := func(prefix string) func(int, string) string {
		return func(_ int, line string) string { return prefix + line }
	}
	mixed := interleave(eachLine(one, prefix("[pid 1] ")), eachLine(other, prefix("[pid 2] ")), "\n")
	got, partial := read(t, mixed)
	assert.Empty(t, partial)
	assert.ElementsMatch(t, anywhere(append(want, wantOther...)), anywhere(got))
}

// What another process says does not count for this one.
func TestOtherProcessesLines(t *testing.T) {
	log := string(fixture(t, "mismatch.clang.sym"))
	want, _ := read(t, []byte(log))
	require.Len(t, want, 1)
	for _, other := range []string{"==99999==ABORTING\n", "==99999==HINT: another process's\n", "==99999==The signal is caused by a READ memory access.\n"} {
		for _, before := range []string{"    #1 ", "SUMMARY: ", want[0].Details[len(want[0].Details)-1]} {
			at := strings.LastIndexByte(log[:strings.Index(log, before)], '\n') + 1
			got, partial := read(t, []byte(log[:at]+other+log[at:]))
			assert.Empty(t, partial)
			assert.Equal(t, want, got)
		}
	}
}

// A line that the log says comes from elsewhere is never taken.
func TestOtherSourcesLines(t *testing.T) {
	log := "[pid 1] ==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n" +
		"[pid 1]     #0 0x10 in f /src/a.c:1:2\n[pid 2]     #1 0x20 in g /src/a.c:3:4\n[pid 1]     #1 0x30 in h /src/a.c:5:6\n[pid 1] \n"
	reports, _ := read(t, []byte(log))
	require.Len(t, reports, 1)
	require.Len(t, reports[0].Stacks[0].Frames, 2)
	assert.Equal(t, "h", reports[0].Stacks[0].Frames[1].Function)
}

func TestManyOpenReports(t *testing.T) {
	var log strings.Builder
	for i := range 20 {
		fmt.Fprintf(&log, "==%d==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n", i+1)
	}
	reports, partial := read(t, []byte(log.String()))
	assert.Len(t, reports, 20)
	require.Len(t, partial, 20)
	assert.Contains(t, partial[0].Reason, "more than 8 reports are mixed here")
	assert.Contains(t, partial[19].Reason, "the log ends here")
}

// The reports of a log leave in the order in which they stand in it.
func TestOrder(t *testing.T) {
	one := fixture(t, "in_thread.clang.raw")
	other := elsewhere(fixture(t, "leak.clang.raw"), "77777")
	reports, _ := read(t, interleave(one, other, "\n\n"))
	last := int64(-1)
	for _, r := range reports {
		assert.Greater(t, r.Source.OffsetBytes, last)
		last = r.Source.OffsetBytes
	}
	assert.Len(t, reports, 4)
}
