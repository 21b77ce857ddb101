package dwarf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/object"
)

func TestCompilationDirs(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	var objects []string
	for name, text := range map[string]string{"one": "int two(void); int main(void) { return two(); }", "two": "int two(void) { return 0; }"} {
		dir := filepath.Join(root, name)
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.c"), []byte(text), 0o644))
		build := exec.Command("gcc", "-g", "-c", "x.c")
		build.Dir = dir
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
		objects = append(objects, filepath.Join(dir, "x.o"))
	}
	out, err := exec.Command("gcc", append(objects, "-o", filepath.Join(root, "out"))...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	file, err := object.Open(filepath.Join(root, "out"))
	require.NoError(t, err)
	defer file.Close()
	data, err := dwarf.New(file)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{filepath.Join(root, "one"), filepath.Join(root, "two")}, data.CompilationDirs(10))
	assert.Len(t, data.CompilationDirs(1), 1)
}
