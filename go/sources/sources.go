// Package sources reads single source lines for excerpts, from below given
// folders and from nowhere else.
//
// Which file is asked for is a stranger's choice: paths come out of logs. So
// a file is opened only if it is a regular file below one of the roots, no
// symbolic link on the way leads out of it (os.Root sees to that), and it is
// of bounded size; a named pipe or device is not even opened for reading.
// Whatever cannot be shown is simply not there: Line answers false.
package sources

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	// maxFileBytes bounds the files that are read. A generated file may be
	// larger; it then has no excerpt.
	maxFileBytes = 16 << 20
	// maxLineBytes bounds one answer; the rest of a longer line is left out.
	maxLineBytes = 64 << 10
	// maxCachedFiles bounds how many files are held. Reports come back to the
	// same few.
	maxCachedFiles = 8
)

// Folders reads lines of files below its roots. It is safe for concurrent use.
type Folders struct {
	roots []root

	mu    sync.Mutex // guards cache
	cache []cached   // most recently used last
}

type root struct {
	path string // absolute, cleaned
	dir  *os.Root
}

type cached struct {
	file string
	text []byte // nil: not readable
}

// Open makes Folders that reads below the given roots. Relative roots are
// taken from the working folder; a root that cannot be opened is left out,
// and its error joins the returned one, with Folders usable for the others.
func Open(roots ...string) (*Folders, error) {
	f := &Folders{}
	var firstErr error
	for _, path := range roots {
		absolute, err := filepath.Abs(path)
		if err == nil {
			var dir *os.Root
			if dir, err = os.OpenRoot(absolute); err == nil {
				f.roots = append(f.roots, root{absolute, dir})
			}
		}
		if err != nil && firstErr == nil {
			firstErr = err
		}
	}
	return f, firstErr
}

// Close gives the roots back.
func (f *Folders) Close() error {
	for _, r := range f.roots {
		r.dir.Close()
	}
	f.roots = nil
	return nil
}

// Line gives line n (from 1) of file without its line end. An absolute file
// must lie below a root; a relative one is looked for below each root in turn.
func (f *Folders) Line(file string, n int) (string, bool) {
	if n < 1 || file == "" || strings.ContainsRune(file, 0) {
		return "", false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.text(file)
	for ; n > 1; n-- {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return "", false
		}
		text = text[end+1:]
	}
	if len(text) == 0 {
		return "", false
	}
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		text = text[:end]
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	return string(text[:min(len(text), maxLineBytes)]), true
}

func (f *Folders) text(file string) []byte {
	for i, c := range f.cache {
		if c.file == file {
			f.cache = append(append(f.cache[:i:i], f.cache[i+1:]...), c)
			return c.text
		}
	}
	var text []byte
	for _, r := range f.roots {
		if read, ok := r.read(file); ok {
			text = read
			break
		}
	}
	if len(f.cache) >= maxCachedFiles {
		f.cache = f.cache[1:]
	}
	f.cache = append(f.cache, cached{file, text})
	return text
}

func (r root) read(file string) ([]byte, bool) {
	name := file
	if filepath.IsAbs(file) {
		relative, err := filepath.Rel(r.path, file)
		if err != nil {
			return nil, false
		}
		name = relative
	}
	if !filepath.IsLocal(name) {
		return nil, false
	}
	// Looked at before it is opened: opening a pipe waits for its writer, and
	// opening a device may act on it.
	if info, err := r.dir.Stat(name); err != nil || !isReadable(info) {
		return nil, false
	}
	opened, err := r.dir.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, false
	}
	defer opened.Close()
	// Looked at again: the name may stand for another file by now.
	if info, err := opened.Stat(); err != nil || !isReadable(info) {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(opened, maxFileBytes+1))
	if err != nil || len(text) > maxFileBytes {
		return nil, false
	}
	return text, true
}

func isReadable(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() <= maxFileBytes
}
