package dwarf_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// fuzzSections are what FuzzSections changes, one argument each; those of both
// generations of the format share one.
var fuzzSections = [6][]string{
	{".debug_info"},
	{".debug_abbrev"},
	{".debug_line"},
	{".debug_ranges", ".debug_rnglists"},
	{".debug_addr", ".debug_str_offsets", ".debug_aranges"},
	{".debug_str", ".debug_line_str"},
}

// fuzzText is where the code of FuzzSections lies.
const (
	fuzzTextStart = 0x1000
	fuzzTextBytes = 0x1000
)

// assembleSections puts sections into an ELF file (gABI, chapter 4), so that the
// fuzzer need not find out how one is made.
func assembleSections(order binary.ByteOrder, contents [len(fuzzSections)][]byte) []byte {
	const headerBytes, entryBytes = 64, 64
	var names, body, table bytes.Buffer
	put := func(values ...any) {
		for _, value := range values {
			_ = binary.Write(&table, order, value) // a Buffer takes all
		}
	}
	add := func(name string, typ elf.SectionType, flags elf.SectionFlag, addr uint64, data []byte) {
		put(uint32(names.Len()), uint32(typ), uint64(flags), addr)
		put(uint64(headerBytes+body.Len()), uint64(len(data)), uint32(0), uint32(0), uint64(1), uint64(0))
		names.WriteString(name + "\x00")
		body.Write(data)
	}
	add("", elf.SHT_NULL, 0, 0, nil)
	add(".text", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_EXECINSTR, fuzzTextStart, make([]byte, fuzzTextBytes))
	count := uint16(3)
	for i, data := range contents {
		for _, name := range fuzzSections[i] {
			add(name, elf.SHT_PROGBITS, 0, 0, data)
			count++
		}
	}
	add(".shstrtab", elf.SHT_STRTAB, 0, 0, append(names.Bytes(), ".shstrtab\x00"...))

	head := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	if order == binary.ByteOrder(binary.BigEndian) {
		head[5] = byte(elf.ELFDATA2MSB)
	}
	file := bytes.NewBuffer(head)
	for _, value := range []any{
		uint16(elf.ET_EXEC), uint16(elf.EM_X86_64), uint32(1), uint64(fuzzTextStart), uint64(0), uint64(headerBytes + body.Len()),
		uint32(0), uint16(headerBytes), uint16(0), uint16(0), uint16(entryBytes), count, count - 1,
	} {
		_ = binary.Write(file, order, value)
	}
	file.Write(body.Bytes())
	file.Write(table.Bytes())
	return file.Bytes()
}

// seedSections are the sections of a real program, moved to where the code of
// FuzzSections lies as far as an address is in them by itself.
func seedSections(t testing.TB, content []byte) (order binary.ByteOrder, sections [len(fuzzSections)][]byte) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	text := file.Section(".text")
	require.NotNil(t, text)
	for i, names := range fuzzSections {
		for _, name := range names {
			if section := file.Section(name); section != nil && len(sections[i]) == 0 {
				sections[i], err = section.Data()
				require.NoError(t, err)
			}
		}
	}
	require.NotEmpty(t, sections[0])
	old, moved := make([]byte, 8), make([]byte, 8)
	file.ByteOrder.PutUint64(old, text.Addr)
	file.ByteOrder.PutUint64(moved, fuzzTextStart)
	for i := range sections {
		sections[i] = bytes.ReplaceAll(sections[i], old, moved)
	}
	return file.ByteOrder, sections
}

// FuzzSections changes one debug section at a time: units and their entries,
// abbreviations, line programs, ranges, addresses and texts.
func FuzzSections(f *testing.F) {
	lines := 0
	for _, content := range programs(f) {
		order, s := seedSections(f, content)
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5], order == binary.ByteOrder(binary.BigEndian))
		found, _ := resolve(assembleSections(order, s), fuzzAddrs())
		lines += found
	}
	require.Positive(f, lines, "the seeds are read as far as their lines")
	f.Fuzz(func(t *testing.T, info, abbrevs, line, ranges, addrs, texts []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		content := assembleSections(order, [...][]byte{info, abbrevs, line, ranges, addrs, texts})
		file, err := object.NewFile("sections", bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		data, err := dwarf.New(file)
		if err != nil {
			return
		}
		_ = data.Each(fuzzAddrs(), func(_ int, frames []model.Frame) {
			for i := range frames {
				require.Equal(t, i < len(frames)-1, frames[i].Inlined)
				require.GreaterOrEqual(t, frames[i].Line, 0)
			}
		})
		_, _ = data.Extract(1)
	})
}

func fuzzAddrs() []model.VirtAddr {
	addrs := []model.VirtAddr{0}
	for addr := model.VirtAddr(fuzzTextStart); addr <= fuzzTextStart+fuzzTextBytes; addr += 3 {
		addrs = append(addrs, addr)
		if len(addrs) > 100 {
			addr += 61
		}
	}
	return append(addrs, ^model.VirtAddr(0))
}
