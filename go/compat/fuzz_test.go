package compat_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
)

// Whatever is on standard input, each line of it (and each piece of a long one)
// has one answer.
func FuzzLines(f *testing.F) {
	path := fixture(f, "c-symbols")
	f.Add([]byte("0x1040\n\nzz\n"))
	for _, line := range odd {
		f.Add([]byte(line + "\n"))
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, call := range []struct {
			program compat.Program
			longest int
			args    []string
		}{
			{compat.GNUAddr2line, 99, []string{"-e", path}},
			// In JSON each answer is one line.
			{compat.LLVMAddr2line, 1023, []string{"-e", path, "--output-style=JSON"}},
			{compat.LLVMSymbolizer, 1023, []string{"--output-style=JSON"}},
		} {
			var out bytes.Buffer
			resolver := &counter{frames: threeFrames[2:]}
			require.Equal(t, 0, asked(call.program, resolver, bytes.NewReader(input), &out, call.args...).Run())
			require.Equal(t, pieces(input, call.longest), bytes.Count(out.Bytes(), []byte("\n")), "%q %q", call.args, input)
		}
	})
}

// pieces counts what fgets would return.
func pieces(input []byte, longest int) (count int) {
	for len(input) > 0 {
		end := min(len(input), longest)
		if at := bytes.IndexByte(input[:end], '\n'); at >= 0 {
			end = at + 1
		}
		input = input[end:]
		count++
	}
	return count
}
