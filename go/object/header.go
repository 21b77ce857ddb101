package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/ffikit/ffikit/go/model"
)

// fields reads the members of one ELF structure, whose words are 4 or 8 bytes
// wide. Reading past the end gives zeros: sizes are checked before.
type fields struct {
	data  []byte
	order binary.ByteOrder
	is64  bool
}

func (r *fields) skip(n int) { r.data = r.data[min(n, len(r.data)):] }

func (r *fields) u16() uint16 {
	if len(r.data) < 2 {
		r.data = nil
		return 0
	}
	v := r.order.Uint16(r.data)
	r.data = r.data[2:]
	return v
}

func (r *fields) u32() uint32 {
	if len(r.data) < 4 {
		r.data = nil
		return 0
	}
	v := r.order.Uint32(r.data)
	r.data = r.data[4:]
	return v
}

func (r *fields) word() uint64 {
	if !r.is64 {
		return uint64(r.u32())
	}
	if len(r.data) < 8 {
		r.data = nil
		return 0
	}
	v := r.order.Uint64(r.data)
	r.data = r.data[8:]
	return v
}

func (f *File) fields(data []byte) *fields { return &fields{data, f.order, f.is64} }

// tables says where the header tables lie, as the ELF header tells.
type tables struct {
	segmentsOffset, sectionsOffset uint64
	segmentSize, segmentCount      uint64
	sectionSize, sectionCount      uint64
	sectionNames                   uint32
}

func (f *File) readHeaders() error {
	head, err := f.readAt(0, uint64(min(f.size, 64)), "ELF header")
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return &Error{Path: f.path, Reason: foreignFormat(head), Err: ErrNotELF}
	}
	t, err := f.readFileHeader(head)
	if err != nil {
		return err
	}
	if err := f.readSegments(t); err != nil {
		return err
	}
	if err := f.readSections(t); err != nil {
		return err
	}
	if f.typ == elf.ET_REL {
		if err := f.layOut(); err != nil {
			return err
		}
	}
	f.readNotes()
	return nil
}

func (f *File) readFileHeader(head []byte) (*tables, error) {
	const identSize = 16
	if len(head) < identSize {
		return nil, f.NewError(int64(len(head)), ErrFormat, "the ELF header is cut off")
	}
	switch elf.Class(head[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		f.is64 = true
	case elf.ELFCLASS32:
	default:
		return nil, f.NewError(elf.EI_CLASS, ErrFormat, "ELF class %d", head[elf.EI_CLASS])
	}
	switch elf.Data(head[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return nil, f.NewError(elf.EI_DATA, ErrFormat, "ELF byte order %d", head[elf.EI_DATA])
	}
	headerSize := 52
	if f.is64 {
		headerSize = 64
	}
	if len(head) < headerSize {
		return nil, f.NewError(int64(len(head)), ErrFormat, "the ELF header is cut off")
	}
	r := f.fields(head[identSize:headerSize])
	f.typ, f.machine = elf.Type(r.u16()), elf.Machine(r.u16())
	r.skip(4) // e_version
	r.word()  // e_entry
	t := &tables{segmentsOffset: r.word(), sectionsOffset: r.word()}
	r.skip(6) // e_flags, e_ehsize
	t.segmentSize, t.segmentCount = uint64(r.u16()), uint64(r.u16())
	t.sectionSize, t.sectionCount = uint64(r.u16()), uint64(r.u16())
	t.sectionNames = uint32(r.u16())

	switch f.typ {
	case elf.ET_EXEC, elf.ET_DYN, elf.ET_REL:
	case elf.ET_CORE:
		return nil, f.NewError(identSize, ErrNotELF, "a core file")
	default:
		return nil, f.NewError(identSize, ErrFormat, "ELF type %d", f.typ)
	}
	return t, f.extendCounts(t)
}

// extendCounts reads section header 0, which holds the counts that do not fit
// the ELF header (gABI, "Section Header", SHN_XINDEX and PN_XNUM).
func (f *File) extendCounts(t *tables) error {
	const shnXIndex, pnXNum = 0xffff, 0xffff
	minSize := uint64(40)
	if f.is64 {
		minSize = 64
	}
	if t.sectionsOffset == 0 {
		t.sectionCount = 0
		return nil
	}
	if t.sectionSize < minSize {
		if t.sectionCount == 0 {
			return nil
		}
		return f.NewError(int64(min(t.sectionsOffset, 1<<62)), ErrFormat, "section header size %d", t.sectionSize)
	}
	if t.sectionCount != 0 && t.sectionNames != shnXIndex && t.segmentCount != pnXNum {
		return nil
	}
	data, err := f.readAt(t.sectionsOffset, minSize, "section header 0")
	if err != nil {
		return err
	}
	first, _ := f.parseSection(data)
	if t.sectionCount == 0 {
		t.sectionCount = first.SizeBytes
	}
	if t.sectionNames == shnXIndex {
		t.sectionNames = first.Link
	}
	if t.segmentCount == pnXNum {
		t.segmentCount = uint64(first.Info)
	}
	return nil
}

func (f *File) readSegments(t *tables) error {
	if t.segmentsOffset == 0 || t.segmentCount == 0 {
		return nil
	}
	minSize := uint64(32)
	if f.is64 {
		minSize = 56
	}
	if t.segmentSize < minSize {
		return f.NewError(int64(min(t.segmentsOffset, 1<<62)), ErrFormat, "program header size %d", t.segmentSize)
	}
	if t.segmentCount > maxSegments {
		return f.NewError(int64(min(t.segmentsOffset, 1<<62)), ErrLimit, "%d program headers", t.segmentCount)
	}
	data, err := f.readAt(t.segmentsOffset, t.segmentCount*t.segmentSize, "program headers")
	if err != nil {
		return err
	}
	f.segments = make([]Segment, t.segmentCount)
	for i := range f.segments {
		r := f.fields(data[uint64(i)*t.segmentSize:])
		s := &f.segments[i]
		s.Type = elf.ProgType(r.u32())
		if f.is64 {
			s.Flags = elf.ProgFlag(r.u32())
		}
		s.FileOffset = r.word()
		s.VirtAddr = model.VirtAddr(r.word())
		r.word() // p_paddr
		s.FileSize, s.MemSize = r.word(), r.word()
		if !f.is64 {
			s.Flags = elf.ProgFlag(r.u32())
		}
	}
	return nil
}

// parseSection reads one section header; the name is an offset still.
func (f *File) parseSection(data []byte) (Section, uint32) {
	r := f.fields(data)
	name := r.u32()
	s := Section{Type: elf.SectionType(r.u32()), Flags: elf.SectionFlag(r.word())}
	s.VirtAddr = model.VirtAddr(r.word())
	s.FileOffset, s.SizeBytes = r.word(), r.word()
	s.Link = r.u32()
	s.Info = r.u32()
	s.AlignBytes = r.word()
	s.EntrySize = r.word()
	return s, name
}

func (f *File) readSections(t *tables) error {
	if t.sectionCount == 0 {
		return nil
	}
	at := int64(min(t.sectionsOffset, 1<<62))
	if t.sectionCount > maxSections {
		return f.NewError(at, ErrLimit, "%d section headers", t.sectionCount)
	}
	data, err := f.readAt(t.sectionsOffset, t.sectionCount*t.sectionSize, "section headers")
	if err != nil {
		return err
	}
	f.sections = make([]Section, t.sectionCount)
	nameOffsets := make([]uint32, t.sectionCount)
	for i := range f.sections {
		f.sections[i], nameOffsets[i] = f.parseSection(data[uint64(i)*t.sectionSize:])
	}
	if uint64(t.sectionNames) >= t.sectionCount {
		return f.NewError(at, ErrFormat, "section names in section %d of %d", t.sectionNames, t.sectionCount)
	}
	table := &f.sections[t.sectionNames]
	if table.Type == elf.SHT_NULL || table.Type == elf.SHT_NOBITS {
		return nil
	}
	if table.SizeBytes > maxSectionNamesByte {
		return f.NewError(at, ErrLimit, "section names of %d bytes", table.SizeBytes)
	}
	names, err := f.readAt(table.FileOffset, table.SizeBytes, "section names")
	if err != nil {
		return err
	}
	const maxSectionName = 1 << 10
	for i, offset := range nameOffsets {
		f.sections[i].Name = shared(bytesAt(names, uint64(offset), maxSectionName))
	}
	return nil
}

// stringAt returns the NUL-terminated string at offset, cut at limit bytes;
// empty where offset lies outside of table.
func stringAt(table []byte, offset uint64, limit int) string {
	return string(bytesAt(table, offset, limit))
}

func bytesAt(table []byte, offset uint64, limit int) []byte {
	if offset >= uint64(len(table)) {
		return nil
	}
	text := table[offset:]
	text = text[:min(len(text), limit)]
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	return text
}
