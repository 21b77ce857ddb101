package dwarf_test

import (
	"bytes"
	"encoding/binary"
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
