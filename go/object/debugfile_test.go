package object_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

// split makes a stripped copy of path at dir/prog and its debug file at debug.
func split(t *testing.T, path, dir, debug string) string {
	t.Helper()
	prog := filepath.Join(dir, "prog")
	require.NoError(t, os.MkdirAll(filepath.Dir(debug), 0o755))
	run(t, ".", "objcopy", "--only-keep-debug", path, debug)
	run(t, ".", "objcopy", "--strip-all", "--add-gnu-debuglink="+debug, path, prog)
	return prog
}

func TestDebugFileByBuildID(t *testing.T) {
	path, tree := sharedLibrary(t), t.TempDir()
	id := open(t, path).BuildID()
	debug := filepath.Join(tree, ".build-id", id[:2], id[2:]+".debug")
	file := open(t, split(t, path, t.TempDir(), debug))
	assert.False(t, file.HasDebugInfo())

	found, err := file.OpenDebugFile([]string{filepath.Join(tree, "nothing"), tree})
	require.NoError(t, err)
	defer found.Close()
	assert.Equal(t, debug, found.Path())
	assert.True(t, found.HasDebugInfo())
	assert.Equal(t, id, found.BuildID())

	// A file of another build in its place is not taken.
	other := freestandingProgram(t)
	run(t, ".", "cp", other, debug)
	_, err = file.OpenDebugFile([]string{tree})
	assert.ErrorIs(t, err, object.ErrNoDebugFile)
}

func TestDebugFileByLink(t *testing.T) {
	withID, dirs := sharedLibrary(t), []string{}
	withoutID := compile(t, fixtureSource, "gcc", "-g", "-shared", "-fPIC", "-Wl,--build-id=none")
	for _, path := range []string{withID, withoutID} {
		for _, place := range []string{"", ".debug"} {
			dir := t.TempDir()
			debug := filepath.Join(dir, place, "prog.dbg")
			file := open(t, split(t, path, dir, debug))
			link, ok, err := file.DebugLink()
			require.NoError(t, err)
			require.True(t, ok)
			assert.Equal(t, "prog.dbg", link.Name)
			found, err := file.OpenDebugFile(dirs)
			require.NoError(t, err)
			assert.Equal(t, debug, found.Path())
			assert.NoError(t, found.Close())
		}
	}
	// Without a build ID only the CRC tells builds apart.
	dir := t.TempDir()
	debug := filepath.Join(dir, "prog.dbg")
	file := open(t, split(t, withoutID, dir, debug))
	content, err := os.ReadFile(debug)
	require.NoError(t, err)
	content[len(content)-1] ^= 1
	require.NoError(t, os.WriteFile(debug, content, 0o644))
	_, err = file.OpenDebugFile(dirs)
	assert.ErrorIs(t, err, object.ErrNoDebugFile)
}

func TestDebugLinkLeadsNowhereElse(t *testing.T) {
	path, dir := sharedLibrary(t), t.TempDir()
	prog := split(t, path, dir, filepath.Join(dir, "a_long_name.dbg"))
	content, err := os.ReadFile(prog)
	require.NoError(t, err)
	hostile := strings.Replace(string(content), "a_long_name.dbg", "../../../etc/ab", 1)
	require.NotEqual(t, string(content), hostile)
	require.NoError(t, os.WriteFile(prog, []byte(hostile), 0o644))
	_, _, err = open(t, prog).DebugLink()
	assert.ErrorIs(t, err, object.ErrFormat)
	_, err = open(t, prog).OpenDebugFile([]string{})
	assert.ErrorIs(t, err, object.ErrFormat)
}

func TestBuildIDIsNoPath(t *testing.T) {
	for _, id := range []string{"", "ab", "../../etc/passwd", "AB/../..", "zz00"} {
		_, err := object.OpenByBuildID(id, []string{"/"})
		assert.ErrorIs(t, err, object.ErrNoDebugFile, id)
	}
}
