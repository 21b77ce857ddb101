package debuginfod_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/debuginfod"
)

func TestDefaultFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	f := build(t, "by default")
	full, _ := deliver(t, f)
	c, err := debuginfod.New(debuginfod.Options{Servers: []string{full}})
	require.NoError(t, err)
	defer c.Close()
	path, err := c.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(home, "ffikit", "debuginfod", f.buildID, "debuginfo"), path)
	for name, mode := range map[string]os.FileMode{"ffikit": 0o700, "ffikit/debuginfod": 0o700, "ffikit/debuginfod/" + f.buildID: 0o700,
		"ffikit/debuginfod/" + f.buildID + "/debuginfo": 0o600} {
		info, err := os.Stat(filepath.Join(home, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}
}

func TestFolderOfOthersIsRefused(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o777))
	require.NoError(t, os.Chmod(open, 0o777))
	_, err := debuginfod.New(debuginfod.Options{Folder: open})
	require.ErrorIs(t, err, debuginfod.ErrFolder)
	assert.ErrorContains(t, err, open)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = debuginfod.New(debuginfod.Options{Folder: file})
	require.Error(t, err)

	// A link leads where somebody else wants, also to a folder of the user's.
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	_, err = debuginfod.New(debuginfod.Options{Folder: link})
	require.ErrorIs(t, err, debuginfod.ErrFolder)
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(home, "ffikit")))
	_, err = debuginfod.New(debuginfod.Options{})
	require.ErrorIs(t, err, debuginfod.ErrFolder, "the folder of all caches")

	if os.Geteuid() == 0 {
		foreign := filepath.Join(t.TempDir(), "foreign")
		require.NoError(t, os.Mkdir(foreign, 0o700))
		require.NoError(t, os.Chown(foreign, 65534, 65534))
		_, err = debuginfod.New(debuginfod.Options{Folder: foreign})
		require.ErrorIs(t, err, debuginfod.ErrFolder)
	}
}

// What lies in the cache is looked at again before it is used, and a link in it
// leads nowhere.
func TestDamagedCache(t *testing.T) {
	f, other := build(t, "damaged"), build(t, "planted")
	full, requests := deliver(t, f)
	cache := filepath.Join(t.TempDir(), "cache")
	path := filepath.Join(cache, f.buildID, "debuginfo")
	fetch := func() {
		t.Helper()
		got, err := client(t, debuginfod.Options{Servers: []string{full}, Folder: cache}).Fetch(t.Context(), f.buildID)
		require.NoError(t, err)
		require.Equal(t, path, got)
		text, err := os.ReadFile(got)
		require.NoError(t, err)
		require.Equal(t, f.bytes, text)
		info, err := os.Lstat(got)
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular())
	}
	fetch()
	for name, damage := range map[string]func(){
		"cut off":       func() { require.NoError(t, os.Truncate(path, 1000)) },
		"another build": func() { require.NoError(t, os.WriteFile(path, other.bytes, 0o600)) },
		"a link":        func() { require.NoError(t, os.Remove(path)); require.NoError(t, os.Symlink(other.debug, path)) },
	} {
		t.Run(name, func(t *testing.T) {
			before := requests.Load()
			damage()
			fetch()
			assert.Equal(t, before+1, requests.Load())
		})
	}
	untouched, err := os.ReadFile(other.debug)
	require.NoError(t, err)
	assert.Equal(t, other.bytes, untouched)
}

// A debug file keeps its times when it is used: an index of it is known by them.
func TestUseKeepsTheFilesTimes(t *testing.T) {
	f := build(t, "timeless")
	full, _ := deliver(t, f)
	cache := filepath.Join(t.TempDir(), "cache")
	opts := debuginfod.Options{Servers: []string{full}, Folder: cache}
	path, err := client(t, opts).Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	before, err := os.Stat(path)
	require.NoError(t, err)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Dir(path), old, old))

	_, err = client(t, opts).Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
	assert.Equal(t, before.ModTime(), after.ModTime())
	folder, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	assert.Greater(t, folder.ModTime(), old.Add(time.Minute), "its folder tells when it was used")
}

func TestEviction(t *testing.T) {
	builds := []fixture{build(t, "one"), build(t, "two"), build(t, "three"), build(t, "four")}
	full, _ := deliver(t, builds...)
	cache := filepath.Join(t.TempDir(), "cache")
	size := int64(len(builds[0].bytes))
	opts := debuginfod.Options{Servers: []string{full}, Folder: cache, MaxCacheBytes: 2*size + size/2}
	used := func(i int, ago time.Duration) {
		at := time.Now().Add(-ago)
		require.NoError(t, os.Chtimes(filepath.Join(cache, builds[i].buildID), at, at))
	}
	fetch := func(i int) {
		_, err := client(t, opts).Fetch(t.Context(), builds[i].buildID)
		require.NoError(t, err)
	}
	fetch(0)
	used(0, 3*time.Hour)
	fetch(1)
	used(1, 2*time.Hour)
	fetch(0) // used again: now the second is the oldest
	// What a killed download left goes too; a stranger's file stays.
	left := filepath.Join(cache, builds[0].buildID, "part-LEFT")
	require.NoError(t, os.WriteFile(left, make([]byte, 100), 0o600))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(left, old, old))
	require.NoError(t, os.WriteFile(filepath.Join(cache, "note.txt"), []byte("mine"), 0o600))
	fetch(2)
	assert.ElementsMatch(t, []string{builds[0].buildID + "/debuginfo", builds[2].buildID + "/debuginfo", "note.txt"}, files(t, cache))

	// Of a time to come, which a wrong clock left, is what goes first.
	used(0, -1000*time.Hour)
	left = filepath.Join(cache, builds[2].buildID, "part-LEFT")
	require.NoError(t, os.WriteFile(left, make([]byte, 100), 0o600))
	future := time.Now().Add(1000 * time.Hour)
	require.NoError(t, os.Chtimes(left, future, future))
	used(2, time.Hour)
	fetch(1)
	assert.ElementsMatch(t, []string{builds[1].buildID + "/debuginfo", builds[2].buildID + "/debuginfo", "note.txt"}, files(t, cache))

	// A file that is larger than the cache is not taken at all.
	opts.MaxCacheBytes = size / 2
	_, err := client(t, opts).Fetch(t.Context(), builds[3].buildID)
	require.ErrorIs(t, err, debuginfod.ErrLimit)
}
