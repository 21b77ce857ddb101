package codemap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// blockWriter writes blocks and keeps their checksums, which come last.
type blockWriter struct {
	w         io.Writer
	block     []byte
	checksums []byte
	err       error
}

func newBlockWriter(w io.Writer) *blockWriter {
	return &blockWriter{w: w, block: make([]byte, 0, blockBytes)}
}

func (b *blockWriter) write(data []byte) {
	for len(data) > 0 {
		n := copy(b.block[len(b.block):blockBytes], data)
		b.block, data = b.block[:len(b.block)+n], data[n:]
		if len(b.block) == blockBytes {
			b.flush()
		}
	}
}

func (b *blockWriter) writeString(text string) {
	for len(text) > 0 {
		n := copy(b.block[len(b.block):blockBytes], text)
		b.block, text = b.block[:len(b.block)+n], text[n:]
		if len(b.block) == blockBytes {
			b.flush()
		}
	}
}

func (b *blockWriter) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.block)
	}
	b.checksums = binary.LittleEndian.AppendUint32(b.checksums, crc32.Checksum(b.block, castagnoli))
	b.block = b.block[:0]
}

// finish writes the last block and the checksums, followed by their own.
func (b *blockWriter) finish() error {
	if len(b.block) > 0 {
		b.flush()
	}
	b.checksums = binary.LittleEndian.AppendUint32(b.checksums, crc32.Checksum(b.checksums, castagnoli))
	if b.err == nil {
		_, b.err = b.w.Write(b.checksums)
	}
	return b.err
}

// blocks is what lies between header and checksums of a file, read block by
// block when it is wanted, and checked then.
type blocks struct {
	file io.ReaderAt
	// data starts with what lies behind the header and ends with slackBytes
	// more than the last block; what was not loaded is zero.
	data      []byte
	size      int
	loaded    []bool
	checksums []byte
	// missing counts the blocks that were not loaded.
	missing int
}

func openBlocks(file io.ReaderAt, h *header) (*blocks, error) {
	count := h.blocks()
	checksums := make([]byte, checksumBytes(count))
	if err := readFull(file, checksums, int64(h.dataEnd())); err != nil {
		return nil, err
	}
	own := checksums[4*count:]
	checksums = checksums[:4*count]
	if crc32.Checksum(checksums, castagnoli) != binary.LittleEndian.Uint32(own) {
		return nil, damaged("checksum of the checksums")
	}
	size := int(h.dataEnd() - headerBytes)
	return &blocks{
		file: file, data: make([]byte, size+slackBytes), size: size, loaded: make([]bool, count),
		checksums: checksums, missing: int(count),
	}, nil
}

// readFull is ReadAt, to which the end of the file is damage: it was longer.
func readFull(file io.ReaderAt, data []byte, offset int64) error {
	n, err := file.ReadAt(data, offset)
	switch {
	case n == len(data):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return damaged("it ends at 0x%x", offset+int64(n))
	}
	return fmt.Errorf("codemap: offset 0x%x: %w", offset, err)
}

// load makes data[start:end] valid; the caller knows that it lies within size.
func (b *blocks) load(start, end uint64) error {
	for i := start / blockBytes; i*blockBytes < end; i++ {
		if !b.loaded[i] {
			if err := b.read(int(i), int(i)+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadAll makes all data valid, by large reads.
func (b *blocks) loadAll() error {
	const together = 1 << 20 / blockBytes
	for first := 0; first < len(b.loaded) && b.missing > 0; {
		end := first
		for end < len(b.loaded) && end-first < together && !b.loaded[end] {
			end++
		}
		if first == end {
			first++
			continue
		}
		if err := b.read(first, end); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// read reads and checks blocks from first to end, none of which is loaded:
// strings that were given out point into those that are.
func (b *blocks) read(first, end int) error {
	from, to := first*blockBytes, min(end*blockBytes, b.size)
	if err := readFull(b.file, b.data[from:to], headerBytes+int64(from)); err != nil {
		return err
	}
	for i := first; i < end; i++ {
		block := b.data[i*blockBytes : min((i+1)*blockBytes, b.size)]
		if crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(b.checksums[4*i:]) {
			return damaged("checksum of block %d", i)
		}
		b.loaded[i] = true
		b.missing--
	}
	return nil
}
