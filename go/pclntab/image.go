package pclntab

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Segment is a contiguous piece of an Image.
type Segment struct {
	VirtAddr  model.VirtAddr
	SizeBytes uint64
	// Executable segments hold code. Their contents may be missing (nil): only
	// their extent is needed, unless the table lies in one.
	Executable, Writable bool
	// Contents starts with the segment; OffsetBytes is where that is in what
	// errors name.
	Contents    io.ReaderAt
	OffsetBytes uint64
}

// Image is a program in memory: its segments, relocated, in whatever numbering
// of addresses lookups shall use. An image may be a process's, a copy of it, or
// a core file's.
type Image struct {
	// Name stands in errors.
	Name     string
	Order    binary.ByteOrder
	AddrSize int // 4 or 8
	Segments []Segment

	// relative visits what the loader would write into the image; nil where it
	// has done so.
	relative func(visit func(place, value model.VirtAddr) bool) error
	// hints are addresses where the table may start, modules where its module
	// data may, to be tried first.
	hints, modules []model.VirtAddr
}

// fileImage sees a file as the loader will map it, at bias 0.
func fileImage(file *object.File) *Image {
	image := &Image{
		Name: file.Path(), Order: file.ByteOrder(), AddrSize: file.AddrSize(),
		relative: file.EachRelative,
	}
	for _, s := range file.Segments() {
		// No more than the file holds: a size is a claim.
		size := min(s.FileSize, uint64(file.SizeBytes())-min(s.FileOffset, uint64(file.SizeBytes())))
		if s.Type != elf.PT_LOAD || size == 0 {
			continue
		}
		image.Segments = append(image.Segments, Segment{
			VirtAddr: s.VirtAddr, SizeBytes: size,
			Executable: s.Flags&elf.PF_X != 0, Writable: s.Flags&elf.PF_W != 0,
			Contents: io.NewSectionReader(file, int64(s.FileOffset), int64(size)), OffsetBytes: s.FileOffset,
		})
	}
	// Go's linker makes a section for the table; before 1.26, where there are
	// relocations in it (PIE, c-shared), under the second name.
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if section, ok := file.SectionNamed(name); ok {
			image.hints = append(image.hints, section.VirtAddr)
		}
	}
	// Since Go 1.26 there is one for the module data as well.
	if section, ok := file.SectionNamed(".go.module"); ok {
		image.modules = append(image.modules, section.VirtAddr)
	}
	return image
}

// mayBeGo tells whether it is worth searching file. Files of others are told
// apart by what Go's linker leaves: its note (not with -buildid=) or one of its
// sections. Where section headers are gone too, only searching tells.
func mayBeGo(file *object.File) bool {
	if file.GoBuildID() != "" || len(file.Sections()) == 0 {
		return true
	}
	for _, name := range []string{".go.buildinfo", ".gopclntab", ".data.rel.ro.gopclntab", ".go.module"} {
		if _, ok := file.SectionNamed(name); ok {
			return true
		}
	}
	return false
}

// errorAt makes an error about an address of the image.
func (image *Image) errorAt(addr uint64, kind error, format string, args ...any) error {
	offset := addr
	if s := image.segmentAt(addr); s != nil {
		offset = s.OffsetBytes + addr - uint64(s.VirtAddr)
	}
	return &object.Error{
		Path: image.Name, OffsetBytes: int64(min(offset, 1<<62)), Err: kind,
		Reason: "Go function table: " + fmt.Sprintf(format, args...),
	}
}

// segmentAt returns the segment that holds addr, nil where none does.
func (image *Image) segmentAt(addr uint64) *Segment {
	for i := range image.Segments {
		if s := &image.Segments[i]; addr-uint64(s.VirtAddr) < s.SizeBytes && addr >= uint64(s.VirtAddr) {
			return s
		}
	}
	return nil
}

// holdsCode tells whether all of [start, end) lies in one executable segment.
func (image *Image) holdsCode(start, end uint64) bool {
	s := image.segmentAt(start)
	return s != nil && s.Executable && end >= start && end-uint64(s.VirtAddr) <= s.SizeBytes
}

// word decodes an address-sized number from the start of data.
func (image *Image) word(data []byte) uint64 {
	if image.AddrSize == 4 {
		return uint64(image.Order.Uint32(data))
	}
	return image.Order.Uint64(data)
}

// putWord is the opposite of word.
func (image *Image) putWord(data []byte, value uint64) {
	if image.AddrSize == 4 {
		image.Order.PutUint32(data, uint32(value))
		return
	}
	image.Order.PutUint64(data, value)
}

// stored reads count words at addr, as they are before relocation; nil where
// they reach out of their segment.
func (image *Image) stored(addr uint64, count int) ([]uint64, error) {
	size := uint64(count * image.AddrSize)
	s := image.segmentAt(addr)
	if s == nil || s.Contents == nil || s.SizeBytes-(addr-uint64(s.VirtAddr)) < size {
		return nil, nil
	}
	data := make([]byte, size)
	if _, err := s.Contents.ReadAt(data, int64(addr-uint64(s.VirtAddr))); err != nil && err != io.EOF {
		return nil, image.readError(addr, err)
	}
	words := make([]uint64, count)
	for i := range words {
		words[i] = image.word(data[i*image.AddrSize:])
	}
	return words, nil
}

// relocate does to words that are stored at addr what one relocation says.
func (image *Image) relocate(words []uint64, addr, place, value uint64) {
	size := uint64(image.AddrSize)
	if into := place - addr; place >= addr && into%size == 0 && into/size < uint64(len(words)) {
		words[into/size] = value
	}
}

// words reads count words at addr, as they are once relocated; nil where they
// reach out of their segment.
func (image *Image) words(addr uint64, count int) ([]uint64, error) {
	words, err := image.stored(addr, count)
	if err == nil && words != nil && image.relative != nil {
		err = image.relative(func(place, value model.VirtAddr) bool {
			image.relocate(words, addr, uint64(place), uint64(value))
			return true
		})
	}
	return words, err
}

// readError puts the place to an error of a segment's contents, unless it
// brings one.
func (image *Image) readError(addr uint64, err error) error {
	if _, located := err.(*object.Error); located {
		return err
	}
	return image.errorAt(addr, err, "cannot be read")
}
