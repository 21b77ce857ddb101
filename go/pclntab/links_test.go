package pclntab_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// What linkers and strippers do to Go programs. Each file is compared with one
// that has symbols and the same code at the same addresses.

func archive(t testing.TB, release string) string {
	return goBuild(t, release, "archive.a", "library", withCgo, "-buildmode=c-archive")
}

// adopt links Go's archive into a C library, as a Rust cdylib does.
func adopt(t testing.TB, release, kind string, command ...string) string {
	command = append(command, "-shared", "-Wl,--gc-sections", "-Wl,--whole-archive", archive(t, release), "-Wl,--no-whole-archive", "-lpthread", "-o", "OUT")
	return makeFixture(t, release+"-"+kind+".so", withCgo, command...)
}

var lld = []string{"clang-19", "-fuse-ld=lld-19", "-Wl,--no-apply-dynamic-relocs"}

// external leaves the last link to a linker that puts code and constants into
// one segment, as older ones do.
func external(t testing.TB, release string) string {
	return goBuild(t, release, "external", "library", withCgo, "-ldflags=-linkmode=external -extldflags=-Wl,-z,noseparate-code")
}

func TestOddLinks(t *testing.T) {
	for _, test := range []struct {
		name string
		path string
	}{
		{"archive in a C library, bfd", adopt(t, "go1.24.13", "adopted", "gcc")},
		{"archive in a C library, lld", adopt(t, "go1.24.13", "lld", lld...)},
		{"archive in a C library, 1.26, lld", adopt(t, "go1.26.11", "lld", lld...)},
		{"packed relocations", adopt(t, "go1.23.12", "relr", append(lld, "-Wl,-z,pack-relative-relocs")...)},
		{"packed relocations, 1.26", adopt(t, "go1.26.11", "relr", append(lld, "-Wl,-z,pack-relative-relocs")...)},
		{"linked externally", external(t, "go1.25.14")},
		{"linked externally, 1.26", external(t, "go1.26.11")},
		{"without Go build ID", goBuild(t, "go1.25.14", "nobuildid", "library", withCgo, "-buildmode=c-shared", "-ldflags=-buildid=")},
		{"reproducible", goBuild(t, "local", "trimpath", "program", nil, "-trimpath", "-buildvcs=false")},
	} {
		t.Run(test.name, func(t *testing.T) {
			agreeWithGosym(t, test.path, test.path, 47)
			agreeWithGosym(t, stripped(t, test.path), test.path, 47)
			agreeWithGosym(t, headless(t, stripped(t, test.path)), test.path, 101)
		})
	}
}

// headless cuts the section headers off, as sstrip does.
func headless(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	clear(content[0x28:0x30]) // e_shoff
	clear(content[0x3a:0x40]) // e_shentsize, e_shnum, e_shstrndx
	target := filepath.Join(t.TempDir(), filepath.Base(path))
	require.NoError(t, os.WriteFile(target, content, 0o755))
	return target
}

// The fixtures have what they are meant to have: pointers to the table that are
// zero in the file, and such that no relocation with an addend tells of.
func TestOddLinksAreOdd(t *testing.T) {
	count := func(path string, tag elf.DynTag) int {
		file, err := elf.Open(path)
		require.NoError(t, err)
		defer file.Close()
		values, err := file.DynValue(tag)
		require.NoError(t, err)
		return len(values)
	}
	const tagRelr = elf.DynTag(36) // DT_RELR
	assert.Equal(t, 1, count(adopt(t, "go1.23.12", "relr", append(lld, "-Wl,-z,pack-relative-relocs")...), tagRelr))
	zeroed := adopt(t, "go1.26.11", "lld", lld...)
	assert.Zero(t, count(zeroed, tagRelr))
	file, err := elf.Open(zeroed)
	require.NoError(t, err)
	defer file.Close()
	section := file.Section(".gopclntab")
	require.NotNil(t, section)
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 {
			data, err := io.ReadAll(p.Open())
			require.NoError(t, err)
			assert.NotContains(t, string(data), string(binary.LittleEndian.AppendUint64(nil, section.Addr)))
		}
	}

	code, err := elf.Open(external(t, "go1.25.14"))
	require.NoError(t, err)
	defer code.Close()
	table := code.Section(".gopclntab")
	require.NotNil(t, table)
	assert.True(t, inCode(code, table.Addr), "the table lies beside code")
}

func inCode(file *elf.File, addr uint64) bool {
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr < p.Vaddr+p.Filesz {
			return true
		}
	}
	return false
}

// A program that holds another one's file finds its own table.
func TestEmbeddedProgramIsNotTaken(t *testing.T) {
	inner, err := os.ReadFile(program(t, "go1.23.12"))
	require.NoError(t, err)
	dir := filepath.Join(filepath.Dir(program(t, "go1.23.12")), "embedding")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "inner"), inner, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(`package main

import (
	_ "embed"
	"words/work"
)

//go:embed inner
var inner string

func main() { println(len(inner), work.Run(nil)) }
`), 0o644))
	path := goBuild(t, "local", "outer", "embedding", nil)
	agreeWithGosym(t, headless(t, stripped(t, path)), path, 47)
}

func TestFilesOfOthersAreSearchedForNothing(t *testing.T) {
	for _, path := range []string{
		makeFixture(t, "plain.so", nil, "gcc", "-shared", "-o", "OUT", "-xc", os.DevNull),
		headless(t, makeFixture(t, "plain.so", nil)),
	} {
		file, err := object.Open(path)
		require.NoError(t, err)
		defer file.Close()
		_, err = pclntab.Open(file)
		assert.ErrorIs(t, err, pclntab.ErrNoTable)
		assert.ErrorContains(t, err, path)
	}
}

// A debug file (objcopy --only-keep-debug) has the headers of the table without
// its contents.
func TestDebugFileHasNoTable(t *testing.T) {
	path := makeFixture(t, "only.debug", nil, "objcopy", "--only-keep-debug", program(t, "local"), "OUT")
	file, err := object.Open(path)
	require.NoError(t, err)
	defer file.Close()
	_, err = pclntab.Open(file)
	assert.ErrorIs(t, err, pclntab.ErrNoTable)
}

func TestOlderReleasesAreRefusedByName(t *testing.T) {
	content, err := os.ReadFile(program(t, "local"))
	require.NoError(t, err)
	reference, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	table := reference.Section(".gopclntab")
	for _, magic := range []uint32{0xfffffff0, 0xfffffffa, 0xfffffffb} {
		binary.LittleEndian.PutUint32(content[table.Offset:], magic)
		file, err := object.NewFile("old", bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		_, err = pclntab.Open(file)
		require.ErrorIs(t, err, pclntab.ErrVersion)
		var located *object.Error
		require.ErrorAs(t, err, &located)
		assert.Equal(t, int64(table.Offset), located.OffsetBytes)
		assert.ErrorContains(t, err, "old: offset 0x")
	}
}
