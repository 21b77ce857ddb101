package symbolize_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

func TestDefaultCacheDir(t *testing.T) {
	home := t.TempDir()
	for _, test := range []struct{ own, xdg, home, want string }{
		{"/own", "/xdg", home, "/own"},
		{"", "/xdg", home, "/xdg/ffikit"},
		{"", "relative", home, filepath.Join(home, ".cache", "ffikit")},
		{"", "", home, filepath.Join(home, ".cache", "ffikit")},
		{"", "", "", ""},
	} {
		t.Setenv("FFIKIT_CACHE_DIR", test.own)
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		dir, err := symbolize.DefaultCacheDir()
		assert.Equal(t, test.want, dir)
		assert.Equal(t, test.want == "", err != nil)
	}
}

// A folder that is not the user's own is not used, said so, and answered
// without.
func TestCacheOfOthersIsRefused(t *testing.T) {
	path := smallC(t)
	addrs := textAddrs(t, path, 16)
	want := uncached(t, path, addrs, symbolize.Options{})
	base := t.TempDir()
	type refusal struct {
		says string
		make func(dir string)
	}
	refusals := []refusal{
		{"others may write", func(dir string) { require.NoError(t, os.Mkdir(dir, 0o700)); require.NoError(t, os.Chmod(dir, 0o770)) }},
		{"others may write", func(dir string) { require.NoError(t, os.Mkdir(dir, 0o700)); require.NoError(t, os.Chmod(dir, 0o702)) }},
		{"no folder", func(dir string) { require.NoError(t, os.WriteFile(dir, nil, 0o600)) }},
		{"no folder", func(dir string) { require.NoError(t, os.Symlink(t.TempDir(), dir)) }},
	}
	if os.Geteuid() == 0 {
		refusals = append(refusals,
			refusal{"belongs to user 65534", func(dir string) {
				require.NoError(t, os.Mkdir(dir, 0o700))
				require.NoError(t, os.Chown(dir, 65534, 65534))
			}},
			refusal{"belongs to user 65534, not to root", func(dir string) { require.NoError(t, os.Chown(filepath.Dir(dir), 65534, 65534)) }})
	} else {
		_, err := symbolize.OpenCache("/usr", 0)
		require.ErrorIs(t, err, symbolize.ErrCacheRefused, "it is root's")
	}
	for _, test := range refusals {
		parent, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		dir := filepath.Join(parent, "cache")
		test.make(dir)
		symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
		for range 2 {
			frames, err := symbolizer.Resolve(path, "", addrs)
			require.NoError(t, err)
			requireSame(t, addrs, want, frames)
		}
		require.ErrorContains(t, symbolizer.CacheError(), test.says)
		require.ErrorIs(t, symbolizer.CacheError(), symbolize.ErrCacheRefused)
		assert.ErrorContains(t, symbolizer.CacheError(), dir)
		require.NoError(t, symbolizer.Close())
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		assert.Empty(t, files, test.says)
	}
}

// An index that others may write to is not read, though the folder is ours.
func TestIndexOfOthersIsRefused(t *testing.T) {
	path, dir, addrs, want := indexed(t)
	name := indexes(t, dir)[0]
	require.NoError(t, os.Chmod(name, 0o622))
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	info, err := os.Lstat(name)
	require.NoError(t, err)
	before := info.ModTime()
	// Made anew in its place.
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	info, err = os.Lstat(indexes(t, dir)[0])
	require.NoError(t, err)
	assert.True(t, info.ModTime().After(before))
}

// indexed is a program with an index in a cache.
func indexed(t testing.TB) (path, dir string, addrs []model.VirtAddr, want [][]model.Frame) {
	t.Helper()
	path, dir = filepath.Join(t.TempDir(), "prog"), filepath.Join(t.TempDir(), "cache")
	run(t, ".", "cp", smallC(t), path)
	settle(t, path)
	addrs = textAddrs(t, path, 1)
	want = uncached(t, path, addrs, symbolize.Options{})
	for range 2 {
		requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	}
	require.Len(t, indexes(t, dir), 1)
	return path, dir, addrs, want
}

// What cannot be written is told, and costs no answer.
func TestCacheThatCannotBeWritten(t *testing.T) {
	path := smallC(t)
	settle(t, path)
	addrs := textAddrs(t, path, 16)
	want := uncached(t, path, addrs, symbolize.Options{})
	t.Run("full", func(t *testing.T) {
		// A cache too small for any index is full from the start.
		dir := t.TempDir()
		symbolizer := symbolize.New(symbolize.Options{CacheDir: dir, CacheBytes: 100})
		defer symbolizer.Close()
		for range symbolize.IndexCalls + 1 {
			frames, err := symbolizer.Resolve(path, "", addrs)
			require.NoError(t, err)
			requireSame(t, addrs, want, frames)
		}
		assert.ErrorContains(t, symbolizer.CacheError(), "larger than the cache")
		assert.Empty(t, indexes(t, dir))
		temps, _ := filepath.Glob(filepath.Join(dir, "tmp-*"))
		assert.Empty(t, temps)
	})
	t.Run("gone", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
		defer symbolizer.Close()
		_, err := symbolizer.Resolve(buildC(t, "gcc-O0", "gcc", "-gdwarf-5", "-O0"), "", addrs)
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(dir))
		for range symbolize.IndexCalls + 1 {
			frames, err := symbolizer.Resolve(path, "", addrs)
			require.NoError(t, err)
			requireSame(t, addrs, want, frames)
		}
		assert.ErrorIs(t, symbolizer.CacheError(), os.ErrNotExist)
	})
}

func TestDamagedIndexIsMadeAnew(t *testing.T) {
	path, dir, addrs, want := indexed(t)
	name := indexes(t, dir)[0]
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	for what, bad := range map[string][]byte{
		"empty": {}, "cut off": good[:len(good)-1], "another version": append(append([]byte{}, good[:8]...), append([]byte{99}, good[9:]...)...),
		"another format": []byte(strings.Repeat("no index ", 1000)), "a flipped bit in the data": flipped(good, len(good)/2),
		"a flipped bit in the header": flipped(good, 100),
	} {
		require.NoError(t, os.WriteFile(name, bad, 0o600))
		// All is read at once, so that the data's flipped bit is met.
		many := slices.Concat(slices.Repeat([][]model.VirtAddr{addrs}, 1+1000/len(addrs))...)
		wantMany := slices.Concat(slices.Repeat([][][]model.Frame{want}, 1+1000/len(addrs))...)
		symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
		for range 2 {
			frames, err := symbolizer.Resolve(path, "", many)
			require.NoError(t, err)
			requireSame(t, many, wantMany, frames)
		}
		assert.Error(t, symbolizer.CacheError(), what)
		require.NoError(t, symbolizer.Close())
		now, err := os.ReadFile(name)
		require.NoError(t, err, what)
		assert.Equal(t, good, now, "%s: made anew, the same", what)
	}
}

func flipped(data []byte, at int) []byte {
	data = append([]byte{}, data...)
	data[at] ^= 4
	return data
}

// A file that was changed is another one, also under its name, with its size
// and its times.
func TestChangedFileHasAnotherIndex(t *testing.T) {
	path, dir, addrs, _ := indexed(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	other := buildC(t, "small-other", "gcc", "-g", "-O2", "-DOTHER", "-fno-inline-functions")
	content, err := os.ReadFile(other)
	require.NoError(t, err)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	require.NoError(t, err)
	_, err = file.Write(content)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	time.Sleep(2 * symbolize.Settled)
	want := uncached(t, path, addrs, symbolize.Options{})
	for range 3 {
		requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	}
	assert.Len(t, indexes(t, dir), 2)
}

func TestLeastRecentlyUsedIsEvicted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	cache, err := symbolize.OpenCache(dir, 1000)
	require.NoError(t, err)
	defer cache.Close()
	now := time.Now()
	put := func(name string, size int, age time.Duration) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
		return path
	}
	key := func(digit string) string { return strings.Repeat(digit, 32) }
	newest, middle := put(key("1")+".map", 400, time.Minute), put(key("2")+".map", 300, time.Hour)
	old, oldest := put(key("3")+".map", 400, 48*time.Hour), put(key("4")+".map", 200, 72*time.Hour)
	writing, abandoned := put("tmp-1-a", 10, time.Minute), put("tmp-2-b", 10, symbolize.TempLifetime+time.Minute)
	seen, forgotten := put(key("5")+".seen", 1, time.Hour), put(key("6")+".seen", 1, symbolize.SeenLifetime+time.Hour)
	strange := put("precious.txt", 5000, 1000*time.Hour)
	cache.Sweep()
	for _, stays := range []string{newest, middle, oldest, writing, seen, strange} {
		assert.FileExists(t, stays)
	}
	for _, goes := range []string{old, abandoned, forgotten} {
		assert.NoFileExists(t, goes)
	}

	removed, err := cache.Clear()
	require.NoError(t, err)
	assert.Equal(t, 3, removed)
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{strange, writing}, names)
}

func TestMarksAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	cache, err := symbolize.OpenCache(dir, 0)
	require.NoError(t, err)
	defer cache.Close()
	for i := range symbolize.MaxSeen + 50 {
		name := filepath.Join(dir, strings.Repeat("0", 24)+"0000"+string("0123456789abcdef"[i>>12&15])+string("0123456789abcdef"[i>>8&15])+
			string("0123456789abcdef"[i>>4&15])+string("0123456789abcdef"[i&15])+".seen")
		require.NoError(t, os.WriteFile(name, []byte{'.'}, 0o600))
	}
	cache.Sweep()
	names, err := filepath.Glob(filepath.Join(dir, "*.seen"))
	require.NoError(t, err)
	assert.Len(t, names, symbolize.MaxSeen)
}

// Using an index keeps it from eviction.
func TestUseIsNoted(t *testing.T) {
	path, dir, addrs, want := indexed(t)
	name := indexes(t, dir)[0]
	long := time.Now().Add(-symbolize.TouchAfter - time.Hour)
	require.NoError(t, os.Chtimes(name, long, long))
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Less(t, time.Since(info.ModTime()), time.Hour)
}
