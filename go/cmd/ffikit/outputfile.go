package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// outputFile is a file that a verb was asked to write. It comes into being
// whole and at the end: until then what stood there stays.
type outputFile struct {
	path  string
	force bool
	temp  *os.File
	// inPlace: path is no regular file (/dev/null, a pipe) and is written to
	// as it is.
	inPlace bool
}

// newOutputFile checks that path can be written, before the work that leads to
// it is done. What exists is replaced only by force.
func newOutputFile(path string, force bool) (*outputFile, error) {
	output := &outputFile{path: path, force: force}
	info, err := os.Stat(path)
	switch {
	case err == nil && !force:
		return nil, fmt.Errorf("%s exists: remove it, or say --force", path)
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder", path)
	case err == nil && !info.Mode().IsRegular():
		output.inPlace = true
		output.temp, err = os.OpenFile(path, os.O_WRONLY, 0)
		return output, err
	case err == nil:
		// A link stays a link: what it points to is replaced.
		if output.path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	name := fmt.Sprintf("%s.ffikit-%d", output.path, os.Getpid())
	output.temp, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return output, err
}

// commit writes the file.
func (o *outputFile) commit(write func(io.Writer) error) error {
	err := errors.Join(write(o.temp), o.temp.Close())
	if err != nil || o.inPlace {
		o.discard()
		return err
	}
	defer o.discard()
	if o.force {
		return os.Rename(o.temp.Name(), o.path)
	}
	// Unlike a rename, a link fails where somebody else made the file meanwhile.
	return os.Link(o.temp.Name(), o.path)
}

// discard gives up what was not committed.
func (o *outputFile) discard() {
	o.temp.Close()
	if !o.inPlace {
		os.Remove(o.temp.Name())
	}
}
