package object

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
)

const (
	// maxMiniDebugBytes bounds .gnu_debugdata uncompressed: it holds symbols
	// only, a few megabytes in the largest programs.
	maxMiniDebugBytes = 256 << 20
	// maxDictionaryBytes is what xz -9 uses.
	maxDictionaryBytes = 64 << 20
)

// OpenMiniDebug opens the symbols that a stripped file carries in itself
// (.gnu_debugdata, "MiniDebugInfo"): an ELF file compressed with xz. Without
// such a section the error is ErrNoDebugFile. The result lies in memory and
// stays good when f is closed.
func (f *File) OpenMiniDebug() (*File, error) {
	const name = ".gnu_debugdata"
	section, ok := f.SectionNamed(name)
	if !ok || !section.hasContents() {
		return nil, &Error{Path: f.path, Reason: "no section " + name, Err: ErrNoDebugFile}
	}
	packed, err := f.SectionData(section)
	if err != nil {
		return nil, err
	}
	data, err := unxz(packed)
	if err != nil {
		return nil, f.NewError(section.at(), err, "section %s", name)
	}
	return NewFile(f.path+"("+name+")", bytes.NewReader(data), int64(len(data)))
}

// unxz decompresses one xz stream. What it claims is read and checked first, so
// that a bomb is refused before anything is allocated for it.
func unxz(packed []byte) ([]byte, error) {
	size, err := measureXZ(packed)
	if err != nil {
		return nil, err
	}
	reader, err := xz.ReaderConfig{DictCap: 1 << 16, SingleStream: true}.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(reader, data); err != nil {
		return nil, fmt.Errorf("%w: uncompressed %d of %d bytes: %v", ErrFormat, n, size, err)
	}
	// The checksum and the index follow the last byte.
	if n, err := reader.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("%w: after %d bytes: %v", ErrFormat, size, err)
	}
	return data, nil
}

// xzWalker goes through an xz stream (The .xz File Format 1.2.0) without
// decompressing: LZMA2 tells the lengths of each chunk, compressed or not.
type xzWalker struct {
	data []byte
	at   int
}

var errCut = fmt.Errorf("%w: the xz stream is cut off", ErrFormat)

// measureXZ returns how many bytes a stream has uncompressed, refusing one that
// has more than the limit or wants a dictionary that large.
func measureXZ(packed []byte) (int, error) {
	const headerSize = 12
	if !bytes.HasPrefix(packed, []byte("\xfd7zXZ\x00")) || len(packed) < headerSize {
		return 0, fmt.Errorf("%w: no xz stream", ErrFormat)
	}
	// The kind of check is in the low bits; sizes by kind, section 2.1.1.2.
	checkSize := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[packed[7]&15]
	w, total := &xzWalker{packed, headerSize}, 0
	for {
		first, err := w.next()
		if err != nil {
			return 0, err
		}
		if first == 0 { // the index follows
			return total, nil
		}
		if err := w.blockHeader(int(first)); err != nil {
			return 0, err
		}
		start := w.at
		size, err := w.chunks(maxMiniDebugBytes - total)
		if err != nil {
			return 0, err
		}
		total += size
		w.at += (4-(w.at-start)%4)%4 + checkSize
	}
}

func (w *xzWalker) next() (byte, error) {
	if w.at >= len(w.data) {
		return 0, errCut
	}
	w.at++
	return w.data[w.at-1], nil
}

// blockHeader checks a block header, whose first byte was read: LZMA2 as its
// only filter, and the size of the dictionary.
func (w *xzWalker) blockHeader(first int) error {
	const lzma2, sizesPresent = 0x21, 2
	end := w.at - 1 + (first+1)*4
	if end > len(w.data) {
		return errCut
	}
	header := w.data[w.at:end]
	w.at = end
	flags, header := header[0], header[1:]
	for i := range sizesPresent {
		if flags&(0x40<<i) != 0 {
			_, n := binary.Uvarint(header)
			if n <= 0 {
				return errCut
			}
			header = header[n:]
		}
	}
	// LZMA2 is the last filter always: where it is the first there is no other.
	if len(header) < 3 || header[0] != lzma2 || header[1] != 1 {
		return fmt.Errorf("%w: xz filters other than LZMA2 are not supported", ErrFormat)
	}
	// Section 5.3.1: 2 or 3 times a power of two, 40 is 4 GiB - 1.
	bits := uint64(header[2])
	if bits > 40 {
		return fmt.Errorf("%w: xz dictionary size %d", ErrFormat, bits)
	}
	if dictionary := (2 | bits&1) << (bits/2 + 11); dictionary > maxDictionaryBytes {
		return fmt.Errorf("%w: xz dictionary of %d bytes", ErrLimit, dictionary)
	}
	return nil
}

// chunks goes through the LZMA2 chunks of one block and adds up their
// uncompressed sizes.
func (w *xzWalker) chunks(room int) (total int, err error) {
	for {
		control, err := w.next()
		if err != nil {
			return 0, err
		}
		var size, skip int
		switch left := w.data[w.at:]; {
		case control == 0:
			return total, nil
		case control <= 2: // stored
			if len(left) < 2 {
				return 0, errCut
			}
			size = int(binary.BigEndian.Uint16(left)) + 1
			skip = 2 + size
		case control < 0x80:
			return 0, fmt.Errorf("%w: LZMA2 control byte 0x%x", ErrFormat, control)
		default:
			if len(left) < 4 {
				return 0, errCut
			}
			size = int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(left)) + 1
			skip = 4 + int(binary.BigEndian.Uint16(left[2:])) + 1
			if control >= 0xc0 { // new properties
				skip++
			}
		}
		if skip > len(w.data)-w.at {
			return 0, errCut
		}
		w.at += skip
		if total += size; total > room {
			return 0, fmt.Errorf("%w: more than %d bytes uncompressed", ErrLimit, maxMiniDebugBytes)
		}
	}
}
