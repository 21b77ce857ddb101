package pclntab

import (
	"encoding/binary"
	"io"
)

// pages reads a segment through a cache of fixed size: each page has one place
// that it can be kept in. Reading where nothing is gives zeros and false; the
// first error of the contents is kept in problem.
type pages struct {
	contents io.ReaderAt
	size     uint64
	order    binary.ByteOrder
	kept     []page
	joined   []byte // for what lies across pages
	problem  error
}

type page struct {
	// number counts from 1; 0 is an empty place.
	number uint64
	data   []byte
}

func newPages(s *Segment, order binary.ByteOrder, limit uint64) *pages {
	return &pages{
		contents: s.Contents, size: s.SizeBytes, order: order,
		kept: make([]page, min(s.SizeBytes/pageBytes+1, limit)),
	}
}

// page returns the page that holds offset, which is below size; nil where it
// cannot be read.
func (p *pages) page(offset uint64) []byte {
	number := offset/pageBytes + 1
	place := &p.kept[number%uint64(len(p.kept))]
	if place.number == number {
		return place.data
	}
	start := offset / pageBytes * pageBytes
	length := min(pageBytes, p.size-start)
	if uint64(cap(place.data)) < length {
		place.data = make([]byte, length)
	}
	place.number, place.data = 0, place.data[:length]
	if n, err := p.contents.ReadAt(place.data, int64(start)); uint64(n) < length {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		if p.problem == nil {
			p.problem = err
		}
		return nil
	}
	place.number = number
	return place.data
}

// from returns the bytes at offset up to the end of their page; empty where
// there are none.
func (p *pages) from(offset uint64) []byte {
	if offset >= p.size {
		return nil
	}
	data := p.page(offset)
	if data == nil {
		return nil
	}
	return data[offset%pageBytes:]
}

// bytes returns length bytes at offset, at most a page; nil where they are not
// there. They are good until the next call.
func (p *pages) bytes(offset, length uint64) []byte {
	if offset >= p.size || length > p.size-offset {
		return nil
	}
	data := p.from(offset)
	if uint64(len(data)) >= length || data == nil {
		return data[:min(length, uint64(len(data)))]
	}
	p.joined = append(p.joined[:0], data...)
	rest := p.from(offset + uint64(len(data)))
	if missing := length - uint64(len(data)); uint64(len(rest)) >= missing {
		p.joined = append(p.joined, rest[:missing]...)
		return p.joined
	}
	return nil
}

func (p *pages) u32(offset uint64) (uint32, bool) {
	data := p.bytes(offset, 4)
	if data == nil {
		return 0, false
	}
	return p.order.Uint32(data), true
}

// cursor reads bytes one after another, up to end.
type cursor struct {
	pages       *pages
	offset, end uint64
	data        []byte
}

func (c *cursor) next() (byte, bool) {
	if len(c.data) == 0 {
		if c.offset >= c.end {
			return 0, false
		}
		if c.data = c.pages.from(c.offset); len(c.data) == 0 {
			return 0, false
		}
		c.data = c.data[:min(uint64(len(c.data)), c.end-c.offset)]
		c.offset += uint64(len(c.data))
	}
	b := c.data[0]
	c.data = c.data[1:]
	return b, true
}

// uvarint reads a number of at most 32 bits in groups of 7, as encoding/binary
// writes it.
func (c *cursor) uvarint() (uint32, bool) {
	var value uint64
	for shift := 0; shift < 35; shift += 7 {
		b, ok := c.next()
		if !ok {
			return 0, false
		}
		value |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return uint32(value), value < 1<<32
		}
	}
	return 0, false
}
