package dwarf_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

// Debug information made by hand, where few bytes ask for much work. Each file
// must be read in the time of its bytes.

// forge is a little-endian writer of DWARF.
type forge struct{ bytes.Buffer }

func (f *forge) u8(values ...byte) *forge { f.Write(values); return f }
func (f *forge) u16(v uint16) *forge {
	f.Write(binary.LittleEndian.AppendUint16(nil, v))
	return f
}
func (f *forge) u32(v uint32) *forge {
	f.Write(binary.LittleEndian.AppendUint32(nil, v))
	return f
}
func (f *forge) u64(v uint64) *forge {
	f.Write(binary.LittleEndian.AppendUint64(nil, v))
	return f
}
func (f *forge) uleb(values ...uint64) *forge {
	for _, v := range values {
		f.Write(binary.AppendUvarint(nil, v))
	}
	return f
}

// unit wraps entries into a unit of version 5, 8-byte addresses.
func unit(entries []byte) []byte {
	var f forge
	f.u32(uint32(8+len(entries))).u16(5).u8(1, 8).u32(0)
	f.Write(entries)
	return f.Bytes()
}

// plant replaces sections of a small program.
func plant(t *testing.T, sections map[string][]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(path, program(t, "gcc", "-gdwarf-5", "-O2"), 0o755))
	command := []string{}
	for name, content := range sections {
		file := filepath.Join(dir, name[1:])
		require.NoError(t, os.WriteFile(file, content, 0o644))
		command = append(command, "--remove-section="+name, "--add-section="+name+"="+file)
	}
	// One tool call removes, another adds: objcopy does not do both to a name.
	for _, flag := range []string{"--remove-section", "--add-section"} {
		var flags []string
		for _, f := range command {
			if bytes.HasPrefix([]byte(f), []byte(flag)) {
				flags = append(flags, f)
			}
		}
		output, err := exec.Command("objcopy", append(flags, path)...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// readWithin fails the test where content is not read to its end.
func readWithin(t *testing.T, content []byte) (lines int, err error) {
	t.Helper()
	addrs := codeAddrs(t, content)
	done := make(chan struct{})
	go func() { defer close(done); lines, err = resolve(content, addrs[:min(len(addrs), 8)]) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		require.FailNow(t, "it hangs")
	}
	return lines, err
}

// textRange is the range of .text of the planted program.
func textRange(t *testing.T) (start, size uint64) {
	t.Helper()
	file, err := object.NewFile("program", bytes.NewReader(program(t, "gcc", "-O2")), int64(len(program(t, "gcc", "-O2"))))
	require.NoError(t, err)
	ranges := file.ExecRanges()
	require.NotEmpty(t, ranges)
	return uint64(ranges[0].Start), uint64(ranges[0].End - ranges[0].Start)
}

// root is the abbreviation 1 of a unit with children and a range, and its entry.
func root(t *testing.T) (abbrev, entry []byte) {
	t.Helper()
	start, size := textRange(t)
	var a, e forge
	a.uleb(1, 0x11).u8(1).uleb(0x11, 0x01, 0x12, 0x07, 0, 0) // compile_unit: low_pc addr, high_pc data8
	e.uleb(1).u64(start).u64(size)
	return a.Bytes(), e.Bytes()
}

func TestAttributesWithoutBytesAreBounded(t *testing.T) {
	abbrev, entries := root(t)
	a := forge{}
	a.Write(abbrev)
	a.uleb(2, 0x34).u8(0).uleb(0x1c, 0x0f) // const_value: udata
	for range 400_000 {
		a.uleb(0x3f, 0x19) // external: flag_present
	}
	a.uleb(0, 0, 0)
	entries = append(entries, bytes.Repeat([]byte{2, 2}, 1<<20)...)
	// Attributes that take no bytes cost nothing: they are not in the compiled
	// abbreviation.
	_, err := readWithin(t, plant(t, map[string][]byte{".debug_info": unit(entries), ".debug_abbrev": a.Bytes()}))
	assert.NoError(t, err)
}

func TestSharedRangeListsAreBounded(t *testing.T) {
	start, _ := textRange(t)
	abbrev, entries := root(t)
	a, e, ranges := forge{}, forge{}, forge{}
	a.Write(abbrev)
	a.uleb(2, 0x2e).u8(0).uleb(0x55, 0x17, 0, 0, 0) // subprogram: ranges sec_offset
	e.Write(entries)
	for range 200_000 {
		e.uleb(2).u32(0)
	}
	ranges.u8(5).u64(start)
	for range 300_000 {
		ranges.u8(4).uleb(0, 1)
	}
	ranges.u8(0)
	_, err := readWithin(t, plant(t, map[string][]byte{
		".debug_info": unit(e.Bytes()), ".debug_abbrev": a.Bytes(), ".debug_rnglists": ranges.Bytes()}))
	assert.ErrorIs(t, err, object.ErrLimit)
}

func TestReferencesInACircleEnd(t *testing.T) {
	start, size := textRange(t)
	abbrev, entries := root(t)
	a, e := forge{}, forge{}
	a.Write(abbrev)
	// subprogram: low_pc addr, high_pc data8, abstract_origin ref4
	a.uleb(2, 0x2e).u8(0).uleb(0x11, 0x01, 0x12, 0x07, 0x31, 0x13, 0, 0, 0)
	e.Write(entries)
	self := uint32(12 + len(entries))
	e.uleb(2).u64(start).u64(size).u32(self).u8(0)
	_, err := readWithin(t, plant(t, map[string][]byte{".debug_info": unit(e.Bytes()), ".debug_abbrev": a.Bytes()}))
	assert.NoError(t, err)
}

func TestInliningWithoutEndIsBounded(t *testing.T) {
	start, size := textRange(t)
	abbrev, entries := root(t)
	a, e := forge{}, forge{}
	a.Write(abbrev)
	a.uleb(2, 0x2e).u8(1).uleb(0x11, 0x01, 0x12, 0x07, 0, 0)
	a.uleb(3, 0x1d).u8(1).uleb(0x11, 0x01, 0x12, 0x07, 0, 0, 0)
	e.Write(entries)
	e.uleb(2).u64(start).u64(size)
	for range 100_000 {
		e.uleb(3).u64(start).u64(size)
	}
	_, err := readWithin(t, plant(t, map[string][]byte{".debug_info": unit(e.Bytes()), ".debug_abbrev": a.Bytes()}))
	assert.NoError(t, err)
}

func TestFileTableThatCountsWithoutBytes(t *testing.T) {
	for _, count := range []uint64{1000, 1 << 60} {
		fileTables(t, count)
	}
}

func fileTables(t *testing.T, count uint64) {
	t.Helper()
	for name, formats := range map[string][]uint64{
		"no format": {}, "flag_present": {1, 0x19}, "implicit_const": {1, 0x21}, "indirect": {1, 0x16}, "unknown": {1, 0x7777},
	} {
		start, size := textRange(t)
		var a, e, line forge
		a.uleb(1, 0x11).u8(0).uleb(0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0, 0, 0) // and stmt_list
		e.uleb(1).u64(start).u64(size).u32(0)
		var tail forge
		tail.u8(1, 1, 1, 0xfb, 14, 1) // no standard opcodes
		tail.u8(byte(len(formats) / 2)).uleb(formats...).uleb(count)
		tail.Write(make([]byte, 64))
		// A row for the start of the code: only then a file is asked for.
		var rows forge
		rows.u8(0, 9, 2).u64(start).u8(6, 244).u8(0, 1, 1)
		line.u32(uint32(8+tail.Len()+rows.Len())).u16(5).u8(8, 0).u32(uint32(tail.Len()))
		line.Write(tail.Bytes())
		line.Write(rows.Bytes())
		_, err := readWithin(t, plant(t, map[string][]byte{".debug_info": unit(e.Bytes()), ".debug_abbrev": a.Bytes(), ".debug_line": line.Bytes()}))
		assert.ErrorIs(t, err, object.ErrFormat, name)
		assert.ErrorContains(t, err, "file table", name)
	}
}

func TestUnitLengthsAreChecked(t *testing.T) {
	for _, info := range [][]byte{
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5, 0, 1, 8},
		{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x80, 5, 0, 1, 8},
		{0xf5, 0xff, 0xff, 0xff, 5, 0, 1, 8, 0, 0, 0, 0},
		bytes.Repeat([]byte{0, 0, 0, 0}, 1<<18),
	} {
		_, err := readWithin(t, plant(t, map[string][]byte{".debug_info": info}))
		assert.ErrorIs(t, err, object.ErrFormat)
	}
}
