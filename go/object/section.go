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
		old = ".zdebug_" + rest
	}
	for i := range f.sections {
		if s := &f.sections[i]; s.Name == name || old != "" && s.Name == old {
			return s, true
		}
	}
	return nil, false
}

// Data returns the contents of the section of that name, uncompressed; nil
// where there is none. The bytes are the caller's. Nothing is cached.
func (f *File) Data(name string) ([]byte, error) {
	s, ok := f.SectionNamed(name)
	if !ok {
		return nil, nil
	}
	return f.SectionData(s)
}

// SectionData returns the contents of s, uncompressed; nil for a section
// without contents. The bytes are the caller's.
func (f *File) SectionData(s *Section) ([]byte, error) {
	if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL || s.SizeBytes == 0 {
		return nil, nil
	}
	if s.SizeBytes > maxSectionBytes {
		return nil, f.NewError(int64(min(s.FileOffset, 1<<62)), ErrLimit, "section %s of %d bytes", s.Name, s.SizeBytes)
	}
	raw, err := f.readAt(s.FileOffset, s.SizeBytes, "section "+s.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Flags&elf.SHF_COMPRESSED != 0:
		return f.inflateStandard(s, raw)
	case strings.HasPrefix(s.Name, ".zdebug_") && bytes.HasPrefix(raw, []byte("ZLIB")):
		// The GNU form before SHF_COMPRESSED: "ZLIB" and the size, big-endian.
		if len(raw) < 12 {
			return nil, f.NewError(int64(s.FileOffset), ErrFormat, "section %s: compression header is cut off", s.Name)
		}
		return f.inflate(s, elf.COMPRESS_ZLIB, raw[12:], binary.BigEndian.Uint64(raw[4:]))
	}
	return raw, nil
}

// inflateStandard reads a section that starts with an Elf_Chdr.
func (f *File) inflateStandard(s *Section, raw []byte) ([]byte, error) {
	headerSize := 12
	if f.is64 {
		headerSize = 24
	}
	if len(raw) < headerSize {
		return nil, f.NewError(int64(s.FileOffset), ErrFormat, "section %s: compression header is cut off", s.Name)
	}
	r := f.fields(raw)
	kind := elf.CompressionType(r.u32())
	if f.is64 {
		r.skip(4) // ch_reserved
	}
	return f.inflate(s, kind, raw[headerSize:], r.word())
}

func (f *File) inflate(s *Section, kind elf.CompressionType, packed []byte, size uint64) ([]byte, error) {
	at := int64(s.FileOffset)
	// The claim is checked before a byte is allocated for it: a bomb is
	// refused by its header.
	if size > maxSectionBytes || size > maxExpansion*uint64(len(packed))+expansionSlackLen {
		return nil, f.NewError(at, ErrLimit, "section %s: %d bytes claim to be %d uncompressed", s.Name, len(packed), size)
	}
	var reader io.Reader
	switch kind {
	case elf.COMPRESS_ZLIB:
		z, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, f.NewError(at, ErrFormat, "section %s: %v", s.Name, err)
		}
		defer z.Close()
		reader = z
	case elf.COMPRESS_ZSTD:
		z, err := zstd.NewReader(bytes.NewReader(packed),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxSectionBytes), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, f.NewError(at, ErrFormat, "section %s: %v", s.Name, err)
		}
		defer z.Close()
		reader = z
	default:
		return nil, f.NewError(at, ErrFormat, "section %s: unknown compression %d", s.Name, kind)
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(reader, data); err != nil {
		return nil, f.NewError(at, ErrFormat, "section %s: uncompressed %d of %d bytes: %v", s.Name, n, size, err)
	}
	return data, nil
}
