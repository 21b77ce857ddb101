package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

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
