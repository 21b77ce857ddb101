// Package ownfolder opens folders that are this process's user's alone. What lies
// in them is believed later: who can write there, or exchange the folder itself,
// says what functions are called.
package ownfolder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrRefused is a file or folder that is not its user's alone.
var ErrRefused = errors.New("refused")

// Permissions that a folder may be refused for.
const (
	// WritableByOthers leaves others to look.
	WritableByOthers fs.FileMode = 0o022
	// OpenToOthers lets nobody else in.
	OpenToOthers fs.FileMode = 0o077
)

// Open opens the folder dir, and makes it, and what leads to it, if it is not
// there. It is refused if it is a symbolic link, belongs to another user, or has
// one of the forbidden permissions. What goes by the Root goes by the folder that
// was looked at, whatever its name means by then. Errors do not name dir. The
// caller closes the Root.
func Open(dir string, forbidden fs.FileMode) (*os.Root, error) {
	if err := makeFolder(dir); err != nil {
		return nil, withoutPath(err)
	}
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("%w: it is no folder (%v)", ErrRefused, named.Mode().Type())
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := root.Stat(".")
	if err == nil && !os.SameFile(named, info) {
		err = fmt.Errorf("%w: it was exchanged", ErrRefused)
	}
	if err == nil {
		err = Check(info, forbidden)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// Check refuses what belongs to another user, or has one of the forbidden
// permissions. Where the system is none of Unix's, a user's folders are private
// by its own means.
func Check(info fs.FileInfo, forbidden fs.FileMode) error {
	owner, ok := ownerOf(info)
	open := info.Mode().Perm() & forbidden
	switch {
	case !ok:
		return nil
	case owner != os.Geteuid():
		return fmt.Errorf("%w: it belongs to user %d, not to %d", ErrRefused, owner, os.Geteuid())
	case open&WritableByOthers != 0:
		return fmt.Errorf("%w: others may write to it (mode %04o)", ErrRefused, info.Mode().Perm())
	case open != 0:
		return fmt.Errorf("%w: others may enter it (chmod 700 mends that)", ErrRefused)
	}
	return nil
}

// makeFolder makes dir and what leads to it. Root does not make it in the home
// of somebody else, who could not use it then.
func makeFolder(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if errors.Is(err, fs.ErrNotExist) && parent != filepath.Dir(parent) {
			continue
		}
		if err != nil {
			return err
		}
		if owner, ok := ownerOf(info); ok && os.Geteuid() == 0 && owner != 0 {
			return fmt.Errorf("%w: %s belongs to user %d, not to root", ErrRefused, parent, owner)
		}
		return os.MkdirAll(dir, 0o700)
	}
}

// withoutPath drops the path, which the caller's error has.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err)
	}
	return err
}
