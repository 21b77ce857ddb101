package symbolize_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

func TestWhenAnIndexIsWorthIt(t *testing.T) {
	const small, large = 1 << 20, 600 << 20
	for _, test := range []struct {
		says  string
		usage symbolize.Usage
		want  bool
	}{
		{"first use, one address", symbolize.NewUsage(0, 1, 1, small), false},
		{"first use, many addresses", symbolize.NewUsage(0, 1, symbolize.IndexAddrs-1, small), false},
		{"first use, very many addresses", symbolize.NewUsage(0, 1, symbolize.IndexAddrs, large), true},
		{"second use, one address", symbolize.NewUsage(1, 1, 1, small), true},
		{"second use of a large file", symbolize.NewUsage(1, 1, 1, large), false},
		{"fourth use of a large file", symbolize.NewUsage(3, 1, 1, large), true},
		{"a stream", symbolize.NewUsage(0, symbolize.IndexCalls, symbolize.IndexCalls, small), true},
		{"a short stream", symbolize.NewUsage(0, symbolize.IndexCalls-1, symbolize.IndexCalls-1, small), false},
		{"a stream about a large file", symbolize.NewUsage(0, symbolize.IndexCalls, symbolize.IndexCalls, large), false},
		{"a long stream about a large file", symbolize.NewUsage(0, 3*symbolize.IndexCalls, 3*symbolize.IndexCalls, large), true},
		{"an endless file, used for ever", symbolize.NewUsage(64, 1, 1, 1<<62), true},
	} {
		assert.Equal(t, test.want, symbolize.WorthIndexing(test.usage), test.says)
	}
}

// One process that asks again and again makes an index, too.
func TestManyCallsMakeAnIndex(t *testing.T) {
	path, dir := smallC(t), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := textAddrs(t, path, 1)
	want := uncached(t, path, addrs, symbolize.Options{})
	symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
	defer symbolizer.Close()
	for i := range symbolize.IndexCalls + 5 {
		frames, err := symbolizer.Resolve(path, "", addrs[i:i+1])
		require.NoError(t, err)
		requireSame(t, addrs[i:i+1], want[i:i+1], frames)
		made := len(indexes(t, dir))
		if i < symbolize.IndexCalls-1 {
			require.Zero(t, made)
		} else {
			require.Equal(t, 1, made)
		}
	}
	require.NoError(t, symbolizer.CacheError())
}

func TestNoCacheLeavesNothing(t *testing.T) {
	path, dir := smallC(t), filepath.Join(t.TempDir(), "cache")
	addrs := textAddrs(t, path, 1)
	for range 3 {
		symbolizer := symbolize.New(symbolize.Options{CacheDir: dir, NoCache: true})
		_, err := symbolizer.Resolve(path, "", addrs)
		require.NoError(t, err)
		require.NoError(t, symbolizer.CacheError())
		require.NoError(t, symbolizer.Close())
	}
	assert.NoDirExists(t, dir)
}

// Damage met in the middle of a call costs the index, not the answers.
func TestDamageMetWhileAnswering(t *testing.T) {
	path, dir := buildRust(t, "rust-O", "-O"), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	addrs := indexTestAddrs(t, path)
	want := uncached(t, path, addrs, symbolize.Options{})
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
	name := indexes(t, dir)[0]
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, flipped(good, len(good)*2/3), 0o600))
	symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
	defer symbolizer.Close()
	for start := 0; start < len(addrs); start += 900 { // fewer than load the whole file
		end := min(start+900, len(addrs))
		frames, err := symbolizer.Resolve(path, "", addrs[start:end])
		require.NoError(t, err)
		requireSame(t, addrs[start:end], want[start:end], frames)
	}
	assert.Error(t, symbolizer.CacheError())
	now, err := os.ReadFile(indexes(t, dir)[0])
	require.NoError(t, err)
	assert.Len(t, now, len(good), "made anew")
	requireSame(t, addrs, want, cached(t, dir, path, addrs, symbolize.Options{}))
}

// An index is of the module and its debug file; either may change.
func TestIndexOfASeparateDebugFile(t *testing.T) {
	full, work := smallC(t), t.TempDir()
	module, debug, dir := filepath.Join(work, "prog"), filepath.Join(work, "prog.debug"), filepath.Join(work, "cache")
	run(t, work, "objcopy", "--only-keep-debug", full, debug)
	run(t, work, "strip", "-o", module, full)
	run(t, work, "objcopy", "--add-gnu-debuglink="+debug, module)
	settle(t, module)
	addrs := textAddrs(t, full, 1)
	opts := symbolize.Options{DebugDirs: []string{}}
	want := uncached(t, module, addrs, opts)
	for range 3 {
		answered := requireSame(t, addrs, want, cached(t, dir, module, addrs, opts))
		require.Greater(t, answered, len(addrs)/2)
	}
	require.Len(t, indexes(t, dir), 1)

	require.NoError(t, os.Remove(debug))
	want = uncached(t, module, addrs, opts)
	for range 3 {
		requireSame(t, addrs, want, cached(t, dir, module, addrs, opts))
	}
	assert.Len(t, indexes(t, dir), 1, "a module without debug information has none")

	run(t, work, "objcopy", "--only-keep-debug", "--compress-debug-sections=zlib", full, debug)
	settle(t, debug)
	want = uncached(t, module, addrs, opts)
	for range 3 {
		requireSame(t, addrs, want, cached(t, dir, module, addrs, opts))
	}
	assert.Len(t, indexes(t, dir), 2)
}

// Debug information is fetched when an address needs it, once, and must be of
// the build.
func TestFetchedDebugInformation(t *testing.T) {
	full, work := smallC(t), t.TempDir()
	module, debug, dir := filepath.Join(work, "prog"), filepath.Join(work, "fetched"), filepath.Join(work, "cache")
	run(t, work, "strip", "-o", module, full)
	run(t, work, "objcopy", "--only-keep-debug", full, debug)
	settle(t, debug)
	addrs := textAddrs(t, full, 1)
	want := uncached(t, full, addrs, symbolize.Options{})
	for i := range want {
		for j := range want[i] {
			want[i][j].Module = module
		}
	}
	calls := 0
	opts := symbolize.Options{DebugDirs: []string{}, CacheDir: dir, Fetch: func(id string) (string, error) {
		calls++
		assert.Equal(t, buildID(t, full), id)
		return debug, nil
	}}
	for round := range 3 {
		symbolizer := symbolize.New(opts)
		for range 3 {
			frames, err := symbolizer.Resolve(module, "", addrs)
			require.NoError(t, err)
			requireSame(t, addrs, want, frames)
		}
		assert.Equal(t, round+1, calls)
		require.NoError(t, symbolizer.Close())
	}
	assert.Len(t, indexes(t, dir), 1)

	// Not asked where lines are known, nor where no build is known.
	never := symbolize.Options{NoCache: true, DebugDirs: []string{}, Fetch: func(string) (string, error) {
		t.Error("not needed")
		return "", nil
	}}
	for _, path := range []string{full, buildGo(t, "go"), buildC(t, "nameless-stripped", "gcc", "-s", "-O2", "-Wl,--build-id=none")} {
		uncached(t, path, textAddrs(t, path, 64), never)
	}

	// One that fails, or brings another build, is as none.
	for _, fetch := range []func(string) (string, error){
		func(string) (string, error) { return "", errors.New("no network") },
		func(string) (string, error) { return buildGo(t, "go"), nil },
		func(string) (string, error) { return "/no/such/file", nil },
		func(string) (string, error) { return "", nil },
	} {
		symbolizer := symbolize.New(symbolize.Options{NoCache: true, DebugDirs: []string{}, Fetch: fetch})
		frames, err := symbolizer.Resolve(module, "", []model.VirtAddr{addrs[0]})
		if err == nil {
			assert.Empty(t, frames[0])
		}
		require.NoError(t, symbolizer.Close())
	}
}

// What a strip left in .gnu_debugdata, as Fedora does, names functions.
func TestMiniDebugInformation(t *testing.T) {
	full, work := smallC(t), t.TempDir()
	mini := filepath.Join(work, "prog")
	run(t, work, "sh", "-ec", `objcopy --strip-debug "$1" mini && xz -k mini && strip -o prog "$1" && objcopy --add-section .gnu_debugdata=mini.xz prog`, "sh", full)
	addrs := textAddrs(t, full, 1)
	symbolizer := symbolize.New(symbolize.Options{NoCache: true, DebugDirs: []string{}})
	defer symbolizer.Close()
	frames, err := symbolizer.Resolve(mini, "", addrs)
	require.NoError(t, err)
	named := 0
	for i, theirs := range llvmSymbolize(t, full, addrs) {
		if len(frames[i]) > 0 {
			require.Len(t, frames[i], 1)
			assert.Equal(t, theirs[len(theirs)-1].FunctionName, frames[i][0].Function, "%v", addrs[i])
			named++
		}
	}
	assert.Greater(t, named, len(addrs)*9/10)
	report := reportOf(model.Frame{Module: mini, BuildID: buildID(t, full), VirtAddr: addrs[0]})
	partial := symbolizer.Report(report)
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, ".gnu_debugdata")
}

// With SymbolNames the outermost frame is called what the symbol table calls
// it, as llvm-symbolizer does.
func TestSymbolNames(t *testing.T) {
	for _, path := range []string{
		buildC(t, "gcc-cold", "gcc", "-g", "-O2", "-freorder-blocks-and-partition"), buildCPP(t, "gcc-c++", "g++", "-g", "-O2"),
		buildRust(t, "rust-O", "-O"),
	} {
		addrs := textAddrs(t, path, 4)
		frames := uncached(t, path, addrs, symbolize.Options{SymbolNames: true})
		compared, differ := 0, 0
		for i, theirs := range llvmSymbolize(t, path, addrs) {
			if len(frames[i]) == 0 || theirs[0].FunctionName == "" {
				continue
			}
			ours, llvm := frames[i][len(frames[i])-1], theirs[len(theirs)-1]
			name := ours.LinkageName
			if name == "" {
				name = ours.Function
			}
			compared++
			if name != llvm.FunctionName {
				differ++
			}
		}
		assert.Greater(t, compared, len(addrs)/2)
		// Of two symbols at one address another may be chosen.
		assert.LessOrEqual(t, differ, compared/500)
	}
}

// Modules and their debug files are looked up below Root.
func TestRoot(t *testing.T) {
	full, root := smallC(t), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "opt"), 0o755))
	run(t, root, "cp", full, "opt/prog-1")
	require.NoError(t, os.Symlink("/opt/prog-1", filepath.Join(root, "opt", "prog")))
	addrs := textAddrs(t, full, 16)
	frames := uncached(t, "/opt/prog", addrs, symbolize.Options{Root: root})
	want := uncached(t, full, addrs, symbolize.Options{})
	for i := range want {
		for j := range want[i] {
			want[i][j].Module = "/opt/prog"
		}
	}
	requireSame(t, addrs, want, frames)
	symbolizer := symbolize.New(symbolize.Options{Root: root, NoCache: true})
	defer symbolizer.Close()
	_, err := symbolizer.Resolve(full, "", addrs)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// helperEnv makes the test binary a process that uses a cache.
const helperEnv = "SYMBOLIZE_TEST_HELPER"

// TestProcessHelper is run by TestManyProcesses.
func TestProcessHelper(t *testing.T) {
	path := os.Getenv(helperEnv)
	if path == "" {
		return
	}
	addrs := indexTestAddrs(t, path)
	want := uncached(t, path, addrs, symbolize.Options{})
	rounds, err := strconv.Atoi(os.Getenv(helperEnv + "_ROUNDS"))
	require.NoError(t, err)
	for range rounds {
		requireSame(t, addrs, want, cached(t, os.Getenv(helperEnv+"_DIR"), path, addrs, symbolize.Options{}))
	}
}

// Several processes make, replace and read one index at once.
func TestManyProcesses(t *testing.T) {
	path, dir := buildRust(t, "rust-O", "-O"), filepath.Join(t.TempDir(), "cache")
	settle(t, path)
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			command := exec.Command(os.Args[0], "-test.run=^TestProcessHelper$", "-test.v")
			command.Env = append(os.Environ(), helperEnv+"="+path, helperEnv+"_DIR="+dir, helperEnv+"_ROUNDS=6")
			output, err := command.CombinedOutput()
			assert.NoError(t, err, "%s", output)
			assert.Contains(t, string(output), "PASS: TestProcessHelper")
		})
	}
	// Meanwhile somebody clears it, again and again.
	cache, err := symbolize.OpenCache(dir, 0)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	cleared := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			removed, err := cache.Clear()
			assert.NoError(t, err)
			cleared += removed
		}
	}
	assert.Positive(t, cleared)
	require.NoError(t, cache.Close())
	temps, err := filepath.Glob(filepath.Join(dir, "tmp-*"))
	require.NoError(t, err)
	assert.Empty(t, temps)
}

// Nothing is allocated for an address, with and without an index.
func TestNothingIsAllocatedPerAddress(t *testing.T) {
	for _, path := range []string{buildRust(t, "rust-O", "-O"), buildGo(t, "go")} {
		settle(t, path)
		addrs := indexTestAddrs(t, path)
		for _, opts := range []symbolize.Options{{NoCache: true}, {CacheDir: filepath.Join(t.TempDir(), "cache")}} {
			symbolizer := symbolize.New(opts)
			frames := 0
			once := func() {
				assert.NoError(t, symbolizer.Each(path, "", addrs, func(_ int, found []model.Frame) { frames += len(found) }))
			}
			once()
			assert.Less(t, testing.AllocsPerRun(2, once), 1000.0)
			assert.Greater(t, frames, len(addrs))
			require.NoError(t, symbolizer.Close())
		}
	}
}

// One Symbolizer serves several threads from one index.
func TestManyThreadsAndAnIndex(t *testing.T) {
	path, dir, addrs, want := indexed(t)
	symbolizer := symbolize.New(symbolize.Options{CacheDir: dir})
	defer symbolizer.Close()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				at := 0
				err := symbolizer.Each(path, "", addrs, func(i int, frames []model.Frame) {
					assert.Equal(t, at, i)
					assert.Len(t, frames, len(want[i]))
					at++
				})
				assert.NoError(t, err)
			}
		})
	}
	wait.Wait()
	require.NoError(t, symbolizer.CacheError())
}
