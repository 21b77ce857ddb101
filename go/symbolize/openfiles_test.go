package symbolize_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/symbolize"
)

// openFiles counts this process's open files below dir.
func openFiles(t *testing.T, dir string) (count int) {
	t.Helper()
	handles, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, handle := range handles {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", handle.Name()))
		if within, _ := filepath.Match(filepath.Join(dir, "*"), name); err == nil && within {
			count++
		}
	}
	return count
}

// A supplementary file, which DWARF leads to, is closed with the rest, also where
// an index was made of it meanwhile, and answers stay the same.
func TestSupplementaryFileIsClosed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range sourcesC {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	for _, name := range []string{"one", "two"} {
		run(t, dir, "gcc", "-gdwarf-4", "-O2", "-Wl,--build-id", "-o", name, "src/main.c")
	}
	run(t, dir, "dwz", "-m", "common", "-r", "one", "two")
	path, cache := filepath.Join(dir, "one"), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := textAddrs(t, path, 1)
	want := uncached(t, path, addrs, symbolize.Options{})
	assert.Zero(t, openFiles(t, dir))
	symbolizer := symbolize.New(symbolize.Options{CacheDir: cache})
	frames, err := symbolizer.Resolve(path, "", addrs)
	require.NoError(t, err)
	requireSame(t, addrs, want, frames)
	require.Equal(t, 2, openFiles(t, dir), "the program and what it shares with the other")
	_, err = symbolizer.BuildIndex(path)
	require.NoError(t, err)
	assert.Equal(t, 1, openFiles(t, dir), "the index answers now")
	frames, err = symbolizer.Resolve(path, "", addrs)
	require.NoError(t, err)
	requireSame(t, addrs, want, frames)
	require.NoError(t, symbolizer.Close())
	assert.Zero(t, openFiles(t, dir))
}
