// Package tracefile writes evidence files for tests, after trace/FORMAT.md and
// independently of the reader. It is for tests only.
package tracefile

import "encoding/binary"

// Bits of a frame.
const (
	Python = 1 << 63
	Exact  = 1 << 62
)

// File is an evidence file as it grows.
type File struct {
	Bytes                  []byte
	modules, sites, stacks uint32
}

// New begins the file of a process.
func New(pid uint32) *File {
	f := &File{Bytes: []byte("FFIKTRC\x00")}
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, 1)
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, 62)
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, pid)
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, 0)
	f.Bytes = binary.LittleEndian.AppendUint64(f.Bytes, 1_763_900_000_000_000_000)
	return f
}

// Record adds a record of any kind. Its payload is made of the values: uint32,
// uint64, string (with its length), []uint64 (with its count) and []byte (bare).
func (f *File) Record(kind uint32, values ...any) {
	var payload []byte
	for _, value := range values {
		switch v := value.(type) {
		case uint32:
			payload = binary.LittleEndian.AppendUint32(payload, v)
		case uint64:
			payload = binary.LittleEndian.AppendUint64(payload, v)
		case string:
			payload = binary.LittleEndian.AppendUint32(payload, uint32(len(v)))
			payload = append(payload, v...)
		case []uint64:
			payload = binary.LittleEndian.AppendUint32(payload, uint32(len(v)))
			for _, n := range v {
				payload = binary.LittleEndian.AppendUint64(payload, n)
			}
		case []byte:
			payload = append(payload, v...)
		default:
			panic("tracefile: a value of no known type")
		}
	}
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, kind)
	f.Bytes = binary.LittleEndian.AppendUint32(f.Bytes, uint32(len(payload)))
	f.Bytes = append(f.Bytes, payload...)
}

// Module adds a module; buildID is raw bytes.
func (f *File) Module(start, end, bias uint64, buildID, path string) uint32 {
	f.Record(1, start, end, bias, uint32(0), buildID, path)
	f.modules++
	return f.modules - 1
}

// Site adds a place in Python code and gives its frame.
func (f *File) Site(function, file string, line, functionLine uint32) uint64 {
	f.Record(2, function, file, line, functionLine)
	f.sites++
	return Python | uint64(f.sites-1)
}

// Stack adds a stack and gives its ID.
func (f *File) Stack(end uint32, frames ...uint64) uint32 {
	f.Record(3, end, frames)
	f.stacks++
	return f.stacks - 1
}

// ReportStack says which report a stack belongs to.
func (f *File) ReportStack(sequence, role, thread, stack uint32, address, pc uint64, kind string) {
	f.Record(4, sequence, role, thread, stack, address, pc, kind)
}

// Note adds the companion's words.
func (f *File) Note(text string) { f.Record(5, text) }

// End adds the statistics.
func (f *File) End(mallocs, frees, stacks, lost uint64) { f.Record(6, mallocs, frees, stacks, lost) }
