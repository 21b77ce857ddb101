package object_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

const block = 64 << 10

// readerLog notes where it was read.
type readerLog struct {
	io.ReaderAt
	lock  sync.Mutex
	reads [][2]int64 // offset, length
}

func (r *readerLog) ReadAt(p []byte, offset int64) (int, error) {
	r.lock.Lock()
	r.reads = append(r.reads, [2]int64{offset, int64(len(p))})
	r.lock.Unlock()
	return r.ReaderAt.ReadAt(p, offset)
}

// withNoise returns an ELF file that has size random bytes in .debug_str, and
// the bytes.
func withNoise(t testing.TB, size int) (path string, noise []byte) {
	t.Helper()
	noise = make([]byte, size)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32() >> 26) // 6 bits: it can be compressed
	}
	path = freestandingProgram(t)
	raw := filepath.Join(t.TempDir(), "noise")
	require.NoError(t, os.WriteFile(raw, noise, 0o644))
	run(t, ".", "objcopy", "--remove-section=.debug_str", "--add-section=.debug_str="+raw, path)
	return path, noise
}

func TestViewReadsOnlyTheBlocksAskedFor(t *testing.T) {
	path, noise := withNoise(t, 20*block+77)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	start := int64(bytes.Index(content, noise))
	require.Positive(t, start)
	log := &readerLog{ReaderAt: bytes.NewReader(content)}
	file, err := object.NewFile("noise", log, int64(len(content)))
	require.NoError(t, err)
	log.reads = nil
	view, err := file.View(".debug_str")
	require.NoError(t, err)
	buffer := view.Buffer()
	require.Equal(t, len(noise), view.Len())
	require.Len(t, buffer, len(noise)+object.Slack)
	assert.Empty(t, log.reads, "nothing is read before it is asked for")

	load := func(from, to int, want ...[2]int64) {
		t.Helper()
		log.reads = nil
		require.NoError(t, view.Load(from, to))
		for i := range want {
			want[i][0] += start
		}
		assert.Equal(t, want, log.reads)
		from, to = max(from, 0), min(to, len(noise))
		if from < to {
			assert.True(t, bytes.Equal(noise[from:to], buffer[from:to]))
		}
	}
	load(3*block+5, 3*block+6, [2]int64{3 * block, block})
	load(3*block, 4*block)
	load(2*block+block-1, 5*block+1, [2]int64{2 * block, block}, [2]int64{4 * block, 2 * block})
	load(20*block+70, 1<<30, [2]int64{20 * block, 77})
	load(-5, 1, [2]int64{0, block})
	load(9, 9)
	load(1<<29, 1<<30)
	load(7, -7)
	assert.Equal(t, make([]byte, block), buffer[block:2*block], "not loaded")
	load(0, len(noise), [2]int64{block, block}, [2]int64{6 * block, 14 * block})
	load(0, len(noise))
	assert.Equal(t, make([]byte, object.Slack), buffer[view.Len():])

	again, err := file.View(".debug_str")
	require.NoError(t, err)
	assert.Same(t, view, again)
}

func TestViewIsWhatObjcopyExtracts(t *testing.T) {
	plain := sharedLibrary(t)
	sections := []string{".debug_info", ".debug_line", ".debug_str", ".debug_abbrev", ".text"}
	for _, kind := range []string{"none", "zlib-gabi", "zlib-gnu", "zstd"} {
		path := filepath.Join(t.TempDir(), "packed")
		tool := "objcopy"
		if kind == "zstd" {
			tool = "llvm-objcopy-19"
		}
		run(t, ".", tool, "--compress-debug-sections="+kind, plain, path)
		file := open(t, path)
		for _, name := range sections {
			raw := filepath.Join(t.TempDir(), "raw")
			run(t, ".", "objcopy", "--dump-section", name+"="+raw, plain, filepath.Join(t.TempDir(), "copy"))
			want, err := os.ReadFile(raw)
			require.NoError(t, err)
			require.NotEmpty(t, want)
			view, err := file.View(name)
			require.NoError(t, err)
			require.Equal(t, len(want), view.Len(), "%s %s", kind, name)
			require.NoError(t, view.Load(1, 2))
			require.NoError(t, view.LoadAll())
			assert.Equal(t, want, view.Buffer()[:view.Len()], "%s %s", kind, name)
			assert.Equal(t, make([]byte, object.Slack), view.Buffer()[view.Len():])
		}
	}
}

func TestViewOfNothingIsEmpty(t *testing.T) {
	file := open(t, freestandingProgram(t))
	for _, name := range []string{".no_such", "", ".bss"} {
		view, err := file.View(name)
		require.NoError(t, err)
		assert.Zero(t, view.Len())
		assert.Len(t, view.Buffer(), object.Slack)
		assert.NoError(t, view.LoadAll())
		assert.NoError(t, view.Load(5, 50))
	}
}

func TestFileThatShrinksBetweenLoadsIsAnError(t *testing.T) {
	path, noise := withNoise(t, 8*block)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	start := int64(bytes.Index(content, noise))
	file := open(t, path)
	view, err := file.View(".debug_str")
	require.NoError(t, err)
	require.NoError(t, view.Load(2*block, 3*block))
	require.NoError(t, os.Truncate(path, start+5*block+9))
	assert.NoError(t, view.Load(2*block, 3*block), "it is in memory")
	assert.NoError(t, view.Load(4*block, 5*block), "it is in the file still")
	for range 2 {
		err = view.Load(5*block, 5*block+1)
		assert.ErrorIs(t, err, object.ErrChanged)
		assert.ErrorContains(t, err, ".debug_str")
		assert.ErrorIs(t, view.LoadAll(), object.ErrChanged)
	}
	assert.Equal(t, noise[4*block:5*block], view.Buffer()[4*block:5*block])
}

func TestCompressedFileThatShrinksIsAnError(t *testing.T) {
	path, _ := withNoise(t, 2*block)
	run(t, ".", "objcopy", "--compress-debug-sections=zlib", path)
	file := open(t, path)
	view, err := file.View(".debug_info")
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 600))
	assert.ErrorIs(t, view.Load(0, 1), object.ErrChanged)
	assert.ErrorIs(t, view.LoadAll(), object.ErrChanged)
}

func TestViewsAreLoadedByManyThreads(t *testing.T) {
	path, noise := withNoise(t, 64*block)
	packed := filepath.Join(t.TempDir(), "packed")
	run(t, ".", "objcopy", "--compress-debug-sections=zlib", path, packed)
	for _, path := range []string{path, packed} {
		file := open(t, path)
		var group sync.WaitGroup
		for thread := range 8 {
			group.Go(func() {
				random := rand.New(rand.NewPCG(uint64(thread), 3))
				view, err := file.View(".debug_str")
				if !assert.NoError(t, err) {
					return
				}
				for range 200 {
					from := random.IntN(len(noise))
					to := min(len(noise), from+random.IntN(3*block))
					assert.NoError(t, view.Load(from, to))
					assert.True(t, slices.Equal(noise[from:to], view.Buffer()[from:to]))
				}
			})
		}
		group.Wait()
	}
}

func BenchmarkViewLoadThere(b *testing.B) {
	path, _ := withNoise(b, 20*block)
	file := open(b, path)
	view, err := file.View(".debug_str")
	require.NoError(b, err)
	require.NoError(b, view.Load(0, 4*block))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if view.Load(i&block, i&block+1) != nil {
			b.Fatal("an error")
		}
	}
}

func BenchmarkViewLoadAll(b *testing.B) {
	path, noise := withNoise(b, 20*block)
	b.SetBytes(int64(len(noise)))
	b.ReportAllocs()
	for b.Loop() {
		file, err := object.Open(path)
		require.NoError(b, err)
		view, err := file.View(".debug_str")
		require.NoError(b, err)
		require.NoError(b, view.LoadAll())
		require.NoError(b, file.Close())
	}
}

func BenchmarkViewCompressed(b *testing.B) {
	plain, noise := withNoise(b, 20*block)
	for _, kind := range []string{"zlib", "zstd"} {
		b.Run(kind, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "packed")
			run(b, ".", "llvm-objcopy-19", "--compress-debug-sections="+kind, plain, path)
			b.SetBytes(int64(len(noise)))
			b.ReportAllocs()
			for b.Loop() {
				file, err := object.Open(path)
				require.NoError(b, err)
				view, err := file.View(".debug_str")
				require.NoError(b, err)
				require.NoError(b, view.LoadAll())
				require.NoError(b, file.Close())
			}
		})
	}
}
