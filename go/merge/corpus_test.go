package merge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

// The corpus has each fault once by clang's runtime, the plain programs' also
// by gcc's, whose words differ. So a fingerprint belongs to one fault, and
// both runtimes give it.
func TestFingerprintsOfTheCorpus(t *testing.T) {
	logs, err := filepath.Glob("../testdata/corpus/*.sym.txt")
	require.NoError(t, err)
	require.Greater(t, len(logs), 10)
	faultOf := map[string]string{} // by fingerprint
	printOf := map[string]string{} // by fault
	runtimes := regexp.MustCompile(`^(gcc|plain)_`)
	for _, log := range logs {
		file, err := os.Open(log)
		require.NoError(t, err)
		set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: log, Reader: file})
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.NotEmpty(t, set.Reports, log)
		for _, r := range set.Reports {
			fault := runtimes.ReplaceAllString(strings.TrimSuffix(filepath.Base(log), ".sym.txt"), "") + " " + r.Kind + places(&r)
			fingerprint := withoutColumns(&r)
			if other, ok := faultOf[fingerprint]; ok {
				assert.Equal(t, other, fault, "two faults share a fingerprint")
			}
			if other, ok := printOf[fault]; ok {
				assert.Equal(t, other, fingerprint, "%s has two fingerprints", fault)
			}
			faultOf[fingerprint], printOf[fault] = fault, fingerprint
		}
	}
	assert.Less(t, len(printOf), len(logs), "no fault was met twice: this shows nothing")
}

// places are the user's lines of a report: two leaks of one function are two
// faults where its callers differ.
func places(r *model.Report) string {
	var text strings.Builder
	for _, stack := range r.Stacks {
		for _, frame := range stack.Frames {
			if !frame.Runtime {
				fmt.Fprintf(&text, " %s:%d", filepath.Base(frame.File), frame.Line)
			}
		}
	}
	return text.String()
}

// withoutColumns is the fingerprint of r as gcc's runtime would have told it:
// it names no columns.
func withoutColumns(r *model.Report) string {
	for i := range r.Stacks {
		for j := range r.Stacks[i].Frames {
			r.Stacks[i].Frames[j].Column = 0
		}
	}
	return merge.Fingerprint(r)
}

// What stands in for the line from a function's start tells two faults of one
// function apart, whoever symbolized the log.
func TestFaultsOfOneFunctionDiffer(t *testing.T) {
	of := func(frame model.Frame) string {
		frame.Function = "peek"
		return merge.Fingerprint(&model.Report{Tool: "AddressSanitizer", Kind: "heap-use-after-free", Stacks: []model.Stack{{
			Role: model.RoleFault, Frames: []model.Frame{frame},
		}}})
	}
	column := func(line, column int) string { return of(model.Frame{File: "/src/peek.c", Line: line, Column: column}) }
	assert.Equal(t, column(3, 10), column(4, 10), "lines move, columns stay")
	assert.NotEqual(t, column(3, 10), column(3, 17))
	assert.NotEqual(t, column(3, 0), column(4, 0), "gcc's runtime names lines only")
	address := func(addr model.VirtAddr) string {
		return of(model.Frame{Module: "/lib/libpeek.so", BuildID: "aa", VirtAddr: addr})
	}
	assert.NotEqual(t, address(0x1000), address(0x1010), "a module without debug information")
}
