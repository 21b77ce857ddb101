package dwarf

import "encoding/binary"

// The functions here read numbers from a section's buffer. A place is at most
// the section's end when they are called, and slack bytes follow, so that none
// can read outside; what they read behind the end is zero. The place that they
// return may lie a little behind the end: callers check it before they go on.

// maxLEB is how many bytes one number may take. 10 hold 64 bits; some writers
// pad.
const maxLEB = 16

// uleb reads an unsigned LEB128 number (DWARF 5, 7.6); bits above 64 are
// dropped. A number that does not end in time leads behind every end.
func uleb(d []byte, p int) (uint64, int) {
	b := d[p]
	p++
	if b < 0x80 {
		return uint64(b), p
	}
	v := uint64(b & 0x7f)
	for shift := uint(7); shift < 7*maxLEB; shift += 7 {
		b = d[p]
		p++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, p
		}
	}
	return 0, len(d)
}

// sleb reads a signed LEB128 number.
func sleb(d []byte, p int) (int64, int) {
	var v int64
	for shift := uint(0); shift < 7*maxLEB; {
		b := d[p]
		p++
		v |= int64(b&0x7f) << shift
		shift += 7
		if b < 0x80 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v, p
		}
	}
	return 0, len(d)
}

// skipLEB passes over a LEB128 number.
func skipLEB(d []byte, p int) int {
	for i := 0; i < maxLEB; i++ {
		if d[p] < 0x80 {
			return p + 1
		}
		p++
	}
	return len(d)
}

func fixed16(d []byte, p int, big bool) uint64 {
	if big {
		return uint64(binary.BigEndian.Uint16(d[p:]))
	}
	return uint64(binary.LittleEndian.Uint16(d[p:]))
}

func fixed24(d []byte, p int, big bool) uint64 {
	if big {
		return uint64(d[p])<<16 | uint64(d[p+1])<<8 | uint64(d[p+2])
	}
	return uint64(d[p+2])<<16 | uint64(d[p+1])<<8 | uint64(d[p])
}

func fixed32(d []byte, p int, big bool) uint64 {
	if big {
		return uint64(binary.BigEndian.Uint32(d[p:]))
	}
	return uint64(binary.LittleEndian.Uint32(d[p:]))
}

func fixed64(d []byte, p int, big bool) uint64 {
	if big {
		return binary.BigEndian.Uint64(d[p:])
	}
	return binary.LittleEndian.Uint64(d[p:])
}

// fixed reads a number of size bytes: 1, 2, 3, 4 or 8; of 0 a LEB128 number.
func fixed(d []byte, p, size int, big bool) (uint64, int) {
	switch size {
	case 0:
		return uleb(d, p)
	case 1:
		return uint64(d[p]), p + 1
	case 2:
		return fixed16(d, p, big), p + 2
	case 3:
		return fixed24(d, p, big), p + 3
	case 4:
		return fixed32(d, p, big), p + 4
	}
	return fixed64(d, p, big), p + 8
}

// initialLength reads a length and the offset size that it stands for (DWARF 5,
// 7.4); ok is false for the reserved values.
func initialLength(d []byte, p int, big bool) (length uint64, offsetSize, next int, ok bool) {
	short := fixed32(d, p, big)
	switch {
	case short == 0xffffffff:
		return fixed64(d, p+4, big), 8, p + 12, true
	case short >= 0xfffffff0:
		return 0, 4, p + 4, false
	}
	return short, 4, p + 4, true
}
