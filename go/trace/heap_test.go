package trace

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
)

// heapSample is a process with a stack through C and Python, one that its
// agent lost, and a library that took another's place.
func heapSample() *tracefile.Heap {
	h := tracefile.NewHeap(7)
	h.Record(4, []byte("\x0c\x00\x00\x00/bin/app\x00arg\x00"))
	h.Module(11, 0x1000, 0x9000, 0x1000, "\xab\xcd", "/bin/app")
	h.Module(11, 0x20000, 0x30000, 0x20000, "\x01", "/lib/old.so")
	root := h.Node(0x2001, 1)
	python := h.Node(h.Site(5, "main", "app.py", 30, 20), root)
	old := h.Node(0x20101, python)
	h.Module(14, 0x20000, 0x28000, 0x1f000, "\x02", "/lib/new.so")
	fresh := h.Node(0x20101, python)
	exact := h.Node(tracefile.Exact|0x2fff0, 3)
	h.Count(old, 1, [5]uint64{10, 4, 1000, 400, 700}, 5, 90)
	h.Count(fresh, 2, [5]uint64{1, 0, 4096, 0, 4096}, 6, 6)
	h.Count(exact, 1, [5]uint64{2, 3, 10, 20, 10}, 7, 8)
	h.SetCount(1, 0, 1, [5]uint64{5, 0, 50, 0, 50}, 1, 2)
	h.Record(3, "Python 3.99 is not known")
	return h
}

func openHeapBytes(t *testing.T, file []byte) *Heap {
	t.Helper()
	h, err := newHeap(bytes.NewReader(file), "heap.7.0", defaultHeapLimits)
	require.NoError(t, err)
	return h
}

func TestHeap(t *testing.T) {
	h := openHeapBytes(t, heapSample().Bytes())
	assert.Equal(t, []int{7, 6}, []int{h.PID, h.ParentPID})
	assert.Equal(t, HeapCounting, h.State)
	assert.Equal(t, time.Unix(1_763_900_000, 0).UTC(), h.Started)
	assert.Equal(t, []string{"/bin/app", "arg"}, h.Arguments)
	assert.Equal(t, []string{"Python 3.99 is not known"}, h.Notes)
	counts := h.Counts()
	require.Len(t, counts, 4)
	assert.Equal(t, HeapCount{Index: 1, Class: model.ClassHeap, Allocations: 5, AllocatedBytes: 50, PeakBytes: 50, First: time.Millisecond, Last: 2 * time.Millisecond}, counts[0])
	assert.Equal(t, []uint64{50, 600, 4096, 0}, []uint64{counts[0].LiveBytes(), counts[1].LiveBytes(), counts[2].LiveBytes(), counts[3].LiveBytes()})
	assert.Equal(t, model.ClassMapping, counts[2].Class)

	callers := []model.Frame{
		{Function: "main", Language: model.LanguagePython, File: "app.py", Line: 30, FunctionLine: 20},
		{Module: "/bin/app", BuildID: "abcd", VirtAddr: 0x1000, AbsAddr: 0x2000},
	}
	frames, truncated, ok := h.Frames(counts[1].Node)
	require.True(t, ok)
	assert.Empty(t, truncated)
	assert.Equal(t, append([]model.Frame{{Module: "/lib/old.so", BuildID: "01", VirtAddr: 0x100, AbsAddr: 0x20100}}, callers...), frames)
	frames, _, _ = h.Frames(counts[2].Node)
	assert.Equal(t, append([]model.Frame{{Module: "/lib/new.so", BuildID: "02", VirtAddr: 0x1100, AbsAddr: 0x20100}}, callers...), frames)
	frames, truncated, _ = h.Frames(counts[3].Node)
	assert.Equal(t, []model.Frame{{Module: "/lib/old.so", BuildID: "01", VirtAddr: 0xfff0, AbsAddr: 0x2fff0}}, frames)
	assert.Equal(t, endReason(2), truncated)
	_, _, ok = h.Frames(0)
	assert.False(t, ok)
	assert.Empty(t, h.Partial())
}

// growing is a file that changes between two reads.
type growing struct{ *bytes.Reader }

// What was added and counted since is there after Refresh; a record that was
// not finished comes when it is, in its place.
func TestHeapRefresh(t *testing.T) {
	w := heapSample()
	pending := w.Record(1<<31, uint32(11), uint32(0), uint64(0x40000), uint64(0x50000), uint64(0x40000), "\x03", "/lib/late.so")
	w.Record(3, "a second note")
	in := &growing{bytes.NewReader(w.Bytes())}
	h, err := newHeap(in, "heap.7.0", defaultHeapLimits)
	require.NoError(t, err)
	assert.Len(t, h.Notes, 2)
	w.SetKind(pending, 1)
	leaf := w.Node(0x40011, w.Node(0x2001, 1))
	w.SetCount(4, 13, 1, [5]uint64{20, 4, 2000, 400, 1700}, 5, 190)
	w.Count(leaf, 3, [5]uint64{1, 0, 7, 0, 7}, 200, 200)
	w.Put32(188, 3)
	w.Put64(152, 250)
	*in = growing{bytes.NewReader(w.Bytes())}
	require.NoError(t, h.Refresh())
	assert.Equal(t, HeapEnded, h.State)
	assert.Equal(t, 250*time.Millisecond, h.Ran)
	assert.Len(t, h.Notes, 2)
	require.Len(t, h.Counts(), 5)
	assert.Equal(t, uint64(1600), h.Counts()[1].LiveBytes())
	frames, truncated, ok := h.Frames(h.Counts()[4].Node)
	require.True(t, ok)
	assert.Empty(t, truncated)
	assert.Equal(t, []string{"/lib/late.so", "/bin/app"}, []string{frames[0].Module, frames[1].Module})
	assert.Len(t, h.log.modules, 4)
	assert.Empty(t, h.Partial())
}

// Numbers that lead nowhere cost their stacks alone, and are told with the place.
func TestHeapDamaged(t *testing.T) {
	w := heapSample()
	circle := w.Node(0x2001, 999)
	above := w.Node(0x2001, circle)
	w.Count(above, 1, [5]uint64{1, 0, 8, 0, 8}, 1, 1)
	w.Count(4711, 1, [5]uint64{1, 0, 9, 0, 9}, 1, 1)
	w.Count(12, 77, [5]uint64{1, 0, 9, 0, 9}, 1, 1)
	w.Record(99, "of later")
	w.Record(3, []byte{255, 255, 255, 255, 'x'})
	h := openHeapBytes(t, w.Bytes())
	require.Len(t, h.Counts(), 6)
	for _, c := range h.Counts()[4:] {
		_, _, ok := h.Frames(c.Node)
		assert.False(t, ok)
	}
	_, _, ok := h.Frames(h.Counts()[1].Node)
	assert.True(t, ok)
	var reasons []string
	for _, p := range h.Partial() {
		assert.Equal(t, "heap.7.0", p.File)
		assert.Positive(t, p.OffsetBytes)
		reasons = append(reasons, p.Reason)
	}
	assert.ElementsMatch(t, []string{
		"counts are of classes of memory that this version does not know; they were passed over",
		"stacks lead in circles; their counts are kept without a stack",
		"counts name stacks that are not there; they are kept without a stack",
		"records are of kinds that this version does not know; they were passed over",
		"a string in a record is longer than the record: what lies behind it was not read",
	}, reasons)
}

// However short a file is cut, what is there is read, or it is refused.
func TestHeapTorn(t *testing.T) {
	whole := heapSample().Bytes()
	for length := 0; length < len(whole); length += 41 {
		h, err := newHeap(bytes.NewReader(whole[:length]), "heap.7.0", defaultHeapLimits)
		if length < 8 || err != nil {
			continue
		}
		for _, c := range h.Counts() {
			h.Frames(c.Node)
		}
		if last := binary.LittleEndian.Uint64(whole[72:]) + binary.LittleEndian.Uint64(whole[144:]); uint64(length) < last {
			assert.NotEmpty(t, h.Partial(), length)
		}
	}
}

func TestHeapRefused(t *testing.T) {
	later := tracefile.NewHeap(1)
	later.Put32(8, 2)
	for want, file := range map[string][]byte{
		"version 2 of the heap trace at byte 8": later.Bytes(),
		"its first bytes are not FFIKHEAP":      bytes.Repeat([]byte("x"), 5000),
		"shorter than a header and empty":       make([]byte, 100),
	} {
		_, err := newHeap(bytes.NewReader(file), "heap.7.0", defaultHeapLimits)
		assert.ErrorContains(t, err, want)
	}
	_, err := OpenHeap(t.TempDir())
	require.ErrorIs(t, err, ErrNotHeap)
	h := openHeapBytes(t, make([]byte, 1<<16))
	assert.Equal(t, HeapNotBegun, h.State)
	require.Len(t, h.Partial(), 1)
	assert.Contains(t, h.Partial()[0].Reason, "before the agent was ready")
}

// A sparse file that claims all that a header can say costs little memory.
func TestHeapSparse(t *testing.T) {
	w := heapSample()
	file := w.Bytes()
	path := filepath.Join(t.TempDir(), "heap.7.0")
	for i, size := range []uint64{64 << 20, 64 << 20, 32 << 20} {
		binary.LittleEndian.PutUint64(file[40+16*i:], 4096+uint64(i)*(64<<20))
		binary.LittleEndian.PutUint64(file[48+16*i:], size)
		binary.LittleEndian.PutUint64(file[128+8*i:], size/[]uint64{16, 64, 1}[i])
	}
	require.NoError(t, os.WriteFile(path, file[:4096], 0o600))
	require.NoError(t, os.Truncate(path, 4096+160<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h, err := OpenHeap(path)
	require.NoError(t, err)
	defer h.Close()
	h.Frames(12)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20), "of 160 MB")
	assert.Empty(t, h.Counts())
}

func TestHeapLimits(t *testing.T) {
	small := heapLimits{nodes: 15, counts: 6, logBytes: 1 << 10, modules: 2, sites: 1, notes: 1, framesPerStack: 2, stringBytes: 5, payloadBytes: 64}
	w := heapSample()
	w.Site(6, "second", "app.py", 1, 1)
	w.Record(3, "second note")
	h, err := newHeap(bytes.NewReader(w.Bytes()), "heap.7.0", small)
	require.NoError(t, err)
	assert.Len(t, h.Counts(), 3)
	frames, truncated, ok := h.Frames(13)
	require.True(t, ok)
	assert.Len(t, frames, 2)
	assert.Contains(t, truncated, "too deep")
	told := map[string]bool{}
	for _, p := range h.Partial() {
		told[p.Reason] = true
	}
	for _, want := range []string{
		"more than 15 entries of stacks: the rest is left out", "more than 6 counts: the rest is left out", "more than 2 modules: the rest is left out",
		"more than 1 places in Python code: the rest is left out", "more than 1 notes: the rest is left out",
	} {
		assert.True(t, told[want], "%s in %v", want, told)
	}
}
