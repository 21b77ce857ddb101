package trace

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
)

// FuzzRead: whatever the bytes, what leaves is bounded by them, valid, and
// equal each time.
func FuzzRead(f *testing.F) {
	f.Add(sample().Bytes)
	f.Add(append(sample().Bytes, sample().Bytes...))
	f.Add(sample().Bytes[:100])
	f.Add([]byte("FFIKTRC\x00"))
	nested := tracefile.New(1)
	for i := range uint64(20) {
		nested.Module(i<<8, 1<<16-i<<8, 0, "id", "over")
		nested.Stack(uint32(i), i<<8+1, i<<62|i)
	}
	f.Add(nested.Bytes)
	small := limits{modules: 8, sites: 8, stacks: 8, frames: 64, reportStacks: 8, notes: 4, textBytes: 256, framesPerStack: 16, stringBytes: 32, payloadBytes: 512}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, bounds := range []limits{defaultLimits, small} {
			evidence, partial, err := read(bytes.NewReader(file), "stacks.7", bounds)
			require.NotNil(t, evidence)
			require.LessOrEqual(t, len(partial), maxPartials+2)
			for _, p := range partial {
				require.NotEmpty(t, p.Reason)
				require.LessOrEqual(t, p.OffsetBytes, int64(len(file)))
			}
			frames := 0
			for id := range evidence.stacks {
				stack, truncated, ok := evidence.Frames(uint32(id))
				require.Equal(t, evidence.stacks[id].known, ok)
				require.True(t, utf8.ValidString(truncated))
				require.LessOrEqual(t, len(stack), bounds.framesPerStack)
				frames += len(stack)
				for _, frame := range stack {
					require.True(t, utf8.ValidString(frame.Function+frame.File+frame.Module))
				}
			}
			require.LessOrEqual(t, frames, min(bounds.frames, len(file)/8))
			require.LessOrEqual(t, len(evidence.modules), min(bounds.modules, len(file)/8))
			require.LessOrEqual(t, len(evidence.sites), min(bounds.sites, len(file)/8))
			require.LessOrEqual(t, len(evidence.ReportStacks), min(bounds.reportStacks, len(file)/8))
			again, partialAgain, errAgain := read(bytes.NewReader(file), "stacks.7", bounds)
			require.Equal(t, evidence, again)
			require.Equal(t, partial, partialAgain)
			require.Equal(t, err, errAgain)
		}
	})
}
