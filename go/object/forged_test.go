package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// forged is a 64-bit ELF file made by hand: what no compiler writes.
type forged struct {
	typ      elf.Type
	sections []elf.Section64
	segments []elf.Prog64
	body     []byte // begins at offset bodyAt
}

const bodyAt = 64

// add appends data to the file and returns where it lies.
func (f *forged) add(data []byte) uint64 {
	at := bodyAt + len(f.body)
	f.body = append(f.body, data...)
	return uint64(at)
}

func (f *forged) open(t *testing.T) *object.File {
	t.Helper()
	return f.named(t, 0)
}

// named takes the names of sections from the given one.
func (f *forged) named(t *testing.T, names uint32) *object.File {
	t.Helper()
	var out bytes.Buffer
	header := elf.Header64{
		Type: uint16(f.typ), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Phentsize: 56, Shentsize: 64,
		Phnum: uint16(len(f.segments)),
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	header.Phoff = f.add(must(binary.Append(nil, binary.LittleEndian, f.segments)))
	// Section 0 has the numbers that may not fit the header.
	header.Shstrndx = 0xffff
	sections := append([]elf.Section64{{Size: uint64(len(f.sections) + 1), Link: names}}, f.sections...)
	header.Shoff = f.add(must(binary.Append(nil, binary.LittleEndian, sections)))
	require.NoError(t, binary.Write(&out, binary.LittleEndian, header))
	out.Write(f.body)
	file, err := object.NewFile("forged", bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	return file
}

// symbols appends the same symbol many times.
func symbols(count int, symbol elf.Sym64) []byte {
	return bytes.Repeat(must(binary.Append(nil, binary.LittleEndian, symbol)), count)
}

func TestSymbolsInOneOfVeryManySections(t *testing.T) {
	const many = 100_000
	f := &forged{typ: elf.ET_DYN}
	table := symbols(many, elf.Sym64{Name: 1, Info: byte(elf.STT_FUNC), Shndx: uint16(elf.SHN_XINDEX), Value: 1 << 40, Size: 1})
	f.sections = append(f.sections,
		elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: f.add(table), Size: uint64(len(table)), Link: 2, Entsize: 24},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: f.add([]byte("\x00name\x00")), Size: 6})
	for i := range many {
		f.sections = append(f.sections, elf.Section64{
			Type: uint32(elf.SHT_NOBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Addr: uint64(i) * 16, Size: 16,
		})
	}
	file := f.open(t)
	within(t, 20*time.Second, "many sections", func() {
		table, err := file.FunctionSymbols()
		require.NoError(t, err)
		assert.True(t, table.Empty(), "no section has that address")
	})
}

func TestNamesThatOverlapAreNotMultiplied(t *testing.T) {
	const many = 400_000
	f := &forged{typ: elf.ET_DYN}
	names := append(append([]byte{0}, bytes.Repeat([]byte{'n'}, 1<<16)...), 0)
	table := symbols(many, elf.Sym64{Name: 1, Info: byte(elf.STT_FUNC), Shndx: 3, Value: 5, Size: 1})
	f.sections = append(f.sections,
		elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: f.add(table), Size: uint64(len(table)), Link: 2, Entsize: 24},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: f.add(names), Size: uint64(len(names))},
		elf.Section64{Type: uint32(elf.SHT_NOBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Size: 16})
	file := f.open(t)
	within(t, 20*time.Second, "long names", func() {
		visited := 0
		err := file.EachSymbol(func(object.Symbol) bool { visited++; return true })
		assert.ErrorIs(t, err, object.ErrLimit)
		assert.Less(t, visited, 1000)
		table, err := file.FunctionSymbols()
		require.NoError(t, err)
		assert.Equal(t, 1, table.Len())
		symbol, ok := table.Lookup(5)
		assert.True(t, ok)
		assert.Len(t, symbol.Name, 1<<16)
	})
}

func TestDynamicTextIsNotMultiplied(t *testing.T) {
	const many = 60_000
	f := &forged{typ: elf.ET_DYN}
	names := append(bytes.Repeat([]byte{'n'}, 1<<16), 0)
	namesAt := f.add(names)
	entries := []elf.Dyn64{{Tag: int64(elf.DT_STRTAB), Val: namesAt}, {Tag: int64(elf.DT_STRSZ), Val: uint64(len(names))}}
	for range many {
		entries = append(entries, elf.Dyn64{Tag: int64(elf.DT_NEEDED)})
	}
	dynamic := must(binary.Append(nil, binary.LittleEndian, entries))
	f.segments = []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Filesz: namesAt + uint64(len(names)), Memsz: 1 << 20},
		{Type: uint32(elf.PT_DYNAMIC), Off: f.add(dynamic), Filesz: uint64(len(dynamic))},
	}
	_, _, err := f.open(t).Dynamic()
	assert.ErrorIs(t, err, object.ErrLimit)
}

func TestNotesAreNotReadOverAndOver(t *testing.T) {
	f := &forged{typ: elf.ET_DYN}
	area := f.add(make([]byte, 1<<16))
	for range 200_000 {
		f.sections = append(f.sections, elf.Section64{Type: uint32(elf.SHT_NOTE), Off: area, Size: 1 << 16})
	}
	within(t, 20*time.Second, "notes", func() { assert.Empty(t, f.open(t).BuildID()) })
}

func TestTablesOfRelocationsAreCounted(t *testing.T) {
	f := &forged{typ: elf.ET_REL}
	nameless := f.add([]byte("\x00.debug_info\x00"))
	f.sections = append(f.sections,
		elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: f.add(make([]byte, 100)), Size: 100},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: nameless, Size: 13},
		elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: f.add(make([]byte, 24)), Size: 24, Link: 2, Entsize: 24})
	for range 200_000 {
		f.sections = append(f.sections, elf.Section64{Type: uint32(elf.SHT_RELA), Info: 1, Link: 3})
	}
	file := f.named(t, 2)
	within(t, 20*time.Second, "tables", func() {
		view, err := file.View(".debug_info")
		require.NoError(t, err)
		require.Equal(t, 100, view.Len())
		assert.ErrorIs(t, view.LoadAll(), object.ErrLimit)
	})
	assert.Equal(t, []object.AddrRange(nil), file.ExecRanges())
	_, _, ok := file.SectionBase(".debug_info")
	assert.False(t, ok)
	assert.Equal(t, model.VirtAddr(0), file.Sections()[1].VirtAddr)
}
