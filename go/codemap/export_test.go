package codemap

import (
	"encoding/binary"
	"hash/crc32"
)

// The layout, for tests that damage files.
const (
	HeaderBytes = headerBytes
	BlockBytes  = blockBytes
	MaxChain    = maxChain
	ManyAddrs   = manyAddrs
)

// Reseal makes all checksums of file right, and its size that which it says, so
// that what is wrong inside of it is met.
func Reseal(file []byte) {
	if len(file) < headerBytes+4 {
		return
	}
	le := binary.LittleEndian
	copy(file, magic)
	le.PutUint32(file[8:], Version)
	le.PutUint64(file[16:], uint64(len(file)))
	le.PutUint32(file[checksumAt:], 0)
	le.PutUint32(file[checksumAt:], crc32.Checksum(file[:headerBytes], castagnoli))
	h := header{fileBytes: uint64(len(file))}
	if h.dataEnd() < headerBytes || h.dataEnd() > h.fileBytes {
		return
	}
	data, sums := file[headerBytes:h.dataEnd()], file[h.dataEnd():]
	for i := 0; i*blockBytes < len(data); i++ {
		le.PutUint32(sums[4*i:], crc32.Checksum(data[i*blockBytes:min((i+1)*blockBytes, len(data))], castagnoli))
	}
	le.PutUint32(sums[len(sums)-4:], crc32.Checksum(sums[:len(sums)-4], castagnoli))
}
