package symbolize_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/symbolize"
)

// With KeepOpened a module that is replaced on disk, or removed, answers as what
// still runs of it wants: lines, symbols and names, and also for addresses that
// were not asked before. TestStreamOutlivesARebuild of cmd/ffikit holds it
// against the originals.
func TestKeptOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prog")
	old, rebuilt := smallC(t), buildC(t, "small-O0", "gcc", "-g", "-O0")
	put := func(source string) {
		run(t, ".", "cp", source, path+".new")
		require.NoError(t, os.Rename(path+".new", path))
	}
	addrs := textAddrs(t, old, 1)
	want := uncached(t, old, addrs, symbolize.Options{})
	for i := range want {
		for j := range want[i] {
			want[i][j].Module = path
		}
	}
	settle(t, old)
	dir := filepath.Join(t.TempDir(), "cache")
	symbolizer := symbolize.New(symbolize.Options{KeepOpened: true, CacheDir: dir})
	defer symbolizer.Close()
	_, err := symbolizer.Resolve(path, "", addrs[:1])
	require.ErrorIs(t, err, os.ErrNotExist, "what could not be opened is looked for again")

	put(old)
	half := len(addrs) / 2
	ask := func(from, to int) {
		t.Helper()
		for ; from < to; from += 60 { // few enough for answers to be kept
			end := min(from+60, to)
			frames, err := symbolizer.Resolve(path, "", addrs[from:end])
			require.NoError(t, err)
			requireSame(t, addrs[from:end], want[from:end], frames)
		}
	}
	ask(0, half)
	put(rebuilt)
	ask(0, len(addrs))
	require.NoError(t, os.Remove(path))
	ask(0, len(addrs))
	file, err := symbolizer.File(path, "")
	require.NoError(t, err)
	assert.Equal(t, buildID(t, old), file.BuildID())
	var names []string
	require.NoError(t, symbolizer.Each(path, "", addrs[:1], func(int, []model.Frame) {
		require.NoError(t, file.EachSymbol(func(s object.Symbol) bool {
			names = append(names, s.Name)
			return true
		}))
	}))
	assert.Contains(t, names, "outer")

	put(rebuilt)
	require.NoError(t, symbolizer.Close())
	file, err = symbolizer.File(path, "")
	require.NoError(t, err)
	assert.Equal(t, buildID(t, rebuilt), file.BuildID(), "another use of the Symbolizer")
}

// File gives what answers, and fails where Each does.
func TestFileOfAModule(t *testing.T) {
	path := smallC(t)
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	_, err := symbolizer.File(path+"-not", "")
	assert.ErrorIs(t, err, os.ErrNotExist)
	var mismatch *symbolize.MismatchError
	_, err = symbolizer.File(path, "abcd")
	assert.ErrorAs(t, err, &mismatch)
	file, err := symbolizer.File(path, buildID(t, path))
	require.NoError(t, err)
	assert.Equal(t, path, file.Path())

	// Of a module that is not here, its debug file.
	tree := t.TempDir()
	id := buildID(t, path)
	debug := filepath.Join(tree, ".build-id", id[:2], id[2:]+".debug")
	require.NoError(t, os.MkdirAll(filepath.Dir(debug), 0o755))
	run(t, ".", "cp", path, debug)
	elsewhere := symbolize.New(symbolize.Options{DebugDirs: []string{tree}})
	defer elsewhere.Close()
	file, err = elsewhere.File("/no/such/module", id)
	require.NoError(t, err)
	assert.Equal(t, debug, file.Path())
}
