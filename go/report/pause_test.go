package report_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report"
)

// live hands out its parts one by one; an empty one is a pause.
type live struct {
	parts  []string
	before func(left int)
}

func (l *live) Read(into []byte) (int, error) {
	l.before(len(l.parts))
	if len(l.parts) == 0 {
		return 0, io.EOF
	}
	part := l.parts[0]
	l.parts = l.parts[1:]
	if part == "" {
		return 0, report.ErrPause
	}
	return copy(into, part), nil
}

func TestPause(t *testing.T) {
	const (
		header  = "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x5571f0a1 bp 0x7ffd0000 sp 0x7ffcfff8\nREAD of size 4 at 0x602000000010 thread T0\n"
		frames  = "    #0 0x5571f0a0 in first a.c:1:1\n    #1 0x5571f0b0 in main a.c:9:1\n\n"
		summary = "SUMMARY: AddressSanitizer: heap-use-after-free a.c:1:1 in first\n"
	)
	for name, test := range map[string]struct {
		parts []string
		want  []int // how many reports are there before each part, and at the end
	}{
		"a report that may go on waits": {[]string{header + frames, "", summary, "more\n"}, []int{0, 0, 0, 0, 0}},
		"one that may end ends":         {[]string{header + frames + summary, "", "more\n"}, []int{0, 0, 1, 1}},
		"within a line":                 {[]string{header + frames + summary, "half", "", " a line\n"}, []int{0, 0, 0, 1, 1}},
		"within a line that is skipped": {[]string{header + frames + summary, strings.Repeat("x", 1<<17), "", "y\n", ""}, []int{0, 0, 0, 0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var reports []model.Report
			reader := &live{parts: test.parts}
			counts := map[int]int{}
			reader.before = func(left int) { counts[left] = len(reports) }
			_, err := report.Read(reader, "live", func(r model.Report) error {
				reports = append(reports, r)
				return nil
			})
			require.NoError(t, err)
			var got []int
			for left := len(test.parts); left >= 0; left-- {
				got = append(got, counts[left])
			}
			assert.Equal(t, test.want, got)
			require.Len(t, reports, 1, "none is lost")
			assert.Len(t, reports[0].Stacks[0].Frames, 2)
			assert.Empty(t, reports[0].Stacks[0].Truncated)
		})
	}
}
