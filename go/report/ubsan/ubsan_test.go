package ubsan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report/stackline"
)

// Kinds of messages that the fixtures of package report do not show; the
// wording is that of the runtime's strings.
func TestKind(t *testing.T) {
	for message, want := range map[string]string{
		"unsigned integer overflow: 0 - 1 cannot be represented in type 'unsigned int'":                                                   "unsigned-integer-overflow",
		"division of -2147483648 by -1 cannot be represented in type 'int'":                                                               "signed-integer-overflow",
		"left shift of 1 by 31 places cannot be represented in type 'int'":                                                                "invalid-shift-base",
		"left shift of negative value -1":                                                                                                 "invalid-shift-base",
		"store to misaligned address 0x7f for type 'int', which requires 4 byte alignment":                                                "misaligned-pointer-use",
		"member access within null pointer of type 'struct s'":                                                                            "null-pointer-use",
		"reference binding to null pointer of type 'int'":                                                                                 "null-pointer-use",
		"constructor call on address 0x1 with insufficient space for an object of type 'T'":                                               "insufficient-object-size",
		"downcast of address 0x1 which does not point to an object of type 'T'":                                                           "dynamic-type-mismatch",
		"applying zero offset to null pointer":                                                                                            "nullptr-with-offset",
		"addition of unsigned offset to 0x1 overflowed to 0x0":                                                                            "pointer-overflow",
		"subtraction of unsigned offset from 0x1 overflowed to 0xf":                                                                       "pointer-overflow",
		"assumption of 16 byte alignment (with offset of 4 byte) for pointer of type 'int *' failed":                                      "alignment-assumption",
		"control flow integrity check for type 'T' failed during virtual call (vtable address 0x1)":                                       "cfi-bad-type",
		"load of value 2, which is not a valid value for type '_Bool'":                                                                    "invalid-bool-load",
		"value 2, which nobody knows":                                                                                                     Generic,
		"implicit conversion from type 'a' of value 1 to type 'b' changed the value":                                                      Generic,
		"implicit conversion from type 'int' of value 300 (32-bit, signed) to type 'signed char' changed the value to 44 (8-bit, signed)": "implicit-signed-integer-truncation",
	} {
		assert.Equal(t, want, Kind(message), message)
	}
}

// begin reads a finding of one line.
func begin(t *testing.T, text string) *model.Report {
	t.Helper()
	r, ok := New(stackline.Line{Text: []byte(text)}, "the.log")
	if !ok {
		return nil
	}
	r.End("", true)
	reports := r.Take()
	require.Len(t, reports, 1)
	return &reports[0]
}

func TestPlaces(t *testing.T) {
	for place, want := range map[string]model.Frame{
		"/src/a.c:1:2":                        {File: "/src/a.c", Line: 1, Column: 2},
		"/src/a b: c/d.c:1:2":                 {File: "c/d.c", Line: 1, Column: 2}, // "a b: " looks like a logger's
		"/src/a b (c)/d:3.c:1:2":              {File: "/src/a b (c)/d:3.c", Line: 1, Column: 2},
		`C:\src\a.c:1:2`:                      {File: `C:\src\a.c`, Line: 1, Column: 2},
		"/src/a.c:12":                         {File: "/src/a.c", Line: 12},
		"(/src/liba.so+0x1f) (BuildId: 9a9b)": {Module: "/src/liba.so", VirtAddr: 0x1f, BuildID: "9a9b"},
		"(/src/liba.so+0x1f)":                 {Module: "/src/liba.so", VirtAddr: 0x1f},
		"/src/liba.so+0x1f":                   {Module: "/src/liba.so", VirtAddr: 0x1f},
		"0x7f12":                              {AbsAddr: 0x7f12},
	} {
		report := begin(t, place+": runtime error: division by zero")
		require.NotNil(t, report, place)
		require.Len(t, report.Stacks, 1)
		assert.Equal(t, model.RoleFault, report.Stacks[0].Role)
		assert.Equal(t, []model.Frame{want}, report.Stacks[0].Frames, place)
	}
	report := begin(t, "<unknown>: runtime error: division by zero")
	require.NotNil(t, report)
	assert.Empty(t, report.Stacks)
	assert.NotNil(t, report.Stacks)
}

func TestNoFindings(t *testing.T) {
	for _, line := range []string{
		"panic: runtime error: index out of range", "x.py:12: runtime error: unheard of", "goroutine: runtime error: division by zero",
		"a.c:0:0: runtime error: division by zero", "a.c:1:2: runtime error: ", ": runtime error: division by zero",
	} {
		assert.Nil(t, begin(t, line), line)
	}
}

func TestAccess(t *testing.T) {
	report := begin(t, "a.c:1:2: runtime error: store to misaligned address 0x7f13 for type 'int', which requires 4 byte alignment")
	require.NotNil(t, report)
	assert.Equal(t, model.AbsAddr(0x7f13), *report.AbsAddr)
	assert.Equal(t, "write", report.Access.Type)
	report = begin(t, "a.c:1:2: runtime error: load of null pointer of type 'int'")
	assert.Equal(t, model.AbsAddr(0), *report.AbsAddr)
	assert.Equal(t, "read", report.Access.Type)
	report = begin(t, "a.c:1:2: runtime error: division by zero")
	assert.Nil(t, report.AbsAddr)
	assert.Nil(t, report.Access)
}

func FuzzReport(f *testing.F) {
	logs, err := filepath.Glob("../testdata/ub_*.txt")
	require.NoError(f, err)
	require.NotEmpty(f, logs)
	for _, name := range logs {
		log, err := os.ReadFile(name)
		require.NoError(f, err)
		for _, finding := range strings.SplitAfter(string(log), "SUMMARY") {
			f.Add([]byte(finding))
		}
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		var current *Report
		lines := strings.Split(string(log), "\n")
		for i, text := range lines {
			line := stackline.Line{Text: []byte(text), Unterminated: i == len(lines)-1}
			if r, ok := New(line, "the.log"); ok {
				current = r
			} else if current != nil && current.Fit(line) != stackline.FitNone && current.Feed(line) {
				break
			}
		}
		if current == nil {
			return
		}
		current.End("the log ends here", true)
		reports := current.Take()
		require.Len(t, reports, 1)
		require.NotNil(t, reports[0].Stacks)
		require.NotEmpty(t, reports[0].Kind)
		require.True(t, utf8.ValidString(reports[0].Message))
		require.LessOrEqual(t, len(reports[0].Stacks), 1)
	})
}
