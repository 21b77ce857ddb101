package object

import (
	"errors"
	"fmt"
)

// What can be wrong with a file, to be tested with errors.Is. A file that does
// not exist or may not be read gives fs.ErrNotExist and fs.ErrPermission.
var (
	// ErrNotRegular is a directory, FIFO, socket or device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotELF is a file of another format.
	ErrNotELF = errors.New("not an ELF file")
	// ErrFormat is an ELF file that contradicts itself or ends too early.
	ErrFormat = errors.New("malformed ELF file")
	// ErrLimit is a file that asks for more than the limits of this package.
	ErrLimit = errors.New("over the limit")
	// ErrChanged is a file that shrank while it was read.
	ErrChanged = errors.New("file changed while it was read")
	// ErrNoDebugFile means that no separate debug file was found.
	ErrNoDebugFile = errors.New("no separate debug file found")
)

// Error names the file and the offset of what went wrong.
type Error struct {
	Path        string
	OffsetBytes int64
	// Reason says what was expected; Err is one of the errors above or the
	// system's.
	Reason string
	Err    error
}

func (e *Error) Error() string {
	text := e.Path
	// What has no reason is the system's own error about the file as a whole.
	if e.Reason != "" {
		text = fmt.Sprintf("%s: offset 0x%x: %s", e.Path, e.OffsetBytes, e.Reason)
	}
	return text + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// NewError makes an error about a place in f, for the readers of what lies in
// its sections.
func (f *File) NewError(offset int64, kind error, format string, args ...any) error {
	return &Error{Path: f.path, OffsetBytes: offset, Reason: fmt.Sprintf(format, args...), Err: kind}
}
