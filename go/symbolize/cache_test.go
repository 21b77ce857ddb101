package symbolize_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

// cached answers with the cache in dir and tells whether anything stood in the
// cache's way.
func cached(t testing.TB, dir, path string, addrs []model.VirtAddr, opts symbolize.Options) [][]model.Frame {
	t.Helper()
	opts.CacheDir = dir
	symbolizer := symbolize.New(opts)
	defer symbolizer.Close()
	frames, err := symbolizer.Resolve(path, "", addrs)
	require.NoError(t, err)
	require.NoError(t, symbolizer.CacheError())
	return frames
}

func uncached(t testing.TB, path string, addrs []model.VirtAddr, opts symbolize.Options) [][]model.Frame {
	t.Helper()
	opts.NoCache = true
	symbolizer := symbolize.New(opts)
	defer symbolizer.Close()
	frames, err := symbolizer.Resolve(path, "", addrs)
	require.NoError(t, err)
	return frames
}

// indexes lists the index files in a cache.
func indexes(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.map"))
	require.NoError(t, err)
	return names
}

// settle waits until a file that was just made is old enough to be told from a
// changed one.
func settle(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	time.Sleep(time.Until(info.ModTime().Add(50 * time.Millisecond)))
}

func requireSame(t testing.TB, addrs []model.VirtAddr, want, got [][]model.Frame) (answered int) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if !slices.Equal(want[i], got[i]) {
			require.Equal(t, want[i], got[i], "%v", addrs[i])
		}
		if len(want[i]) > 0 {
			answered++
		}
	}
	return answered
}

func TestSecondUseMakesAnIndex(t *testing.T) {
	path, dir := smallC(t), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := textAddrs(t, path, 1)
	want := uncached(t, path, addrs, symbolize.Options{})
	assert.NoDirExists(t, dir)

	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	assert.Empty(t, indexes(t, dir), "the first use leaves a mark only")
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	require.Len(t, indexes(t, dir), 1)
	answered := requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	assert.Greater(t, answered, len(addrs)/2)
	seen, err := filepath.Glob(filepath.Join(dir, "*.seen"))
	require.NoError(t, err)
	assert.Empty(t, seen)

	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(indexes(t, dir)[0])
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
