package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// benchmark reads the log over and over, some MB at a time.
func benchmark(b *testing.B, log []byte, reports int) {
	copies := (4<<20)/len(log) + 1
	log = bytes.Repeat(log, copies)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		met := 0
		_, err := Read(bytes.NewReader(log), "the.log", func(model.Report) error {
			met++
			return nil
		})
		require.NoError(b, err)
		require.Equal(b, reports*copies, met)
	}
}

func BenchmarkForeignText(b *testing.B) {
	var log strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&log, "2026-11-23T10:00:00.%06dZ INFO worker %d: the request took %d ms and answered with %d bytes\n", i, i%8, i, i*7)
	}
	benchmark(b, []byte(log.String()), 0)
}

func BenchmarkLongLines(b *testing.B) {
	benchmark(b, append(bytes.Repeat([]byte("#0 0x1 == "), 3<<18), '\n'), 0)
}

func BenchmarkRawReports(b *testing.B) { benchmark(b, fixture(b, "use_after_free.clang.raw"), 1) }
func BenchmarkSymbolizedReports(b *testing.B) {
	benchmark(b, fixture(b, "use_after_free.clang.sym"), 1)
}
func BenchmarkLeaks(b *testing.B)      { benchmark(b, fixture(b, "leak.gcc.sym"), 3) }
func BenchmarkDeepStacks(b *testing.B) { benchmark(b, fixture(b, "stack_exhaustion.clang.sym"), 1) }

func BenchmarkUndefinedWithoutStacks(b *testing.B) {
	benchmark(b, []byte("/src/a.c:1:2: runtime error: division by zero\n"), 1)
}

// Foreign lines after a report that never ended, which are all looked at.
func BenchmarkForeignTextWithinReports(b *testing.B) {
	report := "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x10 at pc 0x1 bp 0x2 sp 0x3\n    #0 0x10 in f /src/a.c:1\n"
	benchmark(b, []byte(report+strings.Repeat("2026-11-23 INFO worker 3: the request took 17 ms and answered with 7123 bytes\n", 900)), 1)
}
