package object

import (
	"bytes"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
)

// DefaultDebugDirs are searched for separate debug files.
var DefaultDebugDirs = []string{"/usr/lib/debug"}

// DebugLink names a separate debug file (.gnu_debuglink).
type DebugLink struct {
	// Name is a file name without folder, CRC the IEEE CRC-32 of the whole
	// debug file.
	Name string
	CRC  uint32
}

// DebugLink returns the file's debug link; ok is false where there is none.
func (f *File) DebugLink() (link DebugLink, ok bool, err error) {
	data, err := f.Data(".gnu_debuglink")
	if err != nil || data == nil {
		return DebugLink{}, false, err
	}
	end := bytes.IndexByte(data, 0)
	crcAt := int(align4(uint64(end + 1)))
	if end <= 0 || crcAt+4 > len(data) {
		return DebugLink{}, false, f.NewError(0, ErrFormat, "section .gnu_debuglink")
	}
	name := string(data[:end])
	// The name is a stranger's: it must not lead out of the folders searched.
	if strings.ContainsRune(name, '/') || name == "." || name == ".." {
		return DebugLink{}, false, f.NewError(0, ErrFormat, "debug link %q is not a plain file name", name)
	}
	return DebugLink{Name: name, CRC: f.order.Uint32(data[crcAt:])}, true, nil
}

// OpenDebugFile finds and opens the separate debug file of f: by build ID
// below dirs, then by debug link beside f, in .debug, and below dirs. Only a
// file of the same build is taken: the same build ID, or, where f has none,
// the CRC that the link names. The caller closes it. Without such a file the
// error is ErrNoDebugFile. dirs nil means DefaultDebugDirs.
func (f *File) OpenDebugFile(dirs []string) (*File, error) {
	if dirs == nil {
		dirs = DefaultDebugDirs
	}
	if debug, err := OpenByBuildID(f.buildID, dirs); err == nil {
		if f.info == nil || !debug.SameFile(f.info) {
			return debug, nil
		}
		debug.Close()
	}
	link, ok, err := f.DebugLink()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{Path: f.path, Err: ErrNoDebugFile}
	}
	folder, err := filepath.Abs(filepath.Dir(f.path))
	if err != nil {
		return nil, openError(f.path, err)
	}
	candidates := []string{filepath.Join(folder, link.Name), filepath.Join(folder, ".debug", link.Name)}
	for _, dir := range dirs {
		candidates = append(candidates, filepath.Join(dir, folder, link.Name))
	}
	for _, path := range candidates {
		if debug, err := f.openLinked(path, link); err == nil {
			return debug, nil
		}
	}
	return nil, &Error{Path: f.path, Reason: "debug link " + link.Name, Err: ErrNoDebugFile}
}

func (f *File) openLinked(path string, link DebugLink) (*File, error) {
	debug, err := Open(path)
	if err != nil {
		return nil, err
	}
	if f.info != nil && debug.SameFile(f.info) {
		debug.Close()
		return nil, ErrNoDebugFile
	}
	if f.buildID != "" && debug.buildID == f.buildID {
		return debug, nil
	}
	if f.buildID == debug.buildID {
		sum, err := debug.crc()
		if err == nil && sum == link.CRC {
			return debug, nil
		}
	}
	debug.Close()
	return nil, ErrNoDebugFile
}

func (f *File) crc() (uint32, error) {
	hash := crc32.NewIEEE()
	n, err := io.Copy(hash, io.NewSectionReader(f.file, 0, f.size))
	if err == nil && n != f.size {
		err = ErrChanged
	}
	return hash.Sum32(), err
}

// OpenByBuildID opens the debug file of a build in a tree of the form
// DIR/.build-id/ab/cdef….debug. The caller closes it. Without such a file the
// error is ErrNoDebugFile. dirs nil means DefaultDebugDirs.
func OpenByBuildID(buildID string, dirs []string) (*File, error) {
	if dirs == nil {
		dirs = DefaultDebugDirs
	}
	if len(buildID) < 3 || strings.Trim(buildID, "0123456789abcdef") != "" {
		return nil, ErrNoDebugFile
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, ".build-id", buildID[:2], buildID[2:]+".debug")
		debug, err := Open(path)
		if err != nil {
			continue
		}
		if debug.buildID == buildID {
			return debug, nil
		}
		debug.Close()
	}
	return nil, &Error{Path: filepath.Join(".build-id", buildID), Err: ErrNoDebugFile}
}
