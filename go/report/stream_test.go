package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile("testdata/" + name + ".txt")
	require.NoError(t, err)
	return log
}

// anywhere drops where the reports stood, which a change of the log around
// them moves.
func anywhere(reports []model.Report) []model.Report {
	moved := append([]model.Report(nil), reports...)
	for i := range moved {
		moved[i].Source = model.Location{}
	}
	return moved
}

// eachLine rewrites the lines of a log; an empty last one is its end.
func eachLine(log []byte, change func(i int, line string) string) []byte {
	lines := strings.SplitAfter(string(log), "\n")
	var out strings.Builder
	for i, line := range lines {
		if line != "" {
			out.WriteString(change(i, strings.TrimSuffix(line, "\n")))
			out.WriteByte('\n')
		}
	}
	return []byte(out.String())
}

// What terminals, collectors and other threads do to a log changes nothing.
func TestReportsSurviveTheirLogs(t *testing.T) {
	for name, change := range map[string]func(i int, line string) string{
		"CRLF":               func(i int, line string) string { return line + "\r" },
		"colours":            func(i int, line string) string { return "\x1b[1m\x1b[31m" + line + "\x1b[0m\x1b[K" },
		"hyperlinks":         func(i int, line string) string { return "\x1b]8;;x\x1b\\" + line + "\x1b]8;;\a" },
		"GitHub":             func(i int, line string) string { return fmt.Sprintf("2026-11-23T10:00:%02d.1234567Z %s", i%60, line) },
		"GitHub, some lines": func(i int, line string) string { return strings.Repeat("##[error]", i%2) + line },
		"workflow command":   func(i int, line string) string { return "::error file=a.c,line=1::" + line },
		"ISO time":           func(i int, line string) string { return fmt.Sprintf("[2026-11-23 10:00:%02d,123] %s", i%60, line) },
		"time and zone":      func(i int, line string) string { return "2026-11-23T10:00:00.1+01:00 " + line },
		"slashes":            func(i int, line string) string { return fmt.Sprintf("2026/11/23 10:00:%02d %s", i%60, line) },
		"clock":              func(i int, line string) string { return fmt.Sprintf("[10:00:%02d] %s", i%60, line) },
		"strace":             func(i int, line string) string { return "[pid 12] " + line },
		"compose":            func(i int, line string) string { return "web-1  | " + line },
		"compose, bare":      func(i int, line string) string { return strings.TrimRight("web-1  | "+line, " ") },
		"kubectl":            func(i int, line string) string { return "[pod/web-5d/app] " + line },
		"kubelet":            func(i int, line string) string { return "2026-11-23T10:00:00.1Z stderr F " + line },
		"syslog":             func(i int, line string) string { return "Nov  3 10:00:00 host web[77]: " + line },
		"ctest":              func(i int, line string) string { return "12: " + line },
		"pytest":             func(i int, line string) string { return "E   " + line },
		"go test":            func(i int, line string) string { return fmt.Sprintf("    x_test.go:%d: %s", i+1, line) },
		"unknown logger":     func(i int, line string) string { return fmt.Sprintf("<7> app/%d> %s", i, line) },
		"no margin":          func(i int, line string) string { return strings.TrimLeft(line, " ") },
		"progress bar":       func(i int, line string) string { return "10%\r20%\r" + line },
		"Python between":     func(i int, line string) string { return line + "\n  File \"/src/x.py\", line 3, in f\nRET None" },
		"NUL bytes between":  func(i int, line string) string { return line + "\n\x00\x00\xff\xfe binary\x00" },
		"empty lines before": func(i int, line string) string { return strings.Repeat("\n", i%2) + line },
	} {
		for _, fixture := range []string{"use_after_free.clang.sym", "in_thread.clang.raw", "leak.gcc.sym", "null_write.clang.sym",
			"stack_buffer_overflow.clang.sym", "twice.clang.sym"} {
			t.Run(name+"/"+fixture, func(t *testing.T) {
				log, err := os.ReadFile("testdata/" + fixture + ".txt")
				require.NoError(t, err)
				want, _ := read(t, log)
				got, partial := read(t, eachLine(log, change))
				assert.Empty(t, partial)
				assert.Equal(t, anywhere(want), anywhere(got))
			})
		}
	}
}

func TestUndefinedBehaviourSurvivesItsLogs(t *testing.T) {
	log := fixture(t, "ub_stack.gcc.sym")
	want, _ := read(t, log)
	require.Greater(t, len(want), 15)
	for name, change := range map[string]func(i int, line string) string{
		"GitHub":  func(i int, line string) string { return "2026-11-23T10:00:00.1234567Z ##[error]" + line },
		"strace":  func(i int, line string) string { return "[pid 12] " + line },
		"CRLF":    func(i int, line string) string { return line + "\r" },
		"bar":     func(i int, line string) string { return "10%\r20%\r" + line },
		"colours": func(i int, line string) string { return "\x1b[1m" + line + "\x1b[0m" },
		"compose": func(i int, line string) string { return "web_1 | " + line },
		"no empty lines": func(_ int, line string) string {
			if line == "" {
				return "other"
			}
			return line
		},
		"logger": func(i int, line string) string { return "INFO: " + line },
	} {
		got, partial := read(t, eachLine(log, change))
		assert.Empty(t, partial, name)
		assert.Equal(t, anywhere(want), anywhere(got), name)
	}
}

// A log that is cut anywhere keeps each report that is complete, and what it
// says of the last one is true: part of what the whole log says.
func TestLogsCutAnywhere(t *testing.T) {
	for name, log := range fixtures(t) {
		whole, _ := read(t, log)
		step := max(len(log)/100, 1)
		for end := 1; end < len(log); end += step {
			reports, partial := read(t, log[:end])
			require.LessOrEqual(t, len(reports), len(whole), "%s cut at %d", name, end)
			for i, r := range reports {
				if i < len(reports)-1 {
					require.Equal(t, whole[i], r, "%s cut at %d", name, end)
					continue
				}
				requirePartOf(t, whole[i], r, fmt.Sprintf("%s cut at %d", name, end))
				if r.Tool == "AddressSanitizer" && bytes.Count(log[:end], []byte("SUMMARY: ")) < len(reports) {
					assert.NotEmpty(t, partial, "%s cut at %d", name, end)
				}
			}
		}
	}
}

func requirePartOf(t *testing.T, whole, part model.Report, where string) {
	t.Helper()
	require.Equal(t, whole.Source, part.Source, where)
	if part.Message != "division by zero" { // only the SUMMARY tells a float's
		require.Equal(t, whole.Kind, part.Kind, where)
	}
	require.Equal(t, whole.PID, part.PID, where)
	require.True(t, strings.HasPrefix(whole.Message, part.Message), where)
	if part.AbsAddr != nil {
		require.Equal(t, whole.AbsAddr, part.AbsAddr, where)
	}
	if len(part.Stacks) == 1 && part.Stacks[0].Frames[0].AbsAddr == 0 {
		// The log ends before the stack: the place in the first line stands in.
		require.Equal(t, 1, len(part.Stacks[0].Frames), where)
		require.True(t, strings.HasSuffix(whole.Stacks[0].Frames[0].File, part.Stacks[0].Frames[0].File), where)
		require.Equal(t, whole.Stacks[0].Frames[0].Line, part.Stacks[0].Frames[0].Line, where)
		return
	}
	require.LessOrEqual(t, len(part.Stacks), len(whole.Stacks), where)
	for i, s := range part.Stacks {
		w := whole.Stacks[i]
		require.Equal(t, w.Role, s.Role, where)
		require.LessOrEqual(t, len(s.Frames), len(w.Frames), where)
		if len(s.Frames) < len(w.Frames) {
			require.Equal(t, "the log ends here", s.Truncated, where)
		}
		for j, f := range s.Frames {
			// What was cut is absent; Inlined depends on the frame that follows.
			want := w.Frames[j]
			want.Inlined = f.Inlined
			if i == 0 && j == 0 && whole.Tool == "UndefinedBehaviorSanitizer" && f.Column > 0 && want.Column == 0 {
				// The leaf was cut: the place in the first line stands in.
				require.True(t, strings.HasSuffix(want.File, f.File), where)
				want.File, want.Column = f.File, f.Column
			}
			if j == len(s.Frames)-1 {
				for _, field := range []struct{ part, whole *string }{
					{&f.Function, &want.Function}, {&f.File, &want.File}, {&f.Module, &want.Module}, {&f.BuildID, &want.BuildID},
				} {
					if *field.part == "" {
						*field.whole = ""
					}
				}
				for _, field := range []struct{ part, whole *int }{{&f.Line, &want.Line}, {&f.Column, &want.Column}} {
					if *field.part == 0 {
						*field.whole = 0
					}
				}
				if f.VirtAddr == 0 {
					want.VirtAddr = 0
				}
			}
			require.Equal(t, want, f, where)
		}
	}
}

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
				assert.Empty(t, partial)
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

// A report that never ends does not hold up all that follow it.
func TestWaitingReportsAreBounded(t *testing.T) {
	emitted, atEnd := 0, 0
	log := io.MultiReader(
		strings.NewReader("==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n"),
		strings.NewReader(strings.Repeat("a.c:1:2: runtime error: division by zero\n", 300)),
		iotest.ErrReader(errors.New("the end")))
	_, err := Read(&watched{reader: log, every: 1, look: func() { atEnd = emitted }}, "the.log", func(model.Report) error {
		emitted++
		return nil
	})
	require.Error(t, err)
	assert.Equal(t, 301, emitted)
	assert.Greater(t, atEnd, 100, "before the log's end")
}

func TestIncompleteReportsSaySo(t *testing.T) {
	log := fixture(t, "use_after_free.clang.sym")
	frame := bytes.Index(log, []byte("    #2"))
	reports, partial := read(t, log[:frame])
	require.Len(t, reports, 1)
	assert.Len(t, reports[0].Stacks[0].Frames, 2)
	assert.Equal(t, "the log ends here", reports[0].Stacks[0].Truncated)
	require.Len(t, partial, 1)
	assert.Equal(t, "the.log", partial[0].File)
	assert.Equal(t, reports[0].Source.OffsetBytes, partial[0].OffsetBytes)
	assert.Contains(t, partial[0].Reason, "is not complete: the log ends here")

	// Another report of the same process begins: the first is over.
	reports, partial = read(t, append(append([]byte(nil), log[:frame]...), log...))
	require.Len(t, reports, 2)
	assert.Equal(t, "another report begins here", reports[0].Stacks[0].Truncated)
	assert.Len(t, partial, 1)

	// Nothing but other lines follows.
	reports, partial = read(t, append(append([]byte(nil), log[:frame]...), bytes.Repeat([]byte("other\n"), 2000)...))
	require.Len(t, reports, 1)
	assert.Contains(t, reports[0].Stacks[0].Truncated, "lines that are not of the report follow")
	assert.Len(t, partial, 1)
}

func TestLinesThatAreNoReports(t *testing.T) {
	for _, log := range []string{
		"", "\n\n\n", "nothing here\n", "panic: runtime error: index out of range [3] with length 2\n",
		"run.pl:12: runtime error: something else\n", "x: runtime error: \n", ": runtime error: y\n",
		"the AddressSanitizer is a tool\n", "ERROR: AddressSanitizer\n", "==1==ERROR: AddressSanitizer: \n",
		"==1==ERROR: Address Sanitizer: heap-use-after-free on\n", "Direct leak of money\n",
		"Direct leak of 1 byte(s) in many object(s) allocated from:\n", "==12==AddressSanitizer Init done\n",
	} {
		reports, partial := read(t, []byte(log))
		assert.Empty(t, reports, log)
		assert.Empty(t, partial, log)
	}
}

func TestWhatIsNotReadIsSaid(t *testing.T) {
	for log, reason := range map[string]string{
		"==7==LeakSanitizer has encountered a fatal error.\n":                         "ptrace",
		"SUMMARY: AddressSanitizer: heap-use-after-free /src/a.c:3:4 in f\n":          "whose beginning is missing",
		"\x7fELF\x02\x01\x01\x00\x00\x00":                                             "binary data",
		strings.Repeat("x", maxLineBytes+1) + "\n":                                    "longer than 65536 bytes",
		"==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10\n    #0 ": "not complete: the log ends here",
	} {
		_, partial := read(t, []byte(log))
		require.Len(t, partial, 1, log)
		assert.Contains(t, partial[0].Reason, reason)
		assert.Equal(t, "the.log", partial[0].File)
	}
}

// A header that the log's end cut is no report of a kind that does not exist.
func TestCutHeaders(t *testing.T) {
	for _, log := range []string{
		"==7==ERROR: AddressSanitizer: heap-use-af", "==7==ERROR: AddressSanitizer: attempting doub", "a.c:1:2: runtime error: load of value 9, which is",
	} {
		reports, partial := read(t, []byte(log))
		assert.Empty(t, reports, log)
		require.Len(t, partial, 1, log)
		assert.Contains(t, partial[0].Reason, "the log ends within a line")
	}
	reports, _ := read(t, []byte("==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x50600"))
	require.Len(t, reports, 1)
	assert.Equal(t, "heap-use-after-free", reports[0].Kind)
	assert.Nil(t, reports[0].AbsAddr, "half an address")
}

func TestErrorsOfReaderAndCaller(t *testing.T) {
	log := fixture(t, "use_after_free.clang.sym")
	broken := io.MultiReader(bytes.NewReader(log), iotest.ErrReader(errors.New("the disk is gone")))
	var kinds []string
	_, err := Read(broken, "the.log", func(r model.Report) error {
		kinds = append(kinds, r.Kind)
		return nil
	})
	assert.Equal(t, []string{"heap-use-after-free"}, kinds)
	assert.ErrorContains(t, err, "the disk is gone")
	assert.ErrorContains(t, err, fmt.Sprintf("read the.log at byte %d", len(log)))

	stop := errors.New("enough")
	met := 0
	_, err = Read(bytes.NewReader(append(append([]byte(nil), log...), log...)), "the.log", func(model.Report) error {
		met++
		return stop
	})
	assert.ErrorIs(t, err, stop)
	assert.Equal(t, 1, met)

	_, err = Read(idle{}, "the.log", func(model.Report) error { return nil })
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// repeated answers the same bytes over and over, count bytes in all.
type repeated struct {
	text  []byte
	at    int
	count int
}

func (r *repeated) Read(into []byte) (int, error) {
	if r.count <= 0 {
		return 0, io.EOF
	}
	n := copy(into[:min(len(into), r.count)], r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.count -= n
	return n, nil
}

// allocated is how much reading a log took from the heap, all in all, and how
// much of it was in use at the most, looked at now and then.
func allocated(t *testing.T, r io.Reader) (totalBytes, peakBytes uint64, reports int, partial []model.Partial) {
	t.Helper()
	// Little garbage may lie about, so that what is in use can be seen.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	look := func() {
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > before.HeapAlloc {
			peakBytes = max(peakBytes, now.HeapAlloc-before.HeapAlloc)
		}
	}
	partial, err := Read(&watched{reader: r, look: look, every: 8}, "the.log", func(model.Report) error {
		reports++
		return nil
	})
	require.NoError(t, err)
	look()
	return now.TotalAlloc - before.TotalAlloc, peakBytes, reports, partial
}

type watched struct {
	reader io.Reader
	look   func()
	every  int
	reads  int
}

func (w *watched) Read(into []byte) (int, error) {
	if w.reads++; w.reads%w.every == 0 {
		w.look()
	}
	return w.reader.Read(into)
}

func TestLongLineInBoundedMemory(t *testing.T) {
	report := fixture(t, "use_after_free.clang.sym")
	log := io.MultiReader(&repeated{text: bytes.Repeat([]byte("#0 0x1 == "), 1000), count: 100 << 20},
		strings.NewReader("\n"), bytes.NewReader(report))
	total, _, reports, partial := allocated(t, log)
	assert.Equal(t, 1, reports, "what follows the line is read")
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, "longer than")
	assert.Less(t, total, uint64(4<<20))
}

func TestLongLinesWithinReports(t *testing.T) {
	log := "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n" +
		"    #0 0x10 in f" + strings.Repeat("x", 1<<20) + " /src/a.c:1:2\n    #1 0x20 in g /src/a.c:3:4\n\n" +
		"SUMMARY: AddressSanitizer: heap-buffer-overflow /src/a.c:1:2 in f\n==7==ABORTING\n"
	reports, partial := read(t, []byte(log))
	require.Len(t, reports, 1)
	require.Len(t, reports[0].Stacks, 1)
	assert.Len(t, reports[0].Stacks[0].Frames, 2)
	assert.Equal(t, "g", reports[0].Stacks[0].Frames[1].Function)
	assert.LessOrEqual(t, len(reports[0].Stacks[0].Frames[0].Function), maxLineBytes)
	assert.Len(t, partial, 1)
}

// Every kind of excess that a hostile log can hold, each beyond its bound.
func TestExcessIsBounded(t *testing.T) {
	header := "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n"
	numbered := func(count int, format string) string {
		var out strings.Builder
		out.WriteString(header)
		for i := range count {
			fmt.Fprintf(&out, format, i, i)
		}
		return out.String()
	}
	for name, log := range map[string]string{
		"frames":  numbered(30000, "    #%d 0x%x in f /src/a.c:1:2\n"),
		"stacks":  numbered(20000, "freed by thread T%d here:\n    #0 0x%x in f /src/a.c:1:2\n\n"),
		"names":   numbered(10000, "    #%d 0x10 in f%d"+strings.Repeat("x", 2000)+" /src/a.c:1:2\n"),
		"details": numbered(30000, "0x%x is located %d bytes inside of 64-byte region [0x1,0x2)\n"),
		"headers": strings.Repeat(header, 10000),
		"processes": func() string {
			var out strings.Builder
			for i := range 10000 {
				out.WriteString(strings.Replace(header, "==7==", fmt.Sprintf("==%d==", i+1), 1))
			}
			return out.String()
		}(),
		"leaks":       "==7==ERROR: LeakSanitizer: detected memory leaks\n" + strings.Repeat("Direct leak of 1 byte(s) in 1 object(s) allocated from:\n    #0 0x1 in f /src/a.c:1\n\n", 10000),
		"undefined":   strings.Repeat("a.c:1:2: runtime error: division by zero\n", 20000),
		"long lines":  strings.Repeat(strings.Repeat("x", maxLineBytes+1)+"\n", 200),
		"summaries":   strings.Repeat("SUMMARY: AddressSanitizer: x\n", 10000),
		"waiting":     header + strings.Repeat("a.c:1:2: runtime error: division by zero\n", 10000),
		"indices":     header + "    #0 0x1 in f\n" + strings.Repeat("    #999999 0x10 in f /src/a.c:1:2\n", 10000),
		"open angles": header + "    #0 0x1 in " + strings.Repeat("a<", 30000) + " /src/a.c:1\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, peak, _, partial := allocated(t, strings.NewReader(log))
			assert.Less(t, peak, uint64(48<<20))
			assert.LessOrEqual(t, len(partial), maxPartials+3)
			frames := 0
			_, err := Read(strings.NewReader(log), "the.log", func(r model.Report) error {
				count := 0
				for _, s := range r.Stacks {
					count += len(s.Frames)
				}
				frames = max(frames, count)
				assert.LessOrEqual(t, len(r.Stacks), 128)
				assert.LessOrEqual(t, len(r.Details), 300)
				return nil
			})
			require.NoError(t, err)
			assert.LessOrEqual(t, frames, 8192)
		})
	}
	reports, _ := read(t, []byte(numbered(30000, "    #%d 0x%x in f /src/a.c:1:2\n")))
	require.Len(t, reports, 1)
	assert.Contains(t, reports[0].Stacks[0].Truncated, "too deep")
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
