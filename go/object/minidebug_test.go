package object_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// withMini makes a stripped copy of path that carries its function symbols as
// the distributions do (GDB's manual, "MiniDebugInfo"); mini is what xz packed.
func withMini(t testing.TB, path string, xz ...string) (stripped, mini string) {
	t.Helper()
	dir := t.TempDir()
	mini, stripped = filepath.Join(dir, "mini"), filepath.Join(dir, "stripped")
	run(t, dir, "objcopy", "--only-keep-debug", path, "debug")
	run(t, dir, "objcopy", "-S", "--remove-section", ".gdb_index", "--remove-section", ".comment",
		"--keep-symbol=hidden", "debug", mini)
	run(t, dir, "strip", "-o", stripped, path)
	packWith(t, stripped, mini, xz...)
	return stripped, mini
}

// packWith adds the section to the ELF file at path.
func packWith(t testing.TB, path, contents string, xz ...string) {
	t.Helper()
	packed := filepath.Join(t.TempDir(), "packed")
	run(t, ".", append([]string{"cp", contents, packed}, []string{}...)...)
	run(t, ".", append(append([]string{"xz", "-T1"}, xz...), packed)...)
	run(t, ".", "objcopy", "--remove-section=.gnu_debugdata", "--add-section=.gnu_debugdata="+packed+".xz", path)
}

func TestMiniDebugHasTheSymbolsThatWereStripped(t *testing.T) {
	path := sharedLibrary(t)
	hidden := nmFunctions(t, run(t, ".", "nm", "-S", path))["hidden"][0]
	require.NotZero(t, hidden)
	for _, options := range [][]string{
		nil, {"-0"}, {"-9e"}, {"--check=none"}, {"--check=crc32"}, {"--check=sha256"}, {"--block-size=2000"},
	} {
		stripped, mini := withMini(t, path, options...)
		file := open(t, stripped)
		table, err := file.FunctionSymbols()
		require.NoError(t, err)
		_, ok := table.Lookup(model.VirtAddr(hidden))
		require.False(t, ok)

		found, err := file.OpenMiniDebug()
		require.NoError(t, err, options)
		assert.Equal(t, stripped+"(.gnu_debugdata)", found.Path())
		assert.Equal(t, int64(len(must(os.ReadFile(mini)))), found.SizeBytes())
		content := make([]byte, found.SizeBytes())
		_, err = found.ReadAt(content, 0)
		require.NoError(t, err)
		assert.Equal(t, must(os.ReadFile(mini)), content)
		table, err = found.FunctionSymbols()
		require.NoError(t, err)
		symbol, ok := table.Lookup(model.VirtAddr(hidden + 1))
		assert.True(t, ok)
		assert.Equal(t, "hidden", symbol.Name)
		assert.NoError(t, found.Close())
	}
	_, err := open(t, path).OpenMiniDebug()
	assert.ErrorIs(t, err, object.ErrNoDebugFile)
}

func TestMiniDebugThatIsNoneIsRefused(t *testing.T) {
	path := sharedLibrary(t)
	raw := filepath.Join(t.TempDir(), "raw")
	for name, test := range map[string]struct {
		options []string
		want    error
		says    string
	}{
		"another filter":   {[]string{"--x86", "--lzma2"}, object.ErrFormat, "filters"},
		"large dictionary": {[]string{"--lzma2=dict=1GiB"}, object.ErrLimit, "dictionary"},
		"lzma":             {[]string{"--format=lzma", "--suffix=.xz"}, object.ErrFormat, "no xz stream"},
	} {
		require.NoError(t, os.WriteFile(raw, must(os.ReadFile(path)), 0o644))
		stripped := filepath.Join(t.TempDir(), "stripped")
		run(t, ".", "strip", "-o", stripped, path)
		packWith(t, stripped, raw, test.options...)
		_, err := open(t, stripped).OpenMiniDebug()
		assert.ErrorIs(t, err, test.want, name)
		assert.ErrorContains(t, err, test.says, name)
		assert.ErrorContains(t, err, stripped)
	}
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "script": "#!/bin/sh\n", "core": "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x04\x00" + strings.Repeat("\x00", 60),
	} {
		require.NoError(t, os.WriteFile(raw, []byte(content), 0o644))
		stripped := filepath.Join(t.TempDir(), "stripped")
		run(t, ".", "strip", "-o", stripped, path)
		packWith(t, stripped, raw)
		_, err := open(t, stripped).OpenMiniDebug()
		assert.ErrorContains(t, err, stripped, name)
		assert.ErrorIs(t, err, object.ErrNotELF, name)
	}
}

func TestMiniDebugBombIsRefusedBeforeItGoesOff(t *testing.T) {
	dir := t.TempDir()
	zeros, err := os.Create(filepath.Join(dir, "zeros"))
	require.NoError(t, err)
	require.NoError(t, zeros.Truncate(260<<20))
	require.NoError(t, zeros.Close())
	stripped := filepath.Join(dir, "stripped")
	run(t, dir, "strip", "-o", stripped, sharedLibrary(t))
	packWith(t, stripped, filepath.Join(dir, "zeros"), "-0")
	file := open(t, stripped)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = file.OpenMiniDebug()
	runtime.ReadMemStats(&after)
	assert.ErrorIs(t, err, object.ErrLimit)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

func TestDamagedMiniDebugIsAnError(t *testing.T) {
	stripped, mini := withMini(t, sharedLibrary(t))
	want := must(os.ReadFile(mini))
	content := must(os.ReadFile(stripped))
	start := bytes.Index(content, []byte("\xfd7zXZ\x00"))
	end := bytes.LastIndex(content, []byte("YZ"))
	require.Positive(t, start)
	require.Greater(t, end, start)
	for at := start; at < end+2; at++ {
		damaged := bytes.Clone(content)
		damaged[at] ^= 0x20
		file, err := object.NewFile("damaged", bytes.NewReader(damaged), int64(len(damaged)))
		require.NoError(t, err)
		found, err := file.OpenMiniDebug()
		if err == nil { // only what does not count, such as padding
			got := make([]byte, found.SizeBytes())
			_, _ = found.ReadAt(got, 0)
			assert.Equal(t, want, got, "byte %d", at-start)
			continue
		}
		assert.ErrorContains(t, err, "damaged")
	}
}

func BenchmarkMiniDebug(b *testing.B) {
	path, _ := withMini(b, sharedLibrary(b))
	file := open(b, path)
	b.ReportAllocs()
	for b.Loop() {
		found, err := file.OpenMiniDebug()
		require.NoError(b, err)
		b.SetBytes(found.SizeBytes())
	}
}
