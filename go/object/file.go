package object

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/ffikit/ffikit/go/model"
)

// Machine and Type are the ELF header's e_machine and e_type.
type (
	Machine = elf.Machine
	Type    = elf.Type
)

// Segment is one program header. Offsets and sizes are in bytes.
type Segment struct {
	Type       elf.ProgType
	Flags      elf.ProgFlag
	FileOffset uint64
	VirtAddr   model.VirtAddr
	FileSize   uint64
	MemSize    uint64
}

// Section is one section header. FileOffset and SizeBytes are as stored: of
// the compressed data where the section is compressed. In a relocatable object
// VirtAddr is what the section was given when the file was opened.
type Section struct {
	Name       string
	Type       elf.SectionType
	Flags      elf.SectionFlag
	VirtAddr   model.VirtAddr
	FileOffset uint64
	SizeBytes  uint64
	Link, Info uint32
	AlignBytes uint64
	EntrySize  uint64
}

// File is one open ELF file. Its methods may be called from several threads;
// Close may not be called while others run.
type File struct {
	path string
	// below is the path below the root that the file was opened in, if any.
	below string
	file  io.ReaderAt
	// closer is nil where the bytes came from memory.
	closer io.Closer
	info   os.FileInfo
	size   int64

	order    binary.ByteOrder
	is64     bool
	typ      Type
	machine  Machine
	segments []Segment
	sections []Section

	buildID   string
	goBuildID string

	// viewsLock guards what follows: the Views given out, how many bytes their
	// sections have in the file and how many uncompressed.
	viewsLock     sync.Mutex
	views         map[*Section]*View
	viewedBytes   uint64
	inflatedBytes uint64

	// sectionPlaces are made by placesOnce.
	placesOnce    sync.Once
	sectionPlaces *sectionPlaces

	// linkage is of a relocatable object; made by linkOnce.
	linkOnce sync.Once
	linkage  *linkage
}

// Open opens the ELF file at path and reads its headers and build IDs. The
// caller closes it.
func Open(path string) (*File, error) {
	// Stat comes first: opening a device may already do something.
	info, err := os.Stat(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Path: path, Reason: fileKind(info.Mode()), Err: ErrNotRegular}
	}
	// O_NONBLOCK: what was a file a moment ago may be a FIFO by now.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	f, err := openHandle(path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

func openHandle(path string, file *os.File) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, openError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Path: path, Reason: fileKind(info.Mode()), Err: ErrNotRegular}
	}
	f := &File{path: path, file: file, closer: file, info: info, size: info.Size()}
	if err := f.readHeaders(); err != nil {
		return nil, err
	}
	return f, nil
}

// NewFile reads an ELF file of size bytes that lies in r; name stands in
// errors. r stays the caller's.
func NewFile(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{path: name, file: r, size: size}
	if err := f.readHeaders(); err != nil {
		return nil, err
	}
	return f, nil
}

func openError(path string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &Error{Path: path, Err: err}
}

func fileKind(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&os.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&os.ModeSocket != 0:
		return "a socket"
	case mode&os.ModeDevice != 0:
		return "a device"
	}
	return mode.Type().String()
}

// Close gives back the file. The File is of no use afterwards.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Path is the path that was opened, or the name given to NewFile.
func (f *File) Path() string { return f.path }

// SizeBytes is the file's length when it was opened.
func (f *File) SizeBytes() int64 { return f.size }

// BuildID is the GNU build ID in lower-case hexadecimal, empty if there is none.
func (f *File) BuildID() string { return f.buildID }

// GoBuildID is the Go linker's build ID, empty in files that it did not write.
func (f *File) GoBuildID() string { return f.goBuildID }

// Machine is the processor that the file is for.
func (f *File) Machine() Machine { return f.machine }

// Type is the kind of ELF file: ET_EXEC, ET_DYN (shared or position
// independent) or ET_REL.
func (f *File) Type() Type { return f.typ }

// ByteOrder is the file's own.
func (f *File) ByteOrder() binary.ByteOrder { return f.order }

// AddrSize is the size of an address in bytes, 4 or 8.
func (f *File) AddrSize() int {
	if f.is64 {
		return 8
	}
	return 4
}

// Segments are the program headers in file order; the slice is f's own.
func (f *File) Segments() []Segment { return f.segments }

// Sections are the section headers in file order; the slice is f's own.
func (f *File) Sections() []Section { return f.sections }

// PositionIndependent tells whether the file is loaded at any address.
func (f *File) PositionIndependent() bool { return f.typ == elf.ET_DYN }

// HasDebugInfo tells whether the file itself holds DWARF debug information.
func (f *File) HasDebugInfo() bool {
	for i := range f.sections {
		s := &f.sections[i]
		if s.Type != elf.SHT_NOBITS && s.SizeBytes > 0 &&
			(s.Name == ".debug_info" || s.Name == ".zdebug_info") {
			return true
		}
	}
	return false
}

// SameFile tells whether info is the file that f has open.
func (f *File) SameFile(info os.FileInfo) bool {
	return f.info != nil && os.SameFile(f.info, info) &&
		f.info.Size() == info.Size() && f.info.ModTime().Equal(info.ModTime())
}

// AddrRange is a range of addresses, End excluded.
type AddrRange struct{ Start, End model.VirtAddr }

// ExecRanges are the addresses that hold code: the executable sections, or,
// in a file without section headers, the executable segments.
func (f *File) ExecRanges() []AddrRange {
	var ranges []AddrRange
	add := func(start model.VirtAddr, size uint64) {
		if end := start + model.VirtAddr(size); end > start {
			ranges = append(ranges, AddrRange{start, end})
		}
	}
	for i := range f.sections {
		if s := &f.sections[i]; s.Flags&elf.SHF_EXECINSTR != 0 && s.Flags&elf.SHF_ALLOC != 0 {
			add(s.VirtAddr, s.SizeBytes)
		}
	}
	if len(ranges) > 0 {
		return ranges
	}
	for i := range f.segments {
		if s := &f.segments[i]; s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 {
			add(s.VirtAddr, s.MemSize)
		}
	}
	return ranges
}

// readAt returns size bytes from offset. The caller has checked size against
// its limit; readAt checks both against the file's length.
func (f *File) readAt(offset, size uint64, what string) ([]byte, error) {
	if err := f.checkExtent(offset, size, what); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if err := f.readInto(data, offset, what); err != nil {
		return nil, err
	}
	return data, nil
}

// checkExtent checks that size bytes from offset lie in the file.
func (f *File) checkExtent(offset, size uint64, what string) error {
	if offset > uint64(f.size) || size > uint64(f.size)-offset {
		return f.NewError(int64(min(offset, 1<<62)), ErrFormat,
			"%s of %d bytes reaches past the end of the file (%d bytes)", what, size, f.size)
	}
	return nil
}

// readInto fills data from offset, where the caller knows that the file had
// that many bytes: if they are gone the file changed.
func (f *File) readInto(data []byte, offset uint64, what string) error {
	n, err := f.file.ReadAt(data, int64(offset))
	if n == len(data) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return f.NewError(int64(offset)+int64(n), ErrChanged, "%s", what)
	}
	return f.NewError(int64(offset), err, "%s", what)
}

func foreignFormat(head []byte) string {
	has := func(magics ...string) bool {
		for _, magic := range magics {
			if strings.HasPrefix(string(head), magic) {
				return true
			}
		}
		return false
	}
	switch {
	case len(head) == 0:
		return "the file is empty"
	case has("MZ"):
		return "a PE (Windows) file; ffikit reads ELF only"
	case has("\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf"):
		return "a Mach-O (macOS) file; ffikit reads ELF only"
	case has("!<arch>\n", "!<thin>\n"):
		return "an ar archive; extract the object file first"
	case has("#!"):
		return "a script"
	}
	return "no ELF magic"
}
