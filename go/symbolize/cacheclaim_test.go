package symbolize_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

// damagedC is a program whose units all have lines but for one, whose version
// does not exist.
func damagedC(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "damaged")
	whole := build(t, "two-units", map[string]string{"main.c": "int more(int);\nint main(int n, char **v) { (void)v; return more(n); }\n", "more.c": "int more(int n) { return n * 3; }\n"},
		"gcc", "-g", "-O1", "-Wl,--build-id", "-o", "out", "main.c", "more.c")
	content, err := os.ReadFile(whole)
	require.NoError(t, err)
	reference, err := elf.Open(whole)
	require.NoError(t, err)
	defer reference.Close()
	info := reference.Section(".debug_info")
	require.NotNil(t, info)
	length := reference.ByteOrder.Uint32(content[info.Offset:])
	second := info.Offset + 4 + uint64(length)
	require.Less(t, second, info.Offset+info.Size)
	content[second+4] = 99
	require.NoError(t, os.WriteFile(path, content, 0o755))
	settle(t, path)
	return path
}

// claims lists the marks of indexes that are being made or could not be.
func claims(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.making"))
	require.NoError(t, err)
	return names
}

func modified(t *testing.T, name string) time.Time {
	t.Helper()
	info, err := os.Stat(name)
	require.NoError(t, err)
	return info.ModTime()
}

func age(t *testing.T, name string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by).Truncate(time.Second)
	require.NoError(t, os.Chtimes(name, at, at))
}

// An index that cannot be made is not tried again before a day is over: each try
// reads the whole file.
func TestFailedIndexIsNotTriedAgain(t *testing.T) {
	path, dir := damagedC(t), filepath.Join(t.TempDir(), "cache")
	addrs := textAddrs(t, path, 4)
	want := uncached(t, path, addrs, symbolize.Options{})
	use := func() { requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{})) }
	use()
	assert.Empty(t, claims(t, dir), "the first use does not try")
	use()
	require.Empty(t, indexes(t, dir))
	require.Len(t, claims(t, dir), 1)
	claim := claims(t, dir)[0]
	reason, err := os.ReadFile(claim)
	require.NoError(t, err)
	assert.Contains(t, string(reason), path)

	for _, still := range []time.Duration{time.Minute, symbolize.ClaimLifetime + time.Hour, symbolize.FailedLifetime - time.Hour} {
		age(t, claim, still)
		before := modified(t, claim)
		use()
		assert.Equal(t, before, modified(t, claim), "%v", still)
	}
	for _, again := range []time.Duration{symbolize.FailedLifetime + time.Hour, -10 * symbolize.FailedLifetime} {
		age(t, claim, again)
		before := modified(t, claim)
		use()
		assert.NotEqual(t, before, modified(t, claim), "%v", again)
	}
	// Nor does it hold up a stream.
	before := modified(t, claim)
	symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
	defer symbolizer.Close()
	for range 3 * symbolize.IndexCalls {
		_, err := symbolizer.Resolve(path, "", addrs[:1])
		require.NoError(t, err)
	}
	assert.Equal(t, before, modified(t, claim))

	// Who asks for it by name is told, and who clears the cache has it tried.
	_, err = symbolizer.BuildIndex(path)
	require.ErrorContains(t, err, "not indexed")
	cache, err := symbolize.OpenCache(dir, 0)
	require.NoError(t, err)
	defer cache.Close()
	_, err = cache.Clear()
	require.NoError(t, err)
	assert.Empty(t, claims(t, dir))
}

// While one process makes an index the others do without, and use it once it is
// there. A process that died over it is waited for no longer than an hour.
func TestIndexInTheMaking(t *testing.T) {
	path, dir := smallC(t), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := textAddrs(t, path, 4)
	want := uncached(t, path, addrs, symbolize.Options{})
	use := func() { requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{})) }
	use()
	seen, err := filepath.Glob(filepath.Join(dir, "*.seen"))
	require.NoError(t, err)
	require.Len(t, seen, 1)
	claim := strings.TrimSuffix(seen[0], ".seen") + ".making"
	require.NoError(t, os.WriteFile(claim, nil, 0o600))
	for range 3 {
		use()
	}
	assert.Empty(t, indexes(t, dir))
	symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
	defer symbolizer.Close()
	ask := func(times int) {
		for range times {
			frames, err := symbolizer.Resolve(path, "", addrs[:1])
			require.NoError(t, err)
			requireSame(t, addrs[:1], want[:1], frames)
		}
	}
	ask(symbolize.IndexCalls)
	assert.FileExists(t, claim)
	cache, err := symbolize.OpenCache(dir, 0)
	require.NoError(t, err)
	defer cache.Close()
	_, err = cache.Clear()
	require.NoError(t, err)
	assert.FileExists(t, claim, "it is being made")

	age(t, claim, symbolize.ClaimLifetime+time.Minute)
	ask(symbolize.IndexCalls)
	assert.Len(t, indexes(t, dir), 1)
	assert.Empty(t, claims(t, dir))
}

// Of many processes that start at once, one makes the index.
func TestHerdMakesOneIndex(t *testing.T) {
	path, dir := buildRust(t, "rust-O", "-O"), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := indexTestAddrs(t, path)
	cached(t, dir, path, addrs[:1], symbolize.Options{})
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			command := exec.Command(os.Args[0], "-test.run=^TestProcessHelper$", "-test.v")
			command.Env = append(os.Environ(), helperEnv+"="+path, helperEnv+"_DIR="+dir, helperEnv+"_ROUNDS=2")
			output, err := command.CombinedOutput()
			assert.NoError(t, err, "%s", output)
		})
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	made := map[string]bool{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Millisecond):
		}
		temps, err := filepath.Glob(filepath.Join(dir, "tmp-*"))
		require.NoError(t, err)
		for _, name := range temps {
			made[name] = true
		}
	}
	assert.Len(t, indexes(t, dir), 1)
	assert.Empty(t, claims(t, dir))
	assert.LessOrEqual(t, len(made), 1)
}

// Times that a wrong clock left neither keep an entry for ever nor stop the sweep.
func TestTimesToCome(t *testing.T) {
	path, dir, addrs, want := indexed(t)
	name := indexes(t, dir)[0]
	const years = -10 * 365 * 24 * time.Hour
	age(t, name, years)
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	assert.Less(t, modified(t, name), time.Now().Add(time.Hour), "used now")

	cache, err := symbolize.OpenCache(dir, 1000)
	require.NoError(t, err)
	defer cache.Close()
	put := func(name string, size int, ago time.Duration) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, make([]byte, size), 0o600))
		age(t, name, ago)
		return name
	}
	require.NoError(t, os.Remove(name))
	used, wrong := put(strings.Repeat("1", 32)+".map", 600, time.Hour), put(strings.Repeat("2", 32)+".map", 600, years)
	written, left := put("tmp-1-a", 10, -time.Second), put("tmp-2-b", 10, years)
	forgotten, claim := put(strings.Repeat("3", 32)+".seen", 1, years), put(strings.Repeat("3", 32)+".making", 0, years)
	put("swept", 0, years)
	other := buildC(t, "gcc-O0", "gcc", "-gdwarf-5", "-O0")
	settle(t, other)
	cached(t, dir, other, []model.VirtAddr{0}, symbolize.Options{CacheBytes: 1000})
	for _, stays := range []string{used, written} {
		assert.FileExists(t, stays)
	}
	for _, goes := range []string{wrong, left, forgotten, claim} {
		assert.NoFileExists(t, goes)
	}
}
