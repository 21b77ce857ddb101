package pclntab

import (
	"encoding/binary"
	"errors"
	"io"
)

// region is a part of the table, read through a cache of pages, in which each
// page has one place that it can be kept in. Where nothing is, reading gives
// nil; the first error of the contents is kept in problem.
//
// Pages are small until many addresses are asked for at once. The cache starts
// small, too: of many addresses, looked up in order, most pages are wanted once,
// and room that was used before costs no page fault. It grows when the same
// pages come again.
type region struct {
	contents io.ReaderAt
	// start is where the region starts in contents, addr where in the image.
	start, addr, size uint64
	order             binary.ByteOrder
	kept              []page // a power of two
	pageBits          uint   // of the size of a page
	keptBytes         int    // at first
	misses            int
	problem           error
}

// page holds its bytes and slackBytes of what follows; behind the end of the
// region there are zeros. Whatever starts in a page and is no longer than the
// slack can be read without a look at where the page ends.
type page struct {
	// number counts from 1; 0 is an empty place.
	number uint64
	data   []byte
}

// regionOf is what the segment holds from addr on; it must be there.
func regionOf(s *Segment, addr, size uint64, order binary.ByteOrder, keptBytes int) *region {
	r := &region{
		contents: s.Contents, start: addr - uint64(s.VirtAddr), addr: addr, size: size, order: order, keptBytes: keptBytes,
	}
	r.setPages(smallPageBits)
	return r
}

func (r *region) setPages(bits uint) {
	r.pageBits, r.kept, r.misses = bits, make([]page, r.keptBytes>>bits), 0
}

// expect prepares for so many lookups.
func (r *region) expect(lookups int) {
	if r != nil && lookups >= manyLookups && r.pageBits != largePageBits {
		r.setPages(largePageBits)
	}
}

// clone reads the same bytes with a cache of its own, for many lookups.
func (r *region) clone() *region {
	if r == nil {
		return nil
	}
	twin := *r
	twin.problem = nil
	twin.setPages(largePageBits)
	return &twin
}

// at returns the bytes at offset: to the end of their page and slackBytes more.
// It is nil where nothing is or it cannot be read. They are good until the next
// call.
func (r *region) at(offset uint64) []byte {
	if offset >= r.size {
		return nil
	}
	number, into := offset>>r.pageBits+1, offset&(1<<r.pageBits-1)
	if place := &r.kept[number&uint64(len(r.kept)-1)]; place.number == number {
		return place.data[into:]
	}
	if data := r.fill(number); data != nil {
		return data[into:]
	}
	return nil
}

func (r *region) fill(number uint64) []byte {
	kept := uint64(len(r.kept)) << r.pageBits
	if r.misses++; r.misses > missesPerPage*len(r.kept) && kept < min(maxKeptPages, r.size) {
		r.grow()
	}
	place := &r.kept[number&uint64(len(r.kept)-1)]
	if place.data == nil {
		place.data = make([]byte, 1<<r.pageBits+slackBytes)
	}
	place.number = 0
	start := (number - 1) << r.pageBits
	length := min(1<<r.pageBits+slackBytes, r.size-start)
	if n, err := r.contents.ReadAt(place.data[:length], int64(r.start+start)); uint64(n) < length {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if r.problem == nil {
			r.problem = err
		}
		return nil
	}
	clear(place.data[length:])
	place.number = number
	return place.data
}

func (r *region) grow() {
	old := r.kept
	r.kept, r.misses = make([]page, 2*len(old)), 0
	for _, p := range old {
		if p.number != 0 {
			r.kept[p.number&uint64(len(r.kept)-1)] = p
		}
	}
}

// room is how many bytes from offset on lie in one page, before the slack.
func (r *region) room(offset uint64) uint64 {
	return min(1<<r.pageBits-offset&(1<<r.pageBits-1), r.size-offset)
}

// bytes returns at least length bytes at offset, which are no more than the
// slack; nil where they are not there.
func (r *region) bytes(offset, length uint64) []byte {
	if offset > r.size || length > r.size-offset {
		return nil
	}
	return r.at(offset)
}

func (r *region) u32(offset uint64) (uint32, bool) {
	data := r.bytes(offset, 4)
	if data == nil {
		return 0, false
	}
	return r.order.Uint32(data), true
}
