package dwarf

import (
	"bytes"
	"encoding/binary"
)

// cursor reads one section. Reading past the end gives zeros, moves to the end
// and sets bad, so that every loop over it comes to its end.
type cursor struct {
	data []byte
	off  int
	big  bool
	bad  bool
}

func (c *cursor) fail() {
	c.bad = true
	c.off = len(c.data)
}

func (c *cursor) more() bool { return c.off < len(c.data) }

func (c *cursor) skip(n uint64) {
	if n > uint64(len(c.data)-c.off) {
		c.fail()
		return
	}
	c.off += int(n)
}

// seek moves to offset at.
func (c *cursor) seek(at uint64) {
	if at > uint64(len(c.data)) {
		c.fail()
		return
	}
	c.off = int(at)
}

func (c *cursor) u8() uint8 {
	if c.off >= len(c.data) {
		c.fail()
		return 0
	}
	v := c.data[c.off]
	c.off++
	return v
}

func (c *cursor) order() binary.ByteOrder {
	if c.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (c *cursor) u16() uint16 {
	if len(c.data)-c.off < 2 {
		c.fail()
		return 0
	}
	v := c.order().Uint16(c.data[c.off:])
	c.off += 2
	return v
}

func (c *cursor) u24() uint64 {
	if len(c.data)-c.off < 3 {
		c.fail()
		return 0
	}
	b := c.data[c.off : c.off+3]
	c.off += 3
	if c.big {
		return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2])
	}
	return uint64(b[2])<<16 | uint64(b[1])<<8 | uint64(b[0])
}

func (c *cursor) u32() uint32 {
	if len(c.data)-c.off < 4 {
		c.fail()
		return 0
	}
	v := c.order().Uint32(c.data[c.off:])
	c.off += 4
	return v
}

func (c *cursor) u64() uint64 {
	if len(c.data)-c.off < 8 {
		c.fail()
		return 0
	}
	v := c.order().Uint64(c.data[c.off:])
	c.off += 8
	return v
}

// uint reads an unsigned number of size bytes.
func (c *cursor) uint(size int) uint64 {
	switch size {
	case 1:
		return uint64(c.u8())
	case 2:
		return uint64(c.u16())
	case 4:
		return uint64(c.u32())
	case 8:
		return c.u64()
	}
	c.fail()
	return 0
}

// offset reads a section offset of the 32-bit or 64-bit format.
func (c *cursor) offset(dwarf64 bool) uint64 {
	if dwarf64 {
		return c.u64()
	}
	return uint64(c.u32())
}

// length reads an initial length (DWARF 5, 7.4).
func (c *cursor) length() (length uint64, dwarf64 bool) {
	short := c.u32()
	switch {
	case short == 0xffffffff:
		return c.u64(), true
	case short >= 0xfffffff0:
		c.fail()
		return 0, false
	}
	return uint64(short), false
}

// uleb reads an unsigned LEB128 number; bits above 64 are dropped.
func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := uint(0); c.off < len(c.data); shift += 7 {
		b := c.data[c.off]
		c.off++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail()
	return 0
}

// sleb reads a signed LEB128 number.
func (c *cursor) sleb() int64 {
	var v int64
	for shift := uint(0); c.off < len(c.data); {
		b := c.data[c.off]
		c.off++
		v |= int64(b&0x7f) << shift
		shift += 7
		if b < 0x80 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v
		}
	}
	c.fail()
	return 0
}

// text reads a NUL-terminated string; the bytes are the section's.
func (c *cursor) text() []byte {
	end := bytes.IndexByte(c.data[c.off:], 0)
	if end < 0 {
		c.fail()
		return nil
	}
	text := c.data[c.off : c.off+end]
	c.off += end + 1
	return text
}
