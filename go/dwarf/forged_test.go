package dwarf_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Files of many units whose sections are made by hand. Their code is where that of
// FuzzSections is.

// forged puts sections into a file and opens it.
func forged(t *testing.T, sections map[string][]byte) *dwarf.Data {
	t.Helper()
	var contents [len(fuzzSections)][]byte
	for i, names := range fuzzSections {
		for _, name := range names {
			if content, ok := sections[name]; ok {
				contents[i] = content
			}
		}
	}
	file := assembleSections(binary.LittleEndian, contents)
	object, err := object.NewFile("forged", bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	data, err := dwarf.New(object)
	require.NoError(t, err)
	return data
}

// unitOf is a unit of version 5 with its own abbreviations.
func unitOf(abbrevs int, entries []byte) []byte {
	var f forge
	f.u32(uint32(8+len(entries))).u16(5).u8(1, 8).u32(uint32(abbrevs))
	f.Write(entries)
	return f.Bytes()
}

// resolveOne asks for the first address of a forged file's code.
func resolveOne(data *dwarf.Data) error {
	_, err := data.Resolve([]model.VirtAddr{fuzzTextStart})
	return err
}

// TestUnitsThatCannotBeReadAreReferredTo by units that several workers read: each
// reference is damage, the second one like the first.
func TestUnitsThatCannotBeReadAreReferredTo(t *testing.T) {
	const units = 4000
	var abbrevs, info forge
	abbrevs.uleb(1, 0x11).u8(1).uleb(0x11, 0x01, 0x12, 0x0b, 0, 0)                // compile_unit: low_pc addr, high_pc data1
	abbrevs.uleb(2, 0x2e).u8(0).uleb(0x31, 0x10, 0x11, 0x01, 0x12, 0x0b, 0, 0, 0) // subprogram: abstract_origin ref_addr, range
	var bad forge
	bad.uleb(1, 0x2e).u8(0).uleb(0x03, 0x08, 0, 0, 0) // subprogram: name string
	first, size := abbrevs.Len(), 0
	for i := range units {
		abbrevs.Write(bad.Bytes())
		unit := unitOf(first+i*bad.Len(), []byte{1, 'g', 0})
		size = len(unit)
		info.Write(unit)
	}
	for i := range units {
		var entries forge
		entries.u8(1).u64(fuzzTextStart).u8(0x80)
		for k := range 8 {
			entries.u8(2).u32(uint32((i*7+k*13)%units*size + 12)).u64(fuzzTextStart).u8(0x80)
		}
		info.Write(unitOf(0, entries.u8(0).Bytes()))
	}
	sections := map[string][]byte{".debug_info": info.Bytes(), ".debug_abbrev": abbrevs.Bytes()}
	_, err := forged(t, sections).Extract(4)
	require.ErrorIs(t, err, object.ErrFormat)

	data := forged(t, sections)
	for range 2 {
		frames, err := data.Resolve([]model.VirtAddr{fuzzTextStart})
		require.ErrorIs(t, err, object.ErrFormat)
		require.Len(t, frames[0], 1)
		assert.Empty(t, frames[0][0].Function, "what a unit without a root holds is not known")
	}
}

// allocated is how much memory do asked for, in all.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// lineHeader is a line table of version 5 without opcodes and rows, of what tables
// says of folders and files.
func lineHeader(lineBase byte, tables []byte) []byte {
	var f forge
	f.u32(uint32(14+len(tables))).u16(5).u8(8, 0).u32(uint32(6 + len(tables)))
	f.u8(1, 1, 1, lineBase, 14, 1).Write(tables)
	return f.Bytes()
}

// TestNamesOfSplitFilesAreBounded: each unit has another one, all of them parts of
// one long text.
func TestNamesOfSplitFilesAreBounded(t *testing.T) {
	const units = 20_000
	var abbrevs forge
	abbrevs.uleb(1, 0x11).u8(0).uleb(0x76, 0x0e, 0x10, 0x17, 0, 0, 0) // compile_unit: dwo_name strp, stmt_list sec_offset
	for name, length := range map[string]int{"longer than a path": 70_000, "as long as a path": 4000} {
		random := rand.New(rand.NewPCG(1, 1))
		texts := make([]byte, 0, units+length)
		for i := range units + length {
			texts = append(texts, 'a'+byte(random.IntN(26)))
			if length == 4000 && i%length == length-1 {
				texts[i] = 0
			}
		}
		var info forge
		for i := range uint32(units) {
			info.Write(unitOf(0, new(forge).u8(1).u32(i).u32(0).Bytes()))
		}
		sections := map[string][]byte{
			".debug_info": info.Bytes(), ".debug_abbrev": abbrevs.Bytes(), ".debug_str": append(texts, 0), ".debug_line": lineHeader(1, make([]byte, 4)),
		}
		data := forged(t, sections)
		assert.Less(t, allocated(func() {
			assert.Error(t, resolveOne(data), name)
			_, _ = data.Extract(2)
		}), uint64(400<<20), name)
	}
}

// TestUnitsThatShareALineTable of a million files.
func TestUnitsThatShareALineTable(t *testing.T) {
	const units, files = 300, 1_000_000
	var abbrevs, tables, entries forge
	abbrevs.uleb(1, 0x11).u8(1).uleb(0x10, 0x17, 0x11, 0x01, 0x12, 0x0b, 0, 0)                // stmt_list, range
	abbrevs.uleb(2, 0x2e).u8(0).uleb(0x03, 0x08, 0x3a, 0x0b, 0x11, 0x01, 0x12, 0x0b, 0, 0, 0) // name, decl_file, range
	tables.u8(1).uleb(1, 8, 1).u8('/', 0)
	tables.u8(1).uleb(1, 8, files).Write(bytes.Repeat([]byte("/a\x00"), files))
	entries.u8(1).u32(0).u64(fuzzTextStart).u8(0x80)
	entries.u8(2, 'f', 0, 1).u64(fuzzTextStart).u8(0x80, 0)
	data := forged(t, map[string][]byte{
		".debug_info": bytes.Repeat(unitOf(0, entries.Bytes()), units), ".debug_abbrev": abbrevs.Bytes(), ".debug_line": lineHeader(1, tables.Bytes()),
	})
	assert.Less(t, allocated(func() { assert.NoError(t, resolveOne(data)) }), uint64(300<<20))
}

// TestUnitsAreBoundedByWhatTheFileTakes, not by what it inflates to.
func TestUnitsAreBoundedByWhatTheFileTakes(t *testing.T) {
	var abbrevs, entries forge
	abbrevs.uleb(1, 0x11).u8(0).uleb(0x10, 0x17, 0, 0, 0) // compile_unit: stmt_list sec_offset
	entries.u8(1).u32(0).Write(make([]byte, 15))
	plain := plant(t, map[string][]byte{
		".debug_info": bytes.Repeat(unitOf(0, entries.Bytes()), 1<<20), ".debug_abbrev": abbrevs.Bytes(), ".debug_line": lineHeader(1, make([]byte, 4)),
	})
	path := filepath.Join(t.TempDir(), "packed")
	require.NoError(t, os.WriteFile(path, plain, 0o755))
	command(t, filepath.Dir(path), "objcopy", "--compress-debug-sections=zlib", path)
	packed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, len(packed), len(plain)/100)
	assert.ErrorIs(t, resolveOne(open(t, packed)), object.ErrLimit)
	assert.NotErrorIs(t, resolveOne(open(t, plain)), object.ErrLimit)
}

// TestTablesTakeWhatIsInThem: each unit has its own table of one abbreviation, and
// its own line table.
func TestTablesTakeWhatIsInThem(t *testing.T) {
	const units = 50_000
	var abbrev, info, lines forge
	abbrev.uleb(1, 0x11).u8(0).uleb(0x10, 0x17, 0, 0, 0) // compile_unit: stmt_list sec_offset
	for i := range units {
		info.Write(unitOf(i*abbrev.Len(), new(forge).u8(1).u32(uint32(lines.Len())).Bytes()))
		lines.Write(lineHeader(-byte(i%100), make([]byte, 4)))
	}
	data := forged(t, map[string][]byte{
		".debug_info": info.Bytes(), ".debug_abbrev": bytes.Repeat(abbrev.Bytes(), units), ".debug_line": lines.Bytes(),
	})
	assert.Less(t, allocated(func() { assert.NoError(t, resolveOne(data)) }), uint64(100<<20))
}

// TestUnitThatSpansTheCodeOfAllOthers: each address is in it and in few others.
func TestUnitThatSpansTheCodeOfAllOthers(t *testing.T) {
	const units = 20_000
	var abbrevs, info forge
	abbrevs.uleb(1, 0x11).u8(0).uleb(0x11, 0x01, 0x12, 0x05, 0, 0)                // compile_unit: low_pc addr, high_pc data2
	abbrevs.uleb(2, 0x11).u8(1).uleb(0x11, 0x01, 0x12, 0x05, 0, 0)                // with children
	abbrevs.uleb(3, 0x2e).u8(0).uleb(0x03, 0x08, 0x11, 0x01, 0x12, 0x05, 0, 0, 0) // subprogram: name, range
	info.Write(unitOf(0, new(forge).u8(1).u64(fuzzTextStart).u16(fuzzTextBytes).Bytes()))
	for i := range uint64(units) {
		start := fuzzTextStart + i%fuzzTextBytes
		info.Write(unitOf(0, new(forge).u8(2).u64(start).u16(1).u8(3, 'f', 0).u64(start).u16(1).u8(0).Bytes()))
	}
	data := forged(t, map[string][]byte{".debug_info": info.Bytes(), ".debug_abbrev": abbrevs.Bytes()})
	var addrs []model.VirtAddr
	for i := range model.VirtAddr(fuzzTextBytes) {
		addrs = append(addrs, fuzzTextStart+i)
	}
	known := 0
	require.NoError(t, data.Each(addrs, func(_ int, frames []model.Frame) {
		if len(frames) == 1 && frames[0].Function == "f" {
			known++
		}
	}))
	assert.Equal(t, fuzzTextBytes, known)
}
