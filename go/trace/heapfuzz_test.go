package trace

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
)

// FuzzHeap: whatever the bytes, what leaves is bounded, valid, and equal each
// time, also when it is read again.
func FuzzHeap(f *testing.F) {
	f.Add(heapSample().Bytes())
	f.Add(heapSample().Bytes()[:5000])
	f.Add(make([]byte, 4096))
	nested := tracefile.NewHeap(1)
	leaf := uint32(1)
	for i := range uint32(20) {
		nested.Module(31-i, uint64(i)<<8, 1<<16-uint64(i)<<8, 0, "id", "over")
		leaf = nested.Node(uint64(i)<<8+1, leaf)
		nested.Count(leaf, i%4, [5]uint64{uint64(i), 1, 1 << 63, 5, 1}, i, i)
	}
	f.Add(nested.Bytes())
	overlapping := heapSample().Bytes()
	binary.LittleEndian.PutUint64(overlapping[56:], 4096)
	binary.LittleEndian.PutUint64(overlapping[72:], 4096)
	f.Add(overlapping)
	small := heapLimits{nodes: 64, counts: 16, logBytes: 512, modules: 4, sites: 4, notes: 2, framesPerStack: 8, stringBytes: 16, payloadBytes: 128}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, bounds := range []heapLimits{{nodes: 1 << 14, counts: 1 << 8, logBytes: 1 << 20, modules: 1 << 14, sites: 1 << 10, notes: 10, framesPerStack: 256, stringBytes: 64 << 10, payloadBytes: 1 << 20}, small} {
			h, err := newHeap(bytes.NewReader(file), "heap.7.0", bounds)
			if err != nil {
				continue
			}
			require.LessOrEqual(t, len(h.Counts()), min(bounds.counts, len(file)/64))
			require.LessOrEqual(t, len(h.log.modules), bounds.modules)
			require.LessOrEqual(t, len(h.log.sites), bounds.sites)
			for _, c := range h.Counts() {
				frames, truncated, ok := h.Frames(c.Node)
				require.Equal(t, ok, len(frames) > 0)
				require.LessOrEqual(t, len(frames), bounds.framesPerStack)
				require.True(t, utf8.ValidString(truncated))
				for _, frame := range frames {
					require.True(t, utf8.ValidString(frame.Function+frame.File+frame.Module))
				}
			}
			for _, p := range h.Partial() {
				require.NotEmpty(t, p.Reason)
			}
			counts, modules := len(h.Counts()), len(h.log.modules)
			require.NoError(t, h.Refresh())
			require.Len(t, h.Counts(), counts)
			require.Len(t, h.log.modules, modules)
		}
	})
}
