package object

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"io"
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
	data, err := f.linkData(".gnu_debuglink")
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

// DebugAltLink names the file that dwz moved common debug information to
// (.gnu_debugaltlink).
type DebugAltLink struct {
	// Path is absolute or relative to the folder of the file that has the
	// link; it may hold "..".
	Path string
	// BuildID is in lower-case hexadecimal.
	BuildID string
}

// DebugAltLink returns the file's alternate link; ok is false where there is
// none.
func (f *File) DebugAltLink() (link DebugAltLink, ok bool, err error) {
	data, err := f.linkData(".gnu_debugaltlink")
	if err != nil || data == nil {
		return DebugAltLink{}, false, err
	}
	end := bytes.IndexByte(data, 0)
	if end <= 0 || end+1 == len(data) || 2*(len(data)-end-1) > maxBuildIDDigits {
		return DebugAltLink{}, false, f.NewError(0, ErrFormat, "section .gnu_debugaltlink")
	}
	return DebugAltLink{Path: string(data[:end]), BuildID: hex.EncodeToString(data[end+1:])}, true, nil
}

// linkData returns a section that holds a path and a little more.
func (f *File) linkData(name string) ([]byte, error) {
	const maxLinkBytes = 1 << 13 // PATH_MAX twice
	s, ok := f.SectionNamed(name)
	if !ok || !s.hasContents() {
		return nil, nil
	}
	if s.SizeBytes > maxLinkBytes {
		return nil, f.NewError(s.at(), ErrLimit, "section %s of %d bytes", name, s.SizeBytes)
	}
	return f.SectionData(s)
}

// OpenDebugFile finds and opens the separate debug file of f, as
// Search.OpenDebugFile does. dirs nil means DefaultDebugDirs.
func (f *File) OpenDebugFile(dirs []string) (*File, error) {
	return (&Search{DebugDirs: dirs}).OpenDebugFile(f)
}

// OpenAltFile finds and opens the alternate debug file of f, as
// Search.OpenAltFile does. dirs nil means DefaultDebugDirs.
func (f *File) OpenAltFile(dirs []string) (*File, error) {
	return (&Search{DebugDirs: dirs}).OpenAltFile(f)
}

// OpenByBuildID opens the debug file of a build, as Search.OpenByBuildID does.
// dirs nil means DefaultDebugDirs.
func OpenByBuildID(buildID string, dirs []string) (*File, error) {
	return (&Search{DebugDirs: dirs}).OpenByBuildID(buildID)
}

func (f *File) crc() (uint32, error) {
	hash := crc32.NewIEEE()
	n, err := io.Copy(hash, io.NewSectionReader(f.file, 0, f.size))
	if err == nil && n != f.size {
		err = ErrChanged
	}
	return hash.Sum32(), err
}
