package codemap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the version of the file format, and of what is written in it: it
// rises too when indexes were made that are wrong. A reader reads its own only:
// an index is made anew more easily than an old one is understood.
const Version = 2

// What can be wrong with an index file, to be tested with errors.Is.
var (
	// ErrVersion is an index file of another version.
	ErrVersion = errors.New("an index of another version")
	// ErrDamaged is a file that is no index, is cut off, or was altered.
	ErrDamaged = errors.New("a damaged index")
	// ErrLimit is code that is too large or lies too far apart for an index.
	ErrLimit = errors.New("over the limit of an index")
)

// The layout, see FORMAT.md.
const (
	magic         = "ffikmap\x1a"
	headerBytes   = 4096
	blockBytes    = 16 << 10
	slackBytes    = 8 // a field is read as 8 bytes
	maxFileBytes  = 1 << 30
	maxFields     = 8
	maxChain      = 512
	bucketBits    = 7
	maxIdentities = 3
	maxBuildID    = 256
	maxPath       = 700
)

// The tables of a file, in their order.
const (
	gridBuckets = iota
	gridStarts
	gridRecords
	gridNodes
	gridFunctions
	gridPlaces
	gridFiles
	gridNames
	gridCount
)

// The strings of a file: areaFiles holds what gridFiles delimits.
const (
	areaFiles = iota
	areaNames
	areaCount
)

// gridFields are the numbers of fields in a row of each table.
var gridFields = [gridCount]int{
	gridBuckets: 1, gridStarts: 1, gridRecords: 2, gridNodes: 3, gridFunctions: 5, gridPlaces: 4, gridFiles: 1, gridNames: 1,
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity says which file an index describes: the one that it was, not one
// of that name. Times are nanoseconds since 1970.
type Identity struct {
	Device, Inode, SizeBytes uint64
	ModifiedNS, ChangedNS    int64
	// BuildID is in lower-case hexadecimal, empty where there is none.
	BuildID string
	// Path is where the file lay, for people to read; a long one is cut off.
	Path string
}

// area is a range of bytes of the file.
type area struct{ start, size uint64 }

// header is the first block of a file.
type header struct {
	fileBytes  uint64
	base       uint64
	shift      uint32
	grids      [gridCount]grid
	areas      [areaCount]area
	identities []Identity
}

const (
	checksumAt   = 12
	gridsAt      = 40
	gridRowBytes = 24
	areasAt      = gridsAt + gridCount*gridRowBytes
	identitiesAt = areasAt + areaCount*16
)

// dataEnd is where the checksums start.
func (h *header) dataEnd() uint64 {
	return h.fileBytes - checksumBytes(h.blocks())
}

// blocks is the number of blocks, each of which has a checksum: the only
// number n that leaves n blocks before the n+1 checksums.
func (h *header) blocks() uint64 {
	if h.fileBytes < headerBytes+4 {
		return 0
	}
	return (h.fileBytes - headerBytes - 4 + blockBytes + 3) / (blockBytes + 4)
}

func checksumBytes(blocks uint64) uint64 { return 4 * (blocks + 1) }

// encode writes the header; the checksum of it is the last thing set.
func (h *header) encode() ([]byte, error) {
	data := make([]byte, 0, headerBytes)
	le := binary.LittleEndian
	data = append(data, magic...)
	data = le.AppendUint32(data, Version)
	data = le.AppendUint32(data, 0)
	data = le.AppendUint64(data, h.fileBytes)
	data = le.AppendUint64(data, h.base)
	data = le.AppendUint32(data, h.shift)
	data = le.AppendUint32(data, gridCount)
	for i := range h.grids {
		g := &h.grids[i]
		data = le.AppendUint64(data, g.start)
		data = le.AppendUint32(data, g.rows)
		data = append(data, g.widths[:]...)
		data = le.AppendUint32(data, 0)
	}
	for _, a := range h.areas {
		data = le.AppendUint64(data, a.start)
		data = le.AppendUint64(data, a.size)
	}
	data = append(data, byte(len(h.identities)))
	if len(h.identities) > maxIdentities {
		return nil, fmt.Errorf("%w: made of %d files", ErrLimit, len(h.identities))
	}
	for i := range h.identities {
		id := &h.identities[i]
		if len(id.BuildID) > maxBuildID {
			return nil, fmt.Errorf("%w: a build ID of %d characters", ErrLimit, len(id.BuildID))
		}
		for _, number := range []uint64{id.Device, id.Inode, id.SizeBytes, uint64(id.ModifiedNS), uint64(id.ChangedNS)} {
			data = le.AppendUint64(data, number)
		}
		for _, text := range []string{id.BuildID, id.Path[:min(len(id.Path), maxPath)]} {
			data = le.AppendUint16(data, uint16(len(text)))
			data = append(data, text...)
		}
	}
	data = data[:headerBytes]
	le.PutUint32(data[checksumAt:], crc32.Checksum(data, castagnoli))
	return data, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// decodeHeader reads the header of a file of fileBytes bytes. All offsets and
// counts in it fit the file afterwards.
func decodeHeader(data []byte, fileBytes uint64) (*header, error) {
	le := binary.LittleEndian
	if len(data) != headerBytes || string(data[:len(magic)]) != magic {
		return nil, damaged("no header")
	}
	if version := le.Uint32(data[8:]); version != Version {
		return nil, fmt.Errorf("%w: %d", ErrVersion, version)
	}
	want := le.Uint32(data[checksumAt:])
	le.PutUint32(data[checksumAt:], 0)
	if crc32.Checksum(data, castagnoli) != want {
		return nil, damaged("checksum of the header")
	}
	h := &header{fileBytes: le.Uint64(data[16:]), base: le.Uint64(data[24:]), shift: le.Uint32(data[32:])}
	if h.fileBytes != fileBytes || fileBytes > maxFileBytes || fileBytes < headerBytes+checksumBytes(0) ||
		h.dataEnd() < headerBytes {
		return nil, damaged("%d bytes, should be %d", fileBytes, h.fileBytes)
	}
	if h.shift > 32 || le.Uint32(data[36:]) != gridCount {
		return nil, damaged("%d tables, %d bits a bucket", le.Uint32(data[36:]), h.shift)
	}
	if err := h.decodeTables(data); err != nil {
		return nil, err
	}
	return h, h.decodeIdentities(data[identitiesAt:])
}

func (h *header) decodeTables(data []byte) error {
	le := binary.LittleEndian
	end := h.dataEnd()
	for i := range h.grids {
		row := data[gridsAt+i*gridRowBytes:]
		g, err := newGrid(row[12 : 12+gridFields[i]]...)
		if err != nil {
			return damaged("table %d: %v", i, err)
		}
		g.start, g.rows = le.Uint64(row), le.Uint32(row[8:])
		if g.start < headerBytes || g.start > end || g.size() > end-g.start {
			return damaged("table %d: %d rows of %d bytes at 0x%x", i, g.rows, g.stride, g.start)
		}
		h.grids[i] = g
	}
	for i := range h.areas {
		row := data[areasAt+16*i:]
		a := area{le.Uint64(row), le.Uint64(row[8:])}
		if a.start < headerBytes || a.start > end || a.size > end-a.start {
			return damaged("strings %d: %d bytes at 0x%x", i, a.size, a.start)
		}
		h.areas[i] = a
	}
	if h.grids[gridStarts].rows != h.grids[gridRecords].rows {
		return damaged("%d starts, %d records", h.grids[gridStarts].rows, h.grids[gridRecords].rows)
	}
	return nil
}

func (h *header) decodeIdentities(data []byte) error {
	le := binary.LittleEndian
	count := int(data[0])
	data = data[1:]
	text := func() (text string, ok bool) {
		if len(data) < 2 || int(le.Uint16(data)) > len(data)-2 {
			return "", false
		}
		end := 2 + int(le.Uint16(data))
		text, data = string(data[2:end]), data[end:]
		return text, true
	}
	for range count {
		const numbers = 5 * 8
		if count > maxIdentities || len(data) < numbers {
			return damaged("%d files that it describes", count)
		}
		id := Identity{
			Device: le.Uint64(data), Inode: le.Uint64(data[8:]), SizeBytes: le.Uint64(data[16:]),
			ModifiedNS: int64(le.Uint64(data[24:])), ChangedNS: int64(le.Uint64(data[32:])),
		}
		data = data[numbers:]
		var ok, alsoOK bool
		id.BuildID, ok = text()
		if id.Path, alsoOK = text(); !ok || !alsoOK {
			return damaged("a build ID or path of a file that it describes")
		}
		h.identities = append(h.identities, id)
	}
	return nil
}
