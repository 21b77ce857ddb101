package ownfolder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/ownfolder"
)

func TestOpenMakesTheFolder(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	for range 2 {
		root, err := ownfolder.Open(dir, ownfolder.OpenToOthers)
		require.NoError(t, err)
		require.NoError(t, root.Close())
	}
	for _, name := range []string{filepath.Dir(dir), dir} {
		info, err := os.Lstat(name)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeDir|0o700, info.Mode(), name)
	}
}

// What is opened stays the folder that was looked at.
func TestRootIsTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	root, err := ownfolder.Open(dir, ownfolder.OpenToOthers)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, os.Rename(dir, dir+"-moved"))
	require.NoError(t, os.Symlink(t.TempDir(), dir))
	require.NoError(t, root.WriteFile("entry", nil, 0o600))
	assert.FileExists(t, filepath.Join(dir+"-moved", "entry"))
}

func TestRefused(t *testing.T) {
	type refusal struct {
		name, says string
		forbidden  fs.FileMode
		make       func(t *testing.T, dir string)
	}
	folder := func(mode fs.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.Chmod(dir, mode))
		}
	}
	refusals := []refusal{
		{"group may write", "others may write to it (mode 0770)", ownfolder.WritableByOthers, folder(0o770)},
		{"all may write", "others may write to it (mode 0702)", ownfolder.OpenToOthers, folder(0o702)},
		{"all may look", "others may enter it", ownfolder.OpenToOthers, folder(0o755)},
		{"a file", "it is no folder", ownfolder.WritableByOthers, func(t *testing.T, dir string) { require.NoError(t, os.WriteFile(dir, nil, 0o600)) }},
		{"a link to an own folder", "it is no folder", ownfolder.WritableByOthers, func(t *testing.T, dir string) { require.NoError(t, os.Symlink(t.TempDir(), dir)) }},
		{"a link to nowhere", "it is no folder", ownfolder.WritableByOthers, func(t *testing.T, dir string) { require.NoError(t, os.Symlink("/no/such", dir)) }},
	}
	if os.Geteuid() == 0 {
		foreign := func(dir func(string) string) func(*testing.T, string) {
			return func(t *testing.T, name string) { require.NoError(t, os.Chown(dir(name), 65534, 65534)) }
		}
		refusals = append(refusals,
			refusal{"of another", "it belongs to user 65534, not to 0", ownfolder.WritableByOthers, func(t *testing.T, dir string) {
				folder(0o700)(t, dir)
				foreign(func(dir string) string { return dir })(t, dir)
			}},
			refusal{"in another's home", "belongs to user 65534, not to root", ownfolder.WritableByOthers, foreign(filepath.Dir)})
	}
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			test.make(t, dir)
			_, err := ownfolder.Open(dir, test.forbidden)
			require.ErrorIs(t, err, ownfolder.ErrRefused)
			assert.ErrorContains(t, err, test.says)
		})
	}
	// Looking is not writing.
	dir := filepath.Join(t.TempDir(), "cache")
	folder(0o755)(t, dir)
	root, err := ownfolder.Open(dir, ownfolder.WritableByOthers)
	require.NoError(t, err)
	require.NoError(t, root.Close())
	_, err = ownfolder.Open(filepath.Join("/dev/null", "cache"), ownfolder.WritableByOthers)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "/dev/null")
}
