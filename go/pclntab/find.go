package pclntab

import (
	"bytes"
	"errors"
	"io"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// The magic numbers of runtime.pcHeader (internal/abi, PCLnTabMagic). Two zero
// bytes follow.
const (
	magicGo120 = 0xfffffff1
	magicGo118 = 0xfffffff0
	magicGo116 = 0xfffffffa
	magicGo12  = 0xfffffffb
)

// Words of runtime.moduledata that are the same in Go 1.20 to 1.26.
const (
	moduleHeader    = 0
	moduleNames     = 1
	moduleUnits     = 4
	moduleFiles     = 7
	modulePCs       = 10
	moduleTable     = 13
	moduleTableLen  = 14
	moduleFtab      = 16
	moduleFtabLen   = 17
	moduleMinPC     = 20
	moduleMaxPC     = 21
	moduleText      = 22
	moduleEText     = 23
	moduleGoFunc    = 40
	moduleSections  = 41 // textsectmap; from 1.26 on one later
	moduleWordCount = 46
)

// header is runtime.pcHeader: all offsets are from its own address. Its
// textStart is not read: since 1.26 it is always 0.
type header struct {
	addr      uint64
	functions uint64
	minLC     uint32
	// names, units, files, pcs and table are offsets, ascending.
	names, units, files, pcs, table uint64
}

// search finds the table of an image, within a budget of bytes read.
type search struct {
	image *Image
	left  int64
	// refusal says why what seemed to be a table was not taken.
	refusal error
}

var errOverBudget = errors.New("over budget")

func find(image *Image) (*Table, error) {
	s := &search{image: image, left: maxSearchBytes}
	if relative := image.relative; relative != nil {
		image.relative = func(visit func(place, value model.VirtAddr) bool) error {
			return s.relocations(relative, visit)
		}
		defer func() { image.relative = relative }()
	}
	table, err := s.run()
	switch {
	case errors.Is(err, errOverBudget):
		err = image.errorAt(0, object.ErrLimit, "not found within %d bytes", int64(maxSearchBytes))
	case table != nil || err != nil:
	case s.refusal != nil:
		err = s.refusal
	default:
		err = &object.Error{Path: image.Name, Err: ErrNoTable}
	}
	return table, err
}

// relocations counts what a pass over the relocations reads.
func (s *search) relocations(relative func(func(place, value model.VirtAddr) bool) error, visit func(place, value model.VirtAddr) bool) error {
	err := relative(func(place, value model.VirtAddr) bool {
		s.left -= int64(3 * s.image.AddrSize)
		return s.left > 0 && visit(place, value)
	})
	if err == nil && s.left <= 0 {
		err = errOverBudget
	}
	return err
}

func (s *search) run() (*Table, error) {
	for _, hint := range s.image.hints {
		if table, err := s.try(uint64(hint)); table != nil || err != nil {
			return table, err
		}
	}
	var table *Table
	err := s.scanForHeader(magicGo120, func(addr uint64) (bool, error) {
		var err error
		table, err = s.try(addr)
		return table != nil, err
	})
	if table != nil || err != nil || s.refusal != nil {
		return table, err
	}
	for _, magic := range []uint32{magicGo118, magicGo116, magicGo12} {
		err := s.scanForHeader(magic, func(addr uint64) (bool, error) {
			if s.seemsOld(addr) {
				s.refusal = s.image.errorAt(addr, ErrVersion, "magic 0x%x", magic)
			}
			return s.refusal != nil, nil
		})
		if err != nil || s.refusal != nil {
			return nil, err
		}
	}
	return nil, nil
}

// scan visits the aligned addresses in wanted segments where pattern lies until
// visit returns true or an error.
func (s *search) scan(pattern []byte, wanted func(*Segment) bool, visit func(addr uint64) (bool, error)) (stop bool, err error) {
	for i := range s.image.Segments {
		segment := &s.image.Segments[i]
		if segment.Contents == nil || !wanted(segment) {
			continue
		}
		if stop, err := s.scanSegment(segment, pattern, visit); stop || err != nil {
			return stop, err
		}
	}
	return false, nil
}

// scanForHeader looks for a magic. Code comes last: linkers that do not
// separate it put read-only data beside it.
func (s *search) scanForHeader(magic uint32, visit func(addr uint64) (bool, error)) error {
	pattern := make([]byte, 6)
	s.image.Order.PutUint32(pattern, magic)
	stop, err := s.scan(pattern, func(segment *Segment) bool { return !segment.Executable }, visit)
	if !stop && err == nil {
		_, err = s.scan(pattern, func(segment *Segment) bool { return segment.Executable }, visit)
	}
	return err
}

func (s *search) scanSegment(segment *Segment, pattern []byte, visit func(addr uint64) (bool, error)) (stop bool, err error) {
	const step = 1 << 18
	buffer := make([]byte, min(step+uint64(len(pattern))-1, segment.SizeBytes))
	for start := uint64(0); start < segment.SizeBytes; start += step {
		part := buffer[:min(uint64(len(buffer)), segment.SizeBytes-start)]
		if s.left -= int64(len(part)); s.left < 0 {
			return true, errOverBudget
		}
		if n, err := segment.Contents.ReadAt(part, int64(start)); n < len(part) {
			return true, s.image.readError(uint64(segment.VirtAddr)+start, orUnexpectedEnd(err))
		}
		for from := 0; ; {
			at := bytes.Index(part[from:], pattern)
			if at < 0 {
				break
			}
			from += at + 1
			addr := uint64(segment.VirtAddr) + start + uint64(from-1)
			if addr%uint64(s.image.AddrSize) != 0 {
				s.left -= costOfSkipping
				continue
			}
			if s.left -= costOfLooking; s.left < 0 {
				return true, errOverBudget
			}
			if stop, err := visit(addr); stop || err != nil {
				return stop, err
			}
		}
	}
	return false, nil
}

func orUnexpectedEnd(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// raw returns length bytes at addr as they are stored; nil where they are not
// there.
func (s *search) raw(addr, length uint64) []byte {
	segment := s.image.segmentAt(addr)
	if segment == nil || segment.Contents == nil || length > segment.SizeBytes-(addr-uint64(segment.VirtAddr)) {
		return nil
	}
	data := make([]byte, length)
	if n, _ := segment.Contents.ReadAt(data, int64(addr-uint64(segment.VirtAddr))); uint64(n) < length {
		return nil
	}
	return data
}

// seemsOld tells whether a header of an older release may start at addr.
func (s *search) seemsOld(addr uint64) bool {
	data := s.raw(addr, uint64(8+s.image.AddrSize))
	if data == nil || int(data[7]) != s.image.AddrSize || !isInstructionSize(data[6]) {
		return false
	}
	functions := s.image.word(data[8:])
	return functions > 0 && functions <= maxFunctions
}

func isInstructionSize(n byte) bool { return n == 1 || n == 2 || n == 4 }

// try looks whether the table starts at addr. The answer is nil where it does
// not; s.refusal says why, where it seemed to.
func (s *search) try(addr uint64) (*Table, error) {
	h := s.readHeader(addr)
	if h == nil {
		return nil, nil
	}
	table, err := s.findModule(h)
	if table == nil && err == nil && s.refusal == nil {
		s.refusal = s.image.errorAt(addr, object.ErrFormat, "no module data of a known form points to it")
	}
	return table, err
}

func (s *search) readHeader(addr uint64) *header {
	size := uint64(s.image.AddrSize)
	data := s.raw(addr, 8+8*size)
	if data == nil || s.image.Order.Uint32(data) != magicGo120 || data[4] != 0 || data[5] != 0 ||
		!isInstructionSize(data[6]) || uint64(data[7]) != size {
		return nil
	}
	word := func(i uint64) uint64 { return s.image.word(data[8+i*size:]) }
	h := &header{
		addr: addr, functions: word(0), minLC: uint32(data[6]),
		names: word(3), units: word(4), files: word(5), pcs: word(6), table: word(7),
	}
	segment := s.image.segmentAt(addr)
	room := segment.SizeBytes - (addr - uint64(segment.VirtAddr))
	if h.functions == 0 || h.functions > maxFunctions || h.names < 8+8*size || h.names > h.units ||
		h.units > h.files || h.files > h.pcs || h.pcs > h.table || h.table >= room || room-h.table < 8*h.functions+4 {
		return nil
	}
	return h
}

// findModule makes the table where it finds module data that fits its header:
// at hints, then where a relocation has its address, or the address itself stands
// before that of the names, in segments that the runtime can write to.
func (s *search) findModule(h *header) (*Table, error) {
	for _, hint := range s.image.modules {
		// What is stored will often do, which spares reading all relocations.
		m, err := s.image.stored(uint64(hint), moduleWordCount)
		if err == nil && h.fits(m) {
			if table, err := s.tryModule(h, uint64(hint), m); table != nil || err != nil {
				return table, err
			}
		}
	}
	if table, places, err := s.relocatedModule(h); table != nil || err != nil || places > 0 {
		return table, err
	}
	size := s.image.AddrSize
	pattern := make([]byte, 2*size)
	s.image.putWord(pattern, h.addr)
	s.image.putWord(pattern[size:], h.addr+h.names)
	var table *Table
	places := 0
	_, err := s.scan(pattern, func(segment *Segment) bool { return segment.Writable }, func(place uint64) (bool, error) {
		m, err := s.image.words(place, moduleWordCount)
		if err == nil && h.fits(m) {
			table, err = s.tryModule(h, place, m)
		}
		places++
		return table != nil || places >= maxPlaces, err
	})
	return table, err
}

// relocatedModule looks for module data where relocations have the address of
// the table, of which it tells how many there are, up to a few.
func (s *search) relocatedModule(h *header) (table *Table, places int, err error) {
	type module struct {
		place uint64
		words []uint64
	}
	var found []module
	if s.image.relative == nil {
		return nil, 0, nil
	}
	err = s.image.relative(func(place, value model.VirtAddr) bool {
		if uint64(value) == h.addr {
			if words, err := s.image.stored(uint64(place), moduleWordCount); err == nil && words != nil {
				found = append(found, module{uint64(place), words})
			}
		}
		// Most linkers sort them: those of the other words follow.
		for _, m := range found {
			s.image.relocate(m.words, m.place, uint64(place), uint64(value))
		}
		return len(found) < maxPlaces
	})
	for _, m := range found {
		if err == nil && !h.fits(m.words) {
			m.words, err = s.image.words(m.place, moduleWordCount)
		}
		if err == nil && h.fits(m.words) {
			table, err = s.tryModule(h, m.place, m.words)
		}
		if table != nil || err != nil {
			break
		}
	}
	return table, len(found), err
}

// fits tells whether m is module data of the table.
func (h *header) fits(m []uint64) bool {
	return m != nil && m[moduleHeader] == h.addr && m[moduleNames] == h.addr+h.names && m[moduleUnits] == h.addr+h.units &&
		m[moduleFiles] == h.addr+h.files && m[modulePCs] == h.addr+h.pcs && m[moduleTable] == h.addr+h.table &&
		m[moduleFtab] == h.addr+h.table && m[moduleFtabLen] == h.functions+1 && m[moduleTableLen] >= 8*h.functions+4
}

// tryModule makes the table of the module data m at place, which fits its
// header.
func (s *search) tryModule(h *header, place uint64, m []uint64) (table *Table, err error) {
	t := newTable(s.image, h, m)
	if t == nil {
		s.refusal = s.image.errorAt(place, object.ErrFormat, "its module data does not fit the program")
		return nil, nil
	}
	if t.sections, err = s.textSections(t, m); err != nil || t.sections == nil {
		if err == nil {
			s.refusal = s.image.errorAt(place, object.ErrFormat, "the text sections in its module data do not fit the program")
		}
		return nil, err
	}
	return t, nil
}

// textSections reads how offsets in the table become addresses. Nearly always
// the code is one piece, and its ends say so. Where the linker split it (arm
// and ppc64, linked externally), or where the last function is an exported one,
// whose end has a relocation by its symbol, runtime.textsectmap tells of each
// section.
func (s *search) textSections(t *Table, m []uint64) ([]textSection, error) {
	text, etext := m[moduleText], m[moduleEText]
	first, okFirst := t.entryOffset(0)
	last, okLast := t.entryOffset(t.count)
	if !okFirst || !okLast || first >= last || !s.image.holdsCode(text, etext) {
		return nil, t.starts.problem
	}
	if m[moduleMinPC] == text+uint64(first) && m[moduleMaxPC] == text+uint64(last) && m[moduleMaxPC] <= etext {
		return []textSection{{start: 0, end: uint64(last), addr: text}}, nil
	}
	for _, at := range []int{moduleSections, moduleSections + 1} {
		count := m[at+1]
		if count == 0 || count > maxTextSections || m[at+2] != count {
			continue
		}
		words, err := s.image.words(m[at], int(3*count))
		if err != nil {
			return nil, err
		}
		ok := words != nil
		sections := make([]textSection, 0, count)
		for ; ok && len(words) > 0; words = words[3:] {
			sections = append(sections, textSection{start: words[0], end: words[1], addr: words[2]})
		}
		if ok && sectionsFit(sections, text, etext, uint64(last)) {
			return sections, nil
		}
	}
	return nil, nil
}

// sectionsFit tells whether sections follow one another, in offsets and in
// addresses, within the program's text.
func sectionsFit(sections []textSection, text, etext, last uint64) bool {
	offset, addr := uint64(0), text
	for i, section := range sections {
		size := section.end - section.start
		// The marker at the end of the last section counts as a byte of it.
		if section.end < section.start || section.start < offset || section.addr < addr || section.addr > etext || size > etext-section.addr+1 {
			return false
		}
		offset, addr = section.end, section.addr+size
		if i == 0 && (section.start != 0 || section.addr != text) {
			return false
		}
	}
	return last <= offset
}
