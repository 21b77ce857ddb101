package torture

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// writer puts little-endian numbers one after another.
type writer struct{ bytes.Buffer }

func (w *writer) u8(values ...uint64) *writer {
	for _, value := range values {
		w.WriteByte(byte(value))
	}
	return w
}

func (w *writer) u16(value uint64) *writer {
	w.Write(binary.LittleEndian.AppendUint16(nil, uint16(value)))
	return w
}

func (w *writer) u32(values ...uint64) *writer {
	for _, value := range values {
		w.Write(binary.LittleEndian.AppendUint32(nil, uint32(value)))
	}
	return w
}

func (w *writer) u64(values ...uint64) *writer {
	for _, value := range values {
		w.Write(binary.LittleEndian.AppendUint64(nil, value))
	}
	return w
}

// uleb puts numbers in LEB128: DWARF 5, 7.6.
func (w *writer) uleb(values ...uint64) *writer {
	for _, value := range values {
		w.Write(binary.AppendUvarint(nil, value))
	}
	return w
}

func (w *writer) text(values ...string) *writer {
	for _, value := range values {
		w.WriteString(value)
		w.WriteByte(0)
	}
	return w
}

func (w *writer) repeat(data []byte, count int) *writer {
	w.Write(bytes.Repeat(data, count))
	return w
}

// section is one of a file that is built; its place in the file is chosen.
type section struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	addr  uint64
	data  []byte
	// size, where not 0, is what the header says in place of len(data); at,
	// where not 0, is the file offset that it says.
	size, at   uint64
	link, info uint32
	entry      uint64
}

// Where the code of every bomb lies, and what is asked about it.
const (
	textAddr  = 0x1000
	textBytes = 0x1000
)

func text() section {
	return section{name: ".text", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, addr: textAddr, data: make([]byte, textBytes)}
}

func debug(name string, data []byte) section {
	return section{name: name, typ: elf.SHT_PROGBITS, data: data}
}

const (
	headerBytes        = 64
	sectionHeaderBytes = 64
	programHeaderBytes = 56
)

// object lays out an ELF file (gABI, chapter 4) for x86-64: .text first, one
// segment over it, then the sections.
func object(typ elf.Type, sections ...section) []byte {
	all := append([]section{{}, text()}, sections...)
	var names writer
	names.u8(0)
	offsets := make([]uint64, len(all)+1)
	for i := range all {
		offsets[i] = uint64(names.Len())
		names.text(all[i].name)
	}
	offsets[len(all)] = uint64(names.Len())
	names.text(".shstrtab")
	all = append(all, section{name: ".shstrtab", typ: elf.SHT_STRTAB, data: names.Bytes()})

	var body, table writer
	for i := range all {
		s := &all[i]
		at, size := uint64(headerBytes+programHeaderBytes+body.Len()), uint64(len(s.data))
		body.Write(s.data)
		body.repeat([]byte{0}, -body.Len()&7)
		if s.at != 0 {
			at = s.at
		}
		if s.size != 0 {
			size = s.size
		}
		table.u32(offsets[i], uint64(s.typ)).u64(uint64(s.flags), s.addr, at, size)
		table.u32(uint64(s.link), uint64(s.info)).u64(8, s.entry)
	}
	// Many sections are counted in the first one's header: gABI, "e_shnum".
	count, strings := uint64(len(all)), uint64(len(all)-1)
	if count >= uint64(elf.SHN_LORESERVE) {
		binary.LittleEndian.PutUint64(table.Bytes()[32:], count)
		binary.LittleEndian.PutUint32(table.Bytes()[40:], uint32(strings))
		count, strings = 0, uint64(elf.SHN_XINDEX)
	}
	var file writer
	file.WriteString("\x7fELF\x02\x01\x01")
	file.repeat([]byte{0}, 9)
	file.u16(uint64(typ)).u16(uint64(elf.EM_X86_64)).u32(1).u64(textAddr, headerBytes)
	file.u64(uint64(headerBytes + programHeaderBytes + body.Len())).u32(0)
	file.u16(headerBytes).u16(programHeaderBytes).u16(1).u16(sectionHeaderBytes).u16(count).u16(strings)
	file.u32(uint64(elf.PT_LOAD), uint64(elf.PF_R|elf.PF_X))
	file.u64(headerBytes+programHeaderBytes, textAddr, textAddr, textBytes, textBytes, 8)
	file.Write(body.Bytes())
	file.Write(table.Bytes())
	return file.Bytes()
}

// executable is the kind that most bombs are.
func executable(sections ...section) []byte { return object(elf.ET_EXEC, sections...) }

// The numbers of DWARF 5, chapter 7, that bombs are written with.
const (
	tagUnit, tagSubprogram, tagInlined, tagBlock = 0x11, 0x2e, 0x1d, 0x0b
	tagImported, tagPartial                      = 0x3d, 0x3c

	atSibling, atName, atStmtList, atLowPC, atHighPC = 0x01, 0x03, 0x10, 0x11, 0x12
	atImport, atOrigin, atSpecification, atRanges    = 0x18, 0x31, 0x47, 0x55
	atConstValue                                     = 0x1c

	formAddr, formData4, formString, formUdata      = 0x01, 0x06, 0x08, 0x0f
	formRef4, formIndirect, formOffset, formPresent = 0x13, 0x16, 0x17, 0x19
	formImplicit, formStrp, formRngListX, formData8 = 0x21, 0x0e, 0x23, 0x07
)

// abbrev is one abbreviation: its attributes are pairs of name and form.
func (w *writer) abbrev(code, tag uint64, children bool, attributes ...uint64) *writer {
	w.uleb(code, tag)
	if children {
		w.u8(1)
	} else {
		w.u8(0)
	}
	return w.uleb(attributes...).u8(0, 0)
}

// unit4 and unit5 put the header of a unit before its entries: DWARF 5, 7.5.1.
func unit4(abbrevs uint64, entries []byte) []byte {
	var w writer
	w.u32(uint64(len(entries) + 7)).u16(4).u32(abbrevs).u8(8)
	w.Write(entries)
	return w.Bytes()
}

func unit5(abbrevs uint64, entries []byte) []byte {
	var w writer
	w.u32(uint64(len(entries)+8)).u16(5).u8(1, 8).u32(abbrevs)
	w.Write(entries)
	return w.Bytes()
}

// The bytes before the entries of a unit.
const (
	unit4Bytes = 11
	unit5Bytes = 12
)
