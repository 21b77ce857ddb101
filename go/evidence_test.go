package ffikit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
)

// evidenceOfOverflow has the stack of oneOverflow's report: two lines of Python
// behind its one frame.
func evidenceOfOverflow(endReason uint32) []byte {
	f := tracefile.New(7)
	f.Module(0x7fc7cdb03000, 0x7fc7cdb09000, 0x7fc7cdb03000, "", "/nowhere/libc0.so")
	inner, outer := f.Site("total", "/app/main.py", 12, 10), f.Site("<module>", "/app/main.py", 20, 1)
	f.ReportStack(0, 0, 7, f.Stack(endReason, 0x7fc7cdb05700, inner, outer, 0x7fc7cdb08001), 0, 0, "undefined")
	return f.Bytes
}

func readOverflow(t *testing.T, log ffikit.Log) (model.Report, []string) {
	t.Helper()
	log.Name, log.Reader = "log.7", strings.NewReader(fmt.Sprintf(oneOverflow, 13, 0, 13))
	set, err := ffikit.Read(ffikit.Options{}, log)
	require.NoError(t, err)
	require.Len(t, set.Reports, 1)
	var partial []string
	for _, p := range set.Partial {
		partial = append(partial, p.File+": "+p.Reason)
	}
	return set.Reports[0], partial
}

func TestReadWithEvidence(t *testing.T) {
	r, _ := readOverflow(t, ffikit.Log{Evidence: []ffikit.Evidence{{Name: "stacks.7", Reader: bytes.NewReader(evidenceOfOverflow(0))}}})
	require.Len(t, r.Stacks, 1)
	var functions []string
	for _, f := range r.Stacks[0].Frames {
		functions = append(functions, string(f.Language)+" "+f.Function)
	}
	assert.Equal(t, []string{"c ", "python total", "python <module>", " "}, functions)
	assert.Equal(t, "a.c", r.Stacks[0].Frames[0].File, "the finding's own place stays")
	assert.Equal(t, 7, r.PID)
	assert.Empty(t, r.Stacks[0].Truncated)

	r, _ = readOverflow(t, ffikit.Log{Evidence: []ffikit.Evidence{{Name: "stacks.7", Reader: bytes.NewReader(evidenceOfOverflow(3))}}})
	assert.Contains(t, r.Stacks[0].Truncated, "without unwind information")
}

// Python's lines are told apart like all others: by their distance from the
// function's first line.
func TestPythonLinesInFingerprints(t *testing.T) {
	fingerprint := func(line, first uint32) string {
		f := tracefile.New(7)
		f.Module(0x7fc7cdb03000, 0x7fc7cdb09000, 0x7fc7cdb03000, "", "/nowhere/libc0.so")
		f.ReportStack(0, 0, 7, f.Stack(0, 0x7fc7cdb05700, f.Site("total", "/app/main.py", line, first)), 0, 0, "undefined")
		r, _ := readOverflow(t, ffikit.Log{Evidence: []ffikit.Evidence{{Name: "stacks.7", Reader: bytes.NewReader(f.Bytes)}}})
		return r.Fingerprint
	}
	assert.Equal(t, fingerprint(12, 10), fingerprint(112, 110), "lines were inserted above the function")
	assert.NotEqual(t, fingerprint(12, 10), fingerprint(13, 10))
}

// Evidence that cannot be read costs nothing but itself, and is told.
func TestReadWithBadEvidence(t *testing.T) {
	whole := evidenceOfOverflow(0)
	for name, evidence := range map[string]struct {
		file ffikit.Evidence
		want string
	}{
		"torn":    {ffikit.Evidence{Reader: bytes.NewReader(whole[:60])}, "stacks.7: the evidence ends within a record"},
		"foreign": {ffikit.Evidence{Reader: strings.NewReader(strings.Repeat("no evidence\n", 9))}, "not the companion's evidence"},
		"gone":    {ffikit.Evidence{Reader: iotest.ErrReader(errors.New("the disk is gone"))}, "the disk is gone"},
	} {
		evidence.file.Name = "stacks.7"
		r, partial := readOverflow(t, ffikit.Log{Companion: true, Evidence: []ffikit.Evidence{evidence.file}})
		assert.Len(t, r.Stacks[0].Frames, 1, name)
		assert.Contains(t, strings.Join(partial, "\n"), evidence.want, name)
	}
}

// That evidence is missing matters where there is a report.
func TestReadWithoutEvidence(t *testing.T) {
	_, partial := readOverflow(t, ffikit.Log{Companion: true})
	assert.Contains(t, partial, "log.7: the companion left no evidence of this process: of each allocation the caller alone is known "+
		"(ffikit sanitize --no-companion shows as much as the sanitizer itself can walk)")
	set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: "log.8", Reader: strings.NewReader("==8==a word of the runtime\n"), Companion: true})
	require.NoError(t, err)
	assert.Empty(t, set.Partial)
}
