package asan

import (
	"bytes"
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

func begin(text string) (*Report, bool) {
	return New(stackline.Line{Text: []byte(text)}, "the.log")
}

// The messages are those that the strings of clang-19's runtime hold, the
// kinds what asan_errors.h passes to the SUMMARY beside each.
func TestHeaders(t *testing.T) {
	const addr = model.AbsAddr(0x602000000011)
	for message, want := range map[string]struct {
		kind    string
		address bool
	}{
		"heap-use-after-free on address 0x602000000011 at pc 0x1 bp 0x2 sp 0x3":                      {"heap-use-after-free", true},
		"stack-buffer-underflow on address 0x602000000011 at pc 0x1 bp 0x2 sp 0x3":                   {"stack-buffer-underflow", true},
		"unknown-crash on address 0x602000000011 at pc 0x1 bp 0x2 sp 0x3":                            {"unknown-crash", true},
		"some-new-kind on address 0x602000000011 at pc 0x1 bp 0x2 sp 0x3":                            {"some-new-kind", true},
		"attempting double-free on 0x602000000011 in thread T0:":                                     {"double-free", true},
		"attempting free on address which was not malloc()-ed: 0x602000000011 in thread T0":          {"bad-free", true},
		"new-delete-type-mismatch on 0x602000000011 in thread T0:":                                   {"new-delete-type-mismatch", true},
		"alloc-dealloc-mismatch (malloc vs operator delete) on 0x602000000011":                       {"alloc-dealloc-mismatch", true},
		"attempting to call malloc_usable_size() for pointer which is not owned: 0x602000000011":     {"bad-malloc_usable_size", true},
		"SEGV on unknown address 0x602000000011 (pc 0x1 bp 0x2 sp 0x3 T0)":                           {"SEGV", true},
		"SEGV on unknown address (pc 0x602000000011 bp 0x2 sp 0x3 T0)":                               {"SEGV", false},
		"FPE on unknown address 0x602000000011 (pc 0x1 bp 0x2 sp 0x3 T0)":                            {"FPE", true},
		"ILL on unknown address 0x602000000011 (pc 0x1 bp 0x2 sp 0x3 T0)":                            {"ILL", true},
		"BUS on unknown address 0x602000000011 (pc 0x1 bp 0x2 sp 0x3 T0)":                            {"BUS", true},
		"stack-overflow on address 0x602000000011 (pc 0x1 bp 0x2 sp 0x3 T0)":                         {"stack-overflow", true},
		"calloc parameters overflow: count * size (-1 * 16) cannot be represented in type size_t":    {"calloc-overflow", false},
		"reallocarray parameters overflow: count * size (3 * -1) cannot be represented":              {"reallocarray-overflow", false},
		"pvalloc parameters overflow: size 0x10 rounded up to system page size 0x1000 cannot be":     {"pvalloc-overflow", false},
		"invalid allocation alignment: 3, alignment must be a power of two (thread T0)":              {"invalid-allocation-alignment", false},
		"invalid alignment requested in aligned_alloc: 3, alignment must be a power of two":          {"invalid-aligned-alloc-alignment", false},
		"invalid alignment requested in posix_memalign: 3, alignment must be a power of two":         {"invalid-posix-memalign-alignment", false},
		"requested allocation size 0x4000 (0x5000 after adjustments) exceeds maximum supported":      {"allocation-size-too-big", false},
		"specified RSS limit exceeded, currently set to soft_rss_limit_mb=100":                       {"rss-limit-exceeded", false},
		"out of memory: allocator is trying to allocate 0x4000 bytes":                                {"out-of-memory", false},
		"allocator is out of memory trying to allocate 0x4000 bytes":                                 {"out-of-memory", false},
		"memcpy-param-overlap: memory ranges [0x602000000011,0x602000000019) and [0x6, 0x8) overlap": {"memcpy-param-overlap", true},
		"strcat-param-overlap: memory ranges [0x602000000011,0x602000000019) and [0x6, 0x8) overlap": {"strcat-param-overlap", true},
		"negative-size-param: (size=-1)":                                                             {"negative-size-param", false},
		"bad parameters to __sanitizer_annotate_contiguous_container:":                               {"bad-__sanitizer_annotate_contiguous_container", false},
		"odr-violation (0x602000000011):":                                                            {"odr-violation", true},
		"invalid-pointer-pair: 0x602000000011 0x6":                                                   {"invalid-pointer-pair", true},
		"nested bug in the same thread, aborting.":                                                   {"nested-bug", false},
		"Joining already joined thread, aborting.":                                                   {"Joining already joined thread", false},
	} {
		r, ok := begin("==4321==ERROR: AddressSanitizer: " + message)
		require.True(t, ok, message)
		assert.Contains(t, r.End("the log ends here", true), "is not complete: the log ends here")
		report := r.Take()[0]
		assert.Equal(t, want.kind, report.Kind, message)
		assert.Equal(t, "AddressSanitizer", report.Tool)
		assert.Equal(t, 4321, report.PID)
		assert.Equal(t, strings.TrimSuffix(message, ":"), report.Message)
		if want.address {
			require.NotNil(t, report.AbsAddr, message)
			assert.Equal(t, addr, *report.AbsAddr, message)
		} else {
			assert.Nil(t, report.AbsAddr, message)
		}
	}
}

func TestOtherHeaders(t *testing.T) {
	for line, want := range map[string][2]string{
		"==7==ERROR: UndefinedBehaviorSanitizer: SEGV on unknown address 0x0 (pc 0x1 bp 0x2 sp 0x3 T7)":     {"UndefinedBehaviorSanitizer", "SEGV"},
		"==7==ERROR: LeakSanitizer: SEGV on unknown address 0x0 (pc 0x1 bp 0x2 sp 0x3 T7)":                  {"LeakSanitizer", "SEGV"},
		"==7==ERROR: AddressSanitizer failed to allocate 0xdfff0001000 (15392894357504) bytes at address 0": {"AddressSanitizer", "out-of-memory"},
		"==7==AddressSanitizer CHECK failed: asan_rtl.cpp:1 \"((0)) != (0)\" (0x0, 0x0)":                    {"AddressSanitizer", "CHECK-failed"},
		"==7==AddressSanitizer: CHECK failed: asan_rtl.cpp:1 \"((0)) != (0)\" (0x0, 0x0) (tid=7)":           {"AddressSanitizer", "CHECK-failed"},
		"AddressSanitizer: CHECK failed: asan_rtl.cpp:1 \"((0)) != (0)\" (0x0, 0x0) (tid=7)":                {"AddressSanitizer", "CHECK-failed"},
		"==7==Shadow memory range interleaves with an existing memory mapping. ASan cannot proceed":         {"AddressSanitizer", "shadow-memory-range-interleaves"},
		"text before==7==ERROR: AddressSanitizer: FPE on unknown address 0x0 (pc 0x1 bp 0x2 sp 0x3 T0)":     {"AddressSanitizer", "FPE"},
		"==7== ERROR: AddressSanitizer: heap-use-after-free on address 0x10 at pc 0x1 bp 0x2 sp 0x3":        {"AddressSanitizer", "heap-use-after-free"},
	} {
		r, ok := begin(line)
		require.True(t, ok, line)
		r.End("", true)
		report := r.Take()[0]
		assert.Equal(t, want, [2]string{report.Tool, report.Kind}, line)
		if strings.Contains(line, "==7==") {
			assert.Equal(t, 7, report.PID, line)
		}
	}
	for _, line := range []string{
		"==7==ERROR: LeakSanitizer: detected memory leaks", "==7==ERROR: AddressSanitizer: ", "ERROR: something else",
		"Shadow memory range interleaves", "CHECK failed: x", "==7==ERROR: 0Sanitizer: SEGV on", "==7==WARNING: AddressSanitizer failed to allocate",
	} {
		_, ok := begin(line)
		assert.False(t, ok, line)
	}
}

// The SUMMARY has the last word on a kind that the header only describes; a
// SUMMARY of another kind than a well-known header belongs to another report.
func TestSummaryDecidesTheKind(t *testing.T) {
	for _, test := range []struct {
		header, summary, want string
		fits                  bool
	}{
		{"some text of a new kind on 0x10", "new-kind", "new-kind", true},
		{"heap-use-after-free on address 0x10", "heap-use-after-free", "heap-use-after-free", true},
		{"heap-use-after-free on address 0x10", "double-free", "heap-use-after-free", false},
	} {
		r, ok := begin("==7==ERROR: AddressSanitizer: " + test.header)
		require.True(t, ok)
		line := stackline.Line{Text: []byte("SUMMARY: AddressSanitizer: " + test.summary + " /src/a.c:1 in f")}
		if fits := r.Fit(line) != stackline.FitNone; assert.Equal(t, test.fits, fits) && fits {
			r.Feed(line)
		}
		r.End("", true)
		assert.Equal(t, test.want, r.Take()[0].Kind)
	}
}

func FuzzReport(f *testing.F) {
	logs, err := filepath.Glob("../testdata/*.txt")
	require.NoError(f, err)
	require.NotEmpty(f, logs)
	for _, name := range logs {
		log, err := os.ReadFile(name)
		require.NoError(f, err)
		if len(log) < 8<<10 {
			f.Add(log)
		}
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		var current *Report
		for _, text := range bytes.Split(log, []byte("\n")) {
			line := stackline.Line{Text: text}
			if r, ok := New(line, "the.log"); ok {
				current = r
				continue
			}
			if current != nil && current.Fit(line) != stackline.FitNone && current.Feed(line) {
				check(t, current, len(log))
				current = nil
			}
		}
		if current != nil {
			current.End("the log ends here", true)
			check(t, current, len(log))
		}
	})
}

func check(t *testing.T, r *Report, size int) {
	reports := r.Take()
	require.Len(t, reports, 1)
	require.Empty(t, r.Take())
	frames := 0
	for _, s := range reports[0].Stacks {
		frames += len(s.Frames)
	}
	require.LessOrEqual(t, frames, size/6)
	require.True(t, utf8.ValidString(reports[0].Kind))
	require.NotEmpty(t, reports[0].Kind)
}
