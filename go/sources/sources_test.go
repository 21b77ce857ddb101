//go:build unix

package sources_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/sources"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func open(t *testing.T, roots ...string) *sources.Folders {
	t.Helper()
	folders, err := sources.Open(roots...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, folders.Close()) })
	return folders
}

func TestLine(t *testing.T) {
	root := t.TempDir()
	file := write(t, filepath.Join(root, "c/peek.c"), "first\nsecond\r\n\nlast")
	folders := open(t, root)
	for n, want := range map[int]string{1: "first", 2: "second", 3: "", 4: "last"} {
		for _, name := range []string{file, "c/peek.c", "c/../c/peek.c"} {
			got, ok := folders.Line(name, n)
			assert.True(t, ok, "%s:%d", name, n)
			assert.Equal(t, want, got)
		}
	}
	for _, n := range []int{-1, 0, 5, 1 << 30} {
		_, ok := folders.Line(file, n)
		assert.False(t, ok, "line %d", n)
	}
}

func TestLineBeyondManyFiles(t *testing.T) {
	root := t.TempDir()
	folders := open(t, root)
	for round := 0; round < 2; round++ {
		for i := 0; i < 30; i++ {
			name := strings.Repeat("x", i+1) + ".c"
			write(t, filepath.Join(root, name), name+"\n")
			got, ok := folders.Line(name, 1)
			assert.True(t, ok)
			assert.Equal(t, name, got)
		}
	}
}

// Nothing outside of the roots is opened, whatever the path says.
func TestNothingOutside(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "root")
	secret := write(t, filepath.Join(base, "secret.c"), "secret\n")
	write(t, filepath.Join(root, "own.c"), "own\n")
	write(t, filepath.Join(base, "root-sibling/s.c"), "secret\n")
	require.NoError(t, os.Symlink(secret, filepath.Join(root, "absolute.c")))
	require.NoError(t, os.Symlink("../secret.c", filepath.Join(root, "relative.c")))
	require.NoError(t, os.Symlink("..", filepath.Join(root, "up")))
	require.NoError(t, os.Symlink("loop.c", filepath.Join(root, "loop.c")))
	require.NoError(t, os.Symlink("own.c", filepath.Join(root, "inner.c")))
	folders := open(t, root)

	got, ok := folders.Line("inner.c", 1)
	assert.True(t, ok, "a link that stays below the root is followed")
	assert.Equal(t, "own", got)
	for _, file := range []string{
		secret, "../secret.c", "own/../../secret.c", filepath.Join(root, "../secret.c"), filepath.Join(root, "absolute.c"), "relative.c",
		"up/secret.c", "loop.c", filepath.Join(base, "root-sibling/s.c"), "/etc/passwd", "/proc/self/environ", "own.c\x00", "", ".", root,
	} {
		_, ok := folders.Line(file, 1)
		assert.False(t, ok, "%q", file)
	}
}

// A pipe must not hang, a device or directory not be read, a huge file not be
// loaded.
func TestOnlyRegularFilesOfBoundedSize(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "pipe.c"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(root, "folder.c"), 0o755))
	huge, err := os.Create(filepath.Join(root, "huge.c"))
	require.NoError(t, err)
	require.NoError(t, huge.Truncate(1<<40))
	require.NoError(t, huge.Close())
	write(t, filepath.Join(root, "long.c"), strings.Repeat("x", 1<<20))
	folders := open(t, root, "/dev")

	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, file := range []string{"pipe.c", "folder.c", "huge.c", "/dev/zero", "/dev/null", "zero"} {
			_, ok := folders.Line(file, 1)
			assert.False(t, ok, "%q", file)
		}
		line, ok := folders.Line("long.c", 1)
		assert.True(t, ok)
		assert.LessOrEqual(t, len(line), 64<<10)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("hangs")
	}
}

func TestOpenNamesTheRootThatIsMissing(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a.c"), "a\n")
	folders, err := sources.Open(filepath.Join(root, "missing"), root)
	require.ErrorContains(t, err, "missing")
	defer folders.Close()
	_, ok := folders.Line("a.c", 1)
	assert.True(t, ok, "the other roots are good")
}
