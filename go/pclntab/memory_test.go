package pclntab_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/pclntab"
)

// ownImage is the running test as /proc shows it.
func ownImage(t *testing.T) *pclntab.Image {
	t.Helper()
	path, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	memory, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	t.Cleanup(func() { memory.Close() })
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	image := &pclntab.Image{Name: "this process", Order: binary.NativeEndian, AddrSize: 8}
	lines := bufio.NewScanner(strings.NewReader(string(maps)))
	for lines.Scan() {
		if !strings.HasSuffix(lines.Text(), " "+path) {
			continue
		}
		var start, end, offset uint64
		var rights string
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x", &start, &end, &rights, &offset)
		require.NoError(t, err)
		image.Segments = append(image.Segments, pclntab.Segment{
			VirtAddr: model.VirtAddr(start), SizeBytes: end - start, OffsetBytes: start,
			Executable: rights[2] == 'x', Writable: rights[1] == 'w', Contents: atAddress{memory, int64(start)},
		})
	}
	require.GreaterOrEqual(t, len(image.Segments), 3)
	return image
}

type atAddress struct {
	memory *os.File
	start  int64
}

func (a atAddress) ReadAt(data []byte, offset int64) (int, error) {
	return a.memory.ReadAt(data, a.start+offset)
}

// elide does to type arguments what the runtime does when it shows a name.
func elide(name string) string {
	open, end := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if open < 0 || end < open {
		return name
	}
	return name[:open] + "[...]" + name[end+1:]
}

// The runtime itself is the reference for its own process: what it prints
// tracebacks with is what was read from its memory.
func TestOwnMemoryAgreesWithTheRuntime(t *testing.T) {
	table, err := pclntab.New(ownImage(t))
	require.NoError(t, err)
	var addrs []model.VirtAddr
	for _, r := range table.TextRanges() {
		for addr := r.Start; addr < r.End; addr += 67 {
			addrs = append(addrs, addr)
		}
	}
	frames, err := table.Resolve(addrs)
	require.NoError(t, err)
	compared, inlined := 0, 0
	for i, addr := range addrs {
		if len(frames[i]) == 0 || frames[i][0].File == "" {
			continue
		}
		f := runtime.FuncForPC(uintptr(addr))
		require.NotNil(t, f, addr)
		file, line := f.FileLine(uintptr(addr))
		require.Equal(t, []any{f.Name(), file, line}, []any{elide(frames[i][0].Function), frames[i][0].File, frames[i][0].Line}, addr)
		outermost := frames[i][len(frames[i])-1].Function
		require.Equal(t, runtime.FuncForPC(f.Entry()).Name(), elide(outermost), addr)
		compared++
		inlined += len(frames[i]) - 1
	}
	t.Logf("%d of %d addresses, %d inlined frames", compared, len(addrs), inlined)
	assert.Greater(t, compared, 5000)
	assert.Greater(t, inlined, 1000)
}

// A stack of this process, as the runtime tells it, from its own return
// addresses: inlined calls come where they belong.
func TestOwnStack(t *testing.T) {
	table, err := pclntab.New(ownImage(t))
	require.NoError(t, err)
	want := callOuter()
	require.Equal(t, 3, strings.Count(want[0].Function+want[1].Function+want[2].Function, "pclntab_test.call"))
	// The physical frame holds all three: the pc of its innermost call.
	frames, err := table.Resolve([]model.VirtAddr{model.VirtAddr(want[0].PC)})
	require.NoError(t, err)
	require.Len(t, frames[0], 3)
	for i, frame := range frames[0] {
		assert.Equal(t, []any{want[i].Function, want[i].File, want[i].Line}, []any{frame.Function, frame.File, frame.Line})
		assert.Equal(t, i < 2, frame.Inlined)
		assert.Positive(t, frame.FunctionLine)
	}
}

//go:noinline
func callOuter() [3]runtime.Frame {
	return callMiddle()
}

func callMiddle() [3]runtime.Frame { return callInner() }

func callInner() (stack [3]runtime.Frame) {
	stackOf(&stack)
	return stack
}

//go:noinline
func stackOf(stack *[3]runtime.Frame) {
	var pcs [8]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for i := range stack {
		stack[i], _ = frames.Next()
	}
}
