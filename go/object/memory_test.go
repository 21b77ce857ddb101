package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

func TestSectionsTogetherAreNoBombEither(t *testing.T) {
	image := readImage(t, must(os.ReadFile(freestandingProgram(t))))
	const packed, claimed = 200 << 10, 100 << 20
	names := []string{".debug_info", ".debug_line", ".debug_abbrev"}
	for _, name := range names {
		header := image.header(t, name)
		binary.LittleEndian.PutUint64(header[8:], uint64(elf.SHF_COMPRESSED))
		binary.LittleEndian.PutUint64(header[0x18:], uint64(len(image.content)))
		binary.LittleEndian.PutUint64(header[0x20:], packed)
		chunk := make([]byte, packed)
		binary.LittleEndian.PutUint32(chunk, uint32(elf.COMPRESS_ZLIB))
		binary.LittleEndian.PutUint64(chunk[8:], claimed)
		image.content = append(image.content, chunk...)
	}
	file, err := object.NewFile("bombs", bytes.NewReader(image.content), int64(len(image.content)))
	require.NoError(t, err)
	_, err = file.View(names[0])
	require.NoError(t, err, "one alone might be true")
	_, err = file.View(names[1])
	assert.ErrorIs(t, err, object.ErrLimit)
	_, err = file.View(names[2])
	assert.ErrorIs(t, err, object.ErrLimit)
}
