package samples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/builtagent"
	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
	"github.com/ffikit/ffikit/go/trace"
)

func open(t *testing.T, path string) *trace.Heap {
	t.Helper()
	h, err := trace.OpenHeap(path)
	require.NoError(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}

func written(t *testing.T, w *tracefile.Heap) *trace.Heap {
	t.Helper()
	path := filepath.Join(t.TempDir(), "heap.7.0")
	require.NoError(t, os.WriteFile(path, w.Bytes(), 0o600))
	return open(t, path)
}

// A recursion's depths are one site, and the sum of all is what the file has.
func TestSitesAreMerged(t *testing.T) {
	w := tracefile.NewHeap(7)
	down := w.Site(1, "down", "walk.py", 12, 10)
	maker := w.Site(2, "make", "walk.py", 5, 4)
	caller := w.Node(w.Site(3, "main", "walk.py", 20, 18), 1)
	for depth := range uint64(4) {
		caller = w.Node(down, caller)
		w.Count(w.Node(maker, caller), 1, [5]uint64{2, 1, 100 + depth, 50, 80}, uint32(depth), 10+uint32(depth))
	}
	w.Count(w.Node(maker, 1), 2, [5]uint64{1, 0, 4096, 0, 4096}, 0, 0)
	w.SetCount(2, 0, 2, [5]uint64{3, 0, 30, 0, 30}, 9, 9)
	live := [][]uint64{{0, 0, 10, 0, 1, 2}, {0, 0, 30, 0, 50, 51, 52, 53, 4096}}
	processes, sites, partial := Read(Options{}, Trace{Heap: written(t, w), Ended: "running", Timeline: make([]model.Moment, 2), Live: live})
	assert.Empty(t, partial)
	require.Len(t, processes, 1)
	assert.Equal(t, "running", processes[0].Ended)
	require.Len(t, sites, 3)
	assert.Equal(t, []uint64{4096, 206, 30}, []uint64{sites[0].LiveBytes(), sites[1].LiveBytes(), sites[2].LiveBytes()})
	assert.Equal(t, uint64(8), sites[1].Allocations)
	assert.Equal(t, []uint64{3, 206}, sites[1].LiveSeries)
	assert.Equal(t, []uint64{0, 4096}, sites[0].LiveSeries)
	assert.Equal(t, "the stack was not kept", sites[2].Stack.Truncated)
	assert.Equal(t, "make", sites[1].Stack.Frames[0].Function)
	assert.NotEqual(t, sites[0].Fingerprint, sites[1].Fingerprint)
	var total uint64
	_, sites, partial = Read(Options{MaxStacks: 2}, Trace{Heap: written(t, w)})
	for _, s := range sites {
		total += s.LiveBytes()
		assert.Nil(t, s.LiveSeries)
	}
	assert.Equal(t, uint64(4096+206+30), total)
	assert.Empty(t, partial)
	assert.Contains(t, sites[1].Stack.Truncated+sites[2].Stack.Truncated, "smaller sites together")
}

// Of many programs each gets its share of what is kept, and none is dropped.
func TestShares(t *testing.T) {
	var traces []Trace
	for i := range uint64(30) {
		w := tracefile.NewHeap(uint32(100 + i))
		for j := range uint64(40) {
			w.Count(w.Node(w.Site(uint32(j), "f"+strconv.Itoa(int(j)), "a.py", uint32(j+1), 1), 1), 1, [5]uint64{1, 0, 10 + i*j, 0, 10}, 0, 0)
		}
		traces = append(traces, Trace{Heap: written(t, w)})
	}
	_, sites, partial := Read(Options{MaxStacks: 100, MaxSites: 50}, traces...)
	assert.Empty(t, partial)
	allocations, ofSites := map[int]uint64{}, map[int]int{}
	for _, s := range sites {
		allocations[s.Process] += s.Allocations
		ofSites[s.Process]++
	}
	for i := range traces {
		assert.Equal(t, uint64(40), allocations[i])
		assert.LessOrEqual(t, ofSites[i], 21)
		assert.Greater(t, ofSites[i], 2)
	}
}

const library = `#include <stdlib.h>
#include <string.h>
static inline __attribute__((always_inline)) char *fill(size_t n) {
  char *p = malloc(n); /* asks */
  memset(p, 1, n);
  return p;
}
char *box_new(size_t n) {
  return fill(n) + 1; /* inlined */
}
`

const script = `import ctypes, os

lib = ctypes.CDLL("LIBRARY")
lib.box_new.restype = ctypes.c_void_p
lib.box_new.argtypes = [ctypes.c_size_t]


def leak():
    for _ in range(30):
        lib.box_new(5000)  # leaks


leak()
os._exit(0)
`

func lineOf(t *testing.T, text, mark string) int {
	t.Helper()
	before, _, found := strings.Cut(text, mark)
	require.True(t, found)
	return strings.Count(before, "\n") + 1
}

// The stack of a real program: an inlined C function, the crossing, the line
// in Python that called.
func TestRealProgram(t *testing.T) {
	agent := builtagent.Path(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/box.c", []byte(library), 0o644))
	python := strings.ReplaceAll(script, "LIBRARY", dir+"/libbox.so")
	require.NoError(t, os.WriteFile(dir+"/leaks.py", []byte(python), 0o644))
	out, err := exec.Command("gcc", "-g", "-O2", "-shared", "-fPIC", "-Wl,--build-id", dir+"/box.c", "-o", dir+"/libbox.so").CombinedOutput()
	require.NoError(t, err, "%s", out)
	executable, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	require.NoError(t, err)
	command := exec.Command(strings.TrimSpace(string(executable)), dir+"/leaks.py")
	command.Env = append(os.Environ(), "LD_PRELOAD="+agent, "FFIKIT_HUNT="+dir+"/heap")
	out, err = command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	files, err := filepath.Glob(dir + "/heap.*.0")
	require.NoError(t, err)
	require.Len(t, files, 1)

	_, sites, _ := Read(Options{Symbolize: symbolize.Options{CacheDir: t.TempDir()}}, Trace{Heap: open(t, files[0])})
	for _, site := range sites {
		if site.Allocations != 30 || site.LiveBytes() != 150000 {
			continue
		}
		frames := site.Stack.Frames
		require.Greater(t, len(frames), 3)
		assert.Equal(t, "fill", frames[0].Function)
		assert.True(t, frames[0].Inlined)
		assert.Equal(t, lineOf(t, library, "asks"), frames[0].Line)
		assert.Equal(t, "box_new", frames[1].Function)
		assert.Equal(t, lineOf(t, library, "inlined"), frames[1].Line)
		assert.Equal(t, "python>c", frames[1].Boundary)
		for _, frame := range frames[2:] {
			if !frame.Runtime {
				assert.Equal(t, "leak", frame.Function)
				assert.Equal(t, lineOf(t, python, "leaks"), frame.Line)
				return
			}
		}
	}
	t.Fatal("the site is not there")
}
