package pclntab

import (
	"encoding/binary"
	"errors"
	"io"
)

// pages reads a piece of a segment: page by page through a cache of fixed size,
// in which each page has one place that it can be kept in, or all of it at once.
// Reading where nothing is gives nil; the first error of the contents is kept in
// problem.
type pages struct {
	contents io.ReaderAt
	// start is where the piece starts in contents, size how long it is.
	start, size uint64
	order       binary.ByteOrder
	kept        []page // a power of two
	whole       []byte // all of it, with the slack; nil until wanted
	noWhole     bool   // reading all of it failed
	problem     error
}

// page holds pageBytes and slackBytes of what follows; behind the end of the
// piece there are zeros. Whatever starts in a page and is no longer than the
// slack can be read without a look at where the page ends.
type page struct {
	// number counts from 1; 0 is an empty place.
	number uint64
	data   []byte
}

func newPages(contents io.ReaderAt, start, size uint64, order binary.ByteOrder, limit uint64) *pages {
	count := uint64(1)
	for count < limit && count < size/pageBytes+1 {
		count *= 2
	}
	return &pages{contents: contents, start: start, size: size, order: order, kept: make([]page, count)}
}

// clone reads the same bytes with a cache of its own.
func (p *pages) clone() *pages {
	twin := *p
	twin.kept, twin.problem = make([]page, len(p.kept)), nil
	return &twin
}

// expect prepares for count lookups: many are cheaper when all is read at once.
func (p *pages) expect(count int) {
	if p.whole != nil || p.noWhole || p.size > maxWholeBytes || uint64(count) < p.size/bytesPerLookup+minLookups {
		return
	}
	data := make([]byte, p.size+slackBytes)
	if n, _ := p.contents.ReadAt(data[:p.size], int64(p.start)); uint64(n) < p.size {
		// Page by page, all but what is missing can be had.
		p.noWhole = true
		return
	}
	p.whole, p.kept = data, p.kept[:1]
}

// at returns the bytes at offset: to the end of their page and slackBytes more.
// It is nil where nothing is or it cannot be read. They are good until the next
// call.
func (p *pages) at(offset uint64) []byte {
	if offset >= p.size {
		return nil
	}
	if p.whole != nil {
		return p.whole[offset:]
	}
	number := offset/pageBytes + 1
	if place := &p.kept[number&uint64(len(p.kept)-1)]; place.number == number {
		return place.data[offset%pageBytes:]
	}
	if data := p.fill(number); data != nil {
		return data[offset%pageBytes:]
	}
	return nil
}

func (p *pages) fill(number uint64) []byte {
	place := &p.kept[number&uint64(len(p.kept)-1)]
	if place.data == nil {
		place.data = make([]byte, pageBytes+slackBytes)
	}
	place.number = 0
	start := (number - 1) * pageBytes
	length := min(pageBytes+slackBytes, p.size-start)
	if n, err := p.contents.ReadAt(place.data[:length], int64(p.start+start)); uint64(n) < length {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if p.problem == nil {
			p.problem = err
		}
		return nil
	}
	clear(place.data[length:])
	place.number = number
	return place.data
}

// span is how many bytes from offset on lie in one piece of memory, before the
// slack.
func (p *pages) span(offset uint64) uint64 {
	if p.whole != nil {
		return p.size - offset
	}
	return min(pageBytes-offset%pageBytes, p.size-offset)
}

func (p *pages) u32(offset uint64) (uint32, bool) {
	data := p.at(offset)
	if len(data) < 4 || p.size-offset < 4 {
		return 0, false
	}
	return p.order.Uint32(data), true
}
