package object

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"unsafe"
)

// symbolReader reads the entries of one symbol table where they lie.
type symbolReader struct {
	file    *File
	section *Section
	// data are the contents, from load on.
	data   []byte
	loaded atomic.Bool
	lock   sync.Mutex // is held while data is made
	// direct tells that values are addresses, little-endian and 8 bytes long.
	direct bool
	// indices are the section indices that do not fit an entry
	// (SHT_SYMTAB_SHNDX), nil where there are none.
	indices   []byte
	names     *View
	entrySize int
	count     int
}

// rawSymbol is one Elf_Sym.
type rawSymbol struct {
	value, size uint64
	name        uint32
	kind        elf.SymType
	bind        elf.SymBind
	index       elf.SectionIndex
	section     int // index resolved; 0 where the symbol is in no section
}

// addr is the symbol's address; Thumb functions are marked by its lowest bit,
// and in a relocatable object values count from the start of the section.
func (r *symbolReader) addr(s *rawSymbol) uint64 {
	value := s.value
	if r.file.machine == elf.EM_ARM && s.kind == elf.STT_FUNC {
		value &^= 1
	}
	if r.file.typ == elf.ET_REL && s.section != 0 {
		value += uint64(r.file.sections[s.section].VirtAddr)
	}
	return value
}

// symbolsOf opens the first symbol table of that type; nil where there is none.
func (f *File) symbolsOf(kind elf.SectionType) (*symbolReader, error) {
	at := slices.IndexFunc(f.sections, func(s Section) bool { return s.Type == kind })
	if at < 0 {
		return nil, nil
	}
	return f.openSymbols(at)
}

// openSymbols opens the symbol table in section at; what it holds is read when
// it is asked for.
func (f *File) openSymbols(at int) (*symbolReader, error) {
	if at >= len(f.sections) {
		return nil, f.NewError(0, ErrFormat, "symbols in section %d of %d", at, len(f.sections))
	}
	section := &f.sections[at]
	r := &symbolReader{file: f, section: section, entrySize: 16}
	if f.is64 {
		r.entrySize = 24
	}
	if section.Type != elf.SHT_SYMTAB && section.Type != elf.SHT_DYNSYM || section.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, f.NewError(section.at(), ErrFormat, "section %s is no symbol table", section.Name)
	}
	if section.EntrySize != 0 && section.EntrySize != uint64(r.entrySize) {
		return nil, f.NewError(section.at(), ErrFormat, "section %s: symbols of %d bytes", section.Name, section.EntrySize)
	}
	if section.SizeBytes/uint64(r.entrySize) > maxSymbols {
		return nil, f.NewError(section.at(), ErrLimit, "section %s: %d symbols", section.Name, section.SizeBytes/uint64(r.entrySize))
	}
	if uint64(section.Link) >= uint64(len(f.sections)) {
		return nil, f.NewError(section.at(), ErrFormat, "section %s: names in section %d of %d", section.Name, section.Link, len(f.sections))
	}
	var err error
	if r.names, err = f.viewOf(&f.sections[section.Link]); err != nil {
		return nil, err
	}
	if err := f.checkSection(section); err != nil {
		return nil, err
	}
	r.direct = f.order == binary.LittleEndian && f.is64 && f.typ != elf.ET_REL && f.machine != elf.EM_ARM
	r.count = int(section.SizeBytes / uint64(r.entrySize))
	if i, ok := f.places().extended[at]; ok {
		indices, err := f.viewOf(&f.sections[i])
		if err != nil {
			return nil, err
		}
		r.indices = indices.Buffer()[:indices.Len()]
		return r, indices.LoadAll()
	}
	return r, nil
}

// load reads the whole table.
func (r *symbolReader) load() error {
	if r.loaded.Load() {
		return nil
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	view, err := r.file.viewOf(r.section)
	if err == nil {
		err = view.LoadAll()
	}
	if err != nil {
		return err
	}
	if !r.loaded.Load() {
		r.data = view.Buffer()[:view.Len()]
		r.loaded.Store(true)
	}
	return nil
}

// scanBytes is how much of a table is read at a time: a whole number of
// entries of both sizes, little enough to stay in the processor's cache.
const scanBytes = 48 << 10

var scanBuffers = sync.Pool{New: func() any { return new([scanBytes]byte) }}

// scan calls visit with one part of the table after the other until it returns
// false; first is the number of the part's first symbol. A table that is not
// loaded is not kept: that takes longer than to go through it.
func (r *symbolReader) scan(visit func(data []byte, first int) bool) error {
	if r.loaded.Load() {
		visit(r.data, 0)
		return nil
	}
	buffer := scanBuffers.Get().(*[scanBytes]byte)
	defer scanBuffers.Put(buffer)
	for done, size := 0, r.count*r.entrySize; done < size; done += scanBytes {
		part := buffer[:min(scanBytes, size-done)]
		if err := r.file.readInto(part, r.section.FileOffset+uint64(done), "section "+r.section.Name); err != nil {
			return err
		}
		if !visit(part, done/r.entrySize) {
			return nil
		}
	}
	return nil
}

// at reads symbol i, which there must be, of a table that was loaded.
func (r *symbolReader) at(i int) rawSymbol { return r.parse(r.data[i*r.entrySize:], i) }

// parse reads symbol i, which data starts with.
func (r *symbolReader) parse(data []byte, i int) rawSymbol {
	data, order := data[:r.entrySize], r.file.order
	if order == binary.LittleEndian && r.file.is64 {
		// Nearly all files; the byte order is known and need not be asked for.
		s := rawSymbol{
			name: binary.LittleEndian.Uint32(data), kind: elf.ST_TYPE(data[4]), bind: elf.ST_BIND(data[4]),
			index: elf.SectionIndex(binary.LittleEndian.Uint16(data[6:])),
			value: binary.LittleEndian.Uint64(data[8:]), size: binary.LittleEndian.Uint64(data[16:]),
		}
		s.section = r.sectionOf(&s, i)
		return s
	}
	s := rawSymbol{name: order.Uint32(data)}
	info := data[12]
	if r.file.is64 {
		info = data[4]
		s.index = elf.SectionIndex(order.Uint16(data[6:]))
		s.value, s.size = order.Uint64(data[8:]), order.Uint64(data[16:])
	} else {
		s.value, s.size = uint64(order.Uint32(data[4:])), uint64(order.Uint32(data[8:]))
		s.index = elf.SectionIndex(order.Uint16(data[14:]))
	}
	s.kind, s.bind = elf.ST_TYPE(info), elf.ST_BIND(info)
	s.section = r.sectionOf(&s, i)
	return s
}

// sectionOf resolves the section index of symbol i.
func (r *symbolReader) sectionOf(s *rawSymbol, i int) int {
	index := uint64(s.index)
	switch {
	case s.index < elf.SHN_LORESERVE:
	case s.index != elf.SHN_XINDEX:
		return 0
	case 4*i+4 <= len(r.indices):
		index = uint64(r.file.order.Uint32(r.indices[4*i:]))
	case r.file.typ != elf.ET_REL:
		return r.file.sectionAt(s.value)
	}
	if index < uint64(len(r.file.sections)) {
		return int(index)
	}
	return 0
}

// sectionPlaces find sections without going through all of them.
type sectionPlaces struct {
	// code are the executable sections by address.
	code []int
	// extended are the SHT_SYMTAB_SHNDX of symbol tables.
	extended map[int]int
}

func (f *File) places() *sectionPlaces {
	f.placesOnce.Do(func() {
		p := &sectionPlaces{extended: map[int]int{}}
		for i := range f.sections {
			s := &f.sections[i]
			if s.Flags&elf.SHF_EXECINSTR != 0 && s.SizeBytes > 0 {
				p.code = append(p.code, i)
			}
			if s.Type == elf.SHT_SYMTAB_SHNDX {
				p.extended[int(s.Link)] = i
			}
		}
		slices.SortStableFunc(p.code, func(a, b int) int { return cmp.Compare(f.sections[a].VirtAddr, f.sections[b].VirtAddr) })
		f.sectionPlaces = p
	})
	return f.sectionPlaces
}

// sectionAt is the executable section that holds addr, 0 if none does.
func (f *File) sectionAt(addr uint64) int {
	code := f.places().code
	next := sort.Search(len(code), func(i int) bool { return uint64(f.sections[code[i]].VirtAddr) > addr })
	if next == 0 {
		return 0
	}
	if s := &f.sections[code[next-1]]; addr-uint64(s.VirtAddr) < s.SizeBytes {
		return code[next-1]
	}
	return 0
}

// nameAt returns the name at offset of the string table, which it shares
// memory with; empty where there is none.
func (r *symbolReader) nameAt(offset uint32) (string, error) {
	start, end := int(offset), min(int(offset)+maxNameBytes, r.names.Len())
	buffer := r.names.Buffer()
	step := nameStep
	for at := start; at < end; {
		behind := min(at+step, end)
		if err := r.names.Load(at, behind); err != nil {
			return "", err
		}
		if length := bytes.IndexByte(buffer[at:behind], 0); length >= 0 {
			return shared(buffer[start : at+length]), nil
		}
		at, step = behind, 2*step
	}
	if start >= end {
		return "", nil
	}
	return shared(buffer[start:end]), nil
}

// nameStep is how far the end of a name is looked for first: most end within.
const nameStep = 256

// shared makes a string of bytes that are never written again, such as those of
// a View: it fills each byte once, before it gives it out.
func shared(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// nameStart returns the first byte of a name; 0 where it is empty or damaged.
func (r *symbolReader) nameStart(offset uint32) byte {
	if r.names.Load(int(offset), int(offset)+1) != nil || int(offset) >= r.names.Len() {
		return 0
	}
	return r.names.Buffer()[offset]
}

// isFunction tells whether a symbol may name code.
func (r *symbolReader) isFunction(s *rawSymbol) bool {
	if s.section == 0 || r.file.sections[s.section].Flags&elf.SHF_EXECINSTR == 0 {
		return false
	}
	switch s.kind {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
		// That the name is not empty is seen when it is used: so the names of
		// others need not be read.
		return s.name != 0 && uint64(s.name) < uint64(r.names.Len())
	case elf.STT_NOTYPE:
		// Assembly often gives its functions no type. '$' starts ARM's
		// mapping symbols, '.' local labels.
		first := r.nameStart(s.name)
		return first != 0 && first != '$' && first != '.'
	}
	return false
}

// limit is where the section of symbol i ends: one without size ends there at
// the latest.
func (r *symbolReader) limit(i int) uint64 {
	var one [24]byte
	entry := one[:r.entrySize]
	if r.loaded.Load() {
		entry = r.data[i*r.entrySize:]
	} else if r.file.readInto(entry, r.section.FileOffset+uint64(i*r.entrySize), r.section.Name) != nil {
		return 0
	}
	symbol := r.parse(entry, i)
	s := &r.file.sections[symbol.section]
	return uint64(s.VirtAddr) + s.SizeBytes
}
