package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"strings"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// SectionNamed returns the first section of that name. For a .debug_ section
// the old spelling of a compressed one (.zdebug_) counts too.
func (f *File) SectionNamed(name string) (*Section, bool) {
	old := ""
	if rest, ok := strings.CutPrefix(name, ".debug_"); ok {
		old = rest
	}
	for i := range f.sections {
		if s := &f.sections[i]; s.Name == name || old != "" && strings.HasPrefix(s.Name, ".zdebug_") && s.Name[8:] == old {
			return s, true
		}
	}
	return nil, false
}

// Data returns the contents of the section of that name, as View does; nil
// where there is none. The bytes are the caller's.
func (f *File) Data(name string) ([]byte, error) {
	s, ok := f.SectionNamed(name)
	if !ok {
		return nil, nil
	}
	if f.typ != elf.ET_REL || !isDebugSection(s) {
		return f.SectionData(s)
	}
	view, err := f.View(name)
	if err != nil {
		return nil, err
	}
	if err := view.LoadAll(); err != nil {
		return nil, err
	}
	return bytes.Clone(view.Buffer()[:view.Len()]), nil
}

// SectionData returns the contents of s, uncompressed but not relocated; nil
// for a section without contents. The bytes are the caller's. Nothing is cached.
func (f *File) SectionData(s *Section) ([]byte, error) {
	if !s.hasContents() {
		return nil, nil
	}
	if err := f.checkSection(s); err != nil {
		return nil, err
	}
	packed, err := f.compressionOf(s)
	if err != nil {
		return nil, err
	}
	size := s.SizeBytes
	if packed.kind != 0 {
		size = packed.size
	}
	if size > maxAtOnceBytes {
		return nil, f.NewError(s.at(), ErrLimit, "section %s of %d bytes", s.Name, size)
	}
	data := make([]byte, size)
	if err := f.fill(data, s, packed); err != nil {
		return nil, err
	}
	return data, nil
}

func (s *Section) hasContents() bool {
	return s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && s.SizeBytes != 0
}

// at is the section's place in the file, for errors.
func (s *Section) at() int64 { return int64(min(s.FileOffset, 1<<62)) }

// checkSection checks what s claims against the limits and the file's length.
func (f *File) checkSection(s *Section) error {
	if s.SizeBytes > maxSectionBytes {
		return f.NewError(s.at(), ErrLimit, "section %s of %d bytes", s.Name, s.SizeBytes)
	}
	return f.checkExtent(s.FileOffset, s.SizeBytes, "section "+s.Name)
}

// compression tells how a section is compressed.
type compression struct {
	kind elf.CompressionType // 0: it is not
	size uint64              // uncompressed
	skip uint64              // length of the header
	// align is what the contents ask for.
	align uint64
}

// compressionOf reads the compression header of s, and refuses a claim that
// cannot be true before a byte is allocated for it.
func (f *File) compressionOf(s *Section) (compression, error) {
	var c compression
	switch {
	case s.Flags&elf.SHF_COMPRESSED != 0: // it starts with an Elf_Chdr
		c.skip = 12
		if f.is64 {
			c.skip = 24
		}
	case strings.HasPrefix(s.Name, ".zdebug_"):
		// The form before SHF_COMPRESSED: "ZLIB" and the size, big-endian.
		c.skip = 12
	default:
		return c, nil
	}
	head, err := f.readAt(s.FileOffset, min(c.skip, s.SizeBytes), "section "+s.Name)
	if err != nil {
		return c, err
	}
	standard := s.Flags&elf.SHF_COMPRESSED != 0
	if !standard && !bytes.HasPrefix(head, []byte("ZLIB")) {
		return compression{}, nil
	}
	if uint64(len(head)) < c.skip {
		return c, f.NewError(s.at(), ErrFormat, "section %s: compression header is cut off", s.Name)
	}
	if standard {
		r := f.fields(head)
		c.kind = elf.CompressionType(r.u32())
		if f.is64 {
			r.skip(4) // ch_reserved
		}
		c.size, c.align = r.word(), r.word()
	} else {
		c.kind, c.size, c.align = elf.COMPRESS_ZLIB, binary.BigEndian.Uint64(head[4:]), s.AlignBytes
	}
	if c.kind != elf.COMPRESS_ZLIB && c.kind != elf.COMPRESS_ZSTD {
		return c, f.NewError(s.at(), ErrFormat, "section %s: unknown compression %d", s.Name, c.kind)
	}
	packed := s.SizeBytes - c.skip
	most := min(maxExpansion*packed+expansionSlackLen, maxInflatedBytes+maxInflatedTimes*uint64(f.size))
	if max(packed, c.size) > maxAtOnceBytes || c.size > most {
		return c, f.NewError(s.at(), ErrLimit, "section %s: %d bytes claim to be %d uncompressed", s.Name, packed, c.size)
	}
	return c, nil
}

// fill puts the contents of s into data, which has their length.
func (f *File) fill(data []byte, s *Section, c compression) error {
	if len(data) == 0 {
		return nil
	}
	if c.kind == 0 {
		return f.readInto(data, s.FileOffset, "section "+s.Name)
	}
	packed, err := f.readAt(s.FileOffset+c.skip, s.SizeBytes-c.skip, "section "+s.Name)
	if err != nil {
		return err
	}
	n := 0
	if c.kind == elf.COMPRESS_ZLIB {
		n, err = unzlib(data, packed)
	} else {
		n, err = unzstd(data, packed)
	}
	if err != nil || n != len(data) {
		return f.NewError(s.at(), ErrFormat, "section %s: uncompressed %d of %d bytes: %v", s.Name, n, len(data), err)
	}
	return nil
}

func unzlib(data, packed []byte) (int, error) {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	return io.ReadFull(z, data)
}

// unzstd decompresses in one go: nothing is copied through a window.
func unzstd(data, packed []byte) (int, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxAtOnceBytes), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	whole, err := z.DecodeAll(packed, data[:0:len(data)])
	return len(whole), err
}
