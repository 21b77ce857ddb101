package lsan

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

// feed reads a whole log as one leak check.
func feed(log string) (*Report, bool) {
	var r *Report
	for _, text := range strings.Split(log, "\n") {
		line := stackline.Line{Text: []byte(text)}
		if r == nil {
			r, _ = New(line, "the.log")
			continue
		}
		if r.Fit(line) != stackline.FitNone && r.Feed(line) {
			return r, true
		}
	}
	return r, false
}

func TestLeaks(t *testing.T) {
	r, done := feed(`==12==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 64 byte(s) in 2 object(s) allocated from:
    #0 0x10 in malloc (/src/rt.so+0x1)
    #1 0x20 in f /src/a.c:3:4

Objects leaked above:
0x602000000010 (32 bytes)
0x602000000030 (32 bytes)

Indirect leak of 8 byte(s) in 1 object(s) allocated from:
    <empty stack>

-----------------------------------------------------
Suppressions used:
  count      bytes template
      1        777 leak_inner
-----------------------------------------------------

SUMMARY: LeakSanitizer: 72 byte(s) leaked in 3 allocation(s).
`)
	require.True(t, done)
	reports := r.Take()
	require.Len(t, reports, 2)
	assert.Equal(t, "direct-leak", reports[0].Kind)
	assert.Equal(t, model.Leaked{SizeBytes: 64, ObjectsCount: 2, Objects: []model.LeakedObject{
		{AbsAddr: 0x602000000010, SizeBytes: 32}, {AbsAddr: 0x602000000030, SizeBytes: 32},
	}}, *reports[0].Leaked)
	assert.Equal(t, []string{"Objects leaked above:", "0x602000000010 (32 bytes)", "0x602000000030 (32 bytes)"}, reports[0].Details)
	assert.Equal(t, 12, reports[0].PID)
	require.Len(t, reports[0].Stacks, 1)
	assert.Equal(t, model.RoleAllocation, reports[0].Stacks[0].Role)
	assert.Len(t, reports[0].Stacks[0].Frames, 2)
	assert.Equal(t, "indirect-leak", reports[1].Kind)
	require.Len(t, reports[1].Stacks, 1)
	assert.Empty(t, reports[1].Stacks[0].Frames)
	assert.Contains(t, reports[1].Stacks[0].Truncated, "no frames")
	assert.Empty(t, reports[1].Details)
}

// A log whose beginning is lost still has its leaks.
func TestLeakWithoutHeader(t *testing.T) {
	r, done := feed("Direct leak of 64 byte(s) in 2 object(s) allocated from:\n    #0 0x10 in f /src/a.c:3:4\n")
	assert.False(t, done)
	assert.Contains(t, r.End("the log ends here", true), "neither its beginning nor its end")
	require.Len(t, r.Take(), 1)
}

func TestIncompleteCheck(t *testing.T) {
	r, done := feed("==1==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 64 byte(s) in 2 object(s) allocated from:\n    #0 0x10 in f /src/a.c:3:4")
	assert.False(t, done)
	assert.Contains(t, r.End("the log ends here", true), "not complete: the log ends here")
	reports := r.Take()
	require.Len(t, reports, 1)
	assert.Equal(t, "the log ends here", reports[0].Stacks[0].Truncated)
}

func TestFatal(t *testing.T) {
	assert.True(t, Fatal(stackline.Line{Text: []byte("==7==LeakSanitizer has encountered a fatal error.")}))
	assert.False(t, Fatal(stackline.Line{Text: []byte("==7==ERROR: LeakSanitizer: detected memory leaks")}))
}

func FuzzReport(f *testing.F) {
	logs, err := filepath.Glob("../testdata/leak.*.txt")
	require.NoError(f, err)
	require.NotEmpty(f, logs)
	for _, name := range logs {
		log, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(log)
	}
	f.Add([]byte("Direct leak of 99999999999999999999 byte(s) in 2 object(s) allocated from:\n    <empty stack>\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		r, done := feed(string(log))
		if r == nil {
			return
		}
		if !done {
			r.End("the log ends here", true)
		}
		reports := r.Take()
		require.LessOrEqual(t, len(reports), bytes.Count(log, []byte("irect leak of ")))
		for _, report := range reports {
			require.Contains(t, []string{"direct-leak", "indirect-leak"}, report.Kind)
			require.NotNil(t, report.Leaked)
			require.NotNil(t, report.Stacks)
		}
	})
}
