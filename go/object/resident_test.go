//go:build !race

package object_test

// The race detector keeps shadows of all memory, used or not.

import (
	"encoding/binary"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// residentBytes is what the process has in memory.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

func TestWhatIsNotLoadedCostsNoMemory(t *testing.T) {
	const size, more = 256 << 20, 4 << 20
	path := freestandingProgram(t)
	image := readImage(t, must(os.ReadFile(path)))
	start := (len(image.content) + block - 1) &^ (block - 1)
	header := image.header(t, ".debug_str")
	binary.LittleEndian.PutUint64(header[0x18:], uint64(start))
	binary.LittleEndian.PutUint64(header[0x20:], size)
	require.NoError(t, os.WriteFile(path, image.content, 0o644))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(int64(start)+size))
	_, err = file.WriteAt([]byte("here"), int64(start)+size/2)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	debug.FreeOSMemory()
	before := residentBytes(t)
	// Memory that was used before has to be cleared, and given back again.
	used := make([]byte, size+more)
	for i := range used {
		used[i] = 1
	}
	require.Greater(t, residentBytes(t)-before, int64(size))
	runtime.KeepAlive(used)
	used = nil
	runtime.GC()
	view, err := open(t, path).View(".debug_str")
	require.NoError(t, err)
	require.Equal(t, size, view.Len())
	require.NoError(t, view.Load(size/2, size/2+4))
	assert.Equal(t, "here", string(view.Buffer()[size/2:size/2+4]))
	assert.Less(t, residentBytes(t)-before, int64(32<<20))
}
