package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
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
