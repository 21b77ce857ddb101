package object_test

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// The independent references here are binutils' readelf and nm, and go tool
// buildid.

func open(t testing.TB, path string) *object.File {
	t.Helper()
	file, err := object.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, file.Close()) })
	return file
}

func TestIdentityIsWhatReadelfSays(t *testing.T) {
	path := sharedLibrary(t)
	file := open(t, path)
	notes := run(t, ".", "readelf", "-n", path)
	want := regexp.MustCompile(`Build ID: ([0-9a-f]+)`).FindStringSubmatch(notes)
	require.NotNil(t, want)
	assert.Equal(t, want[1], file.BuildID())
	assert.Empty(t, file.GoBuildID())
	assert.Equal(t, elf.ET_DYN, file.Type())
	assert.True(t, file.PositionIndependent())
	assert.True(t, file.HasDebugInfo())
	assert.Equal(t, 8, file.AddrSize())
	assert.Equal(t, path, file.Path())

	sections := run(t, ".", "readelf", "-SW", path)
	assert.Len(t, file.Sections(), len(regexp.MustCompile(`(?m)^\s+\[\s*\d+\]`).FindAllString(sections, -1)))
	segments := run(t, ".", "readelf", "-lW", path)
	assert.Contains(t, segments, fmt.Sprintf("There are %d program headers", len(file.Segments())))

	comments, err := file.Comments()
	require.NoError(t, err)
	assert.Contains(t, run(t, ".", "readelf", "-p", ".comment", path), comments[0])
}

func TestGoBuildIDIsWhatTheGoToolSays(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/main.go", []byte("package main\nfunc main() {}\n"), 0o644))
	run(t, dir, "go", "build", "-o", "out", "main.go")
	file := open(t, dir+"/out")
	assert.Equal(t, strings.TrimSpace(run(t, dir, "go", "tool", "buildid", "out")), file.GoBuildID())
	assert.NotEmpty(t, file.GoBuildID())
}

func TestDynamicIsWhatReadelfSays(t *testing.T) {
	path := sharedLibrary(t)
	dynamic, ok, err := open(t, path).Dynamic()
	require.NoError(t, err)
	require.True(t, ok)
	table := run(t, ".", "readelf", "-dW", path)
	var needed []string
	for _, match := range regexp.MustCompile(`\(NEEDED\).*\[(.*)\]`).FindAllStringSubmatch(table, -1) {
		needed = append(needed, match[1])
	}
	assert.Equal(t, needed, dynamic.Needed)
	assert.Contains(t, dynamic.Needed, "libm.so.6")
	assert.Equal(t, "libunit.so.3", dynamic.Soname)
	assert.Equal(t, []string{"$ORIGIN/lib", "/opt/lib"}, append(dynamic.Rpath, dynamic.Runpath...))
	assert.True(t, dynamic.NoDelete)
	assert.False(t, dynamic.TextRelocations)

	_, ok, err = open(t, freestandingProgram(t)).Dynamic()
	require.NoError(t, err)
	assert.False(t, ok, "a static program")
}

// nmFunctions reads the output of nm -S: name to address and size.
func nmFunctions(t *testing.T, output string) map[string][2]uint64 {
	t.Helper()
	functions := map[string][2]uint64{}
	for lines := bufio.NewScanner(strings.NewReader(output)); lines.Scan(); {
		var addr, size uint64
		var kind, name string
		if n, _ := fmt.Sscanf(lines.Text(), "%x %x %1s %s", &addr, &size, &kind, &name); n == 4 && strings.ContainsAny(kind, "tTwW") {
			functions[name] = [2]uint64{addr, size}
		}
	}
	return functions
}

func TestFunctionSymbolsAreWhatNmSays(t *testing.T) {
	path := sharedLibrary(t)
	table, err := open(t, path).FunctionSymbols()
	require.NoError(t, err)
	assert.Equal(t, ".symtab", table.Source)
	want := nmFunctions(t, run(t, ".", "nm", "-S", path))
	require.Contains(t, want, "hidden")
	for name, place := range want {
		for _, addr := range []uint64{place[0], place[0] + place[1] - 1} {
			symbol, ok := table.Lookup(model.VirtAddr(addr))
			assert.True(t, ok, "%s at 0x%x", name, addr)
			assert.Equal(t, name, symbol.Name)
		}
	}
	_, ok := table.Lookup(1)
	assert.False(t, ok)

	stripped := t.TempDir() + "/stripped"
	run(t, ".", "strip", "-o", stripped, path)
	table, err = open(t, stripped).FunctionSymbols()
	require.NoError(t, err)
	assert.Equal(t, ".dynsym", table.Source)
	_, ok = table.Lookup(model.VirtAddr(want["hidden"][0]))
	assert.False(t, ok, "a static function is gone with .symtab")
	symbol, ok := table.Lookup(model.VirtAddr(want["visible"][0] + 1))
	assert.True(t, ok)
	assert.Equal(t, "visible", symbol.Name)
	assert.False(t, open(t, stripped).HasDebugInfo())
}

func TestSymbolsWithoutSizeEndAtTheirSection(t *testing.T) {
	path := compile(t, `__asm__(".text\n.globl first\nfirst: nop\nnop\n.globl second\nsecond: nop\n");`,
		"gcc", "-shared", "-fPIC", "-nostdlib")
	table, err := open(t, path).FunctionSymbols()
	require.NoError(t, err)
	first, ok := table.Lookup(table.At(0).VirtAddr + 1)
	require.True(t, ok)
	assert.Equal(t, "first", first.Name)
	second := table.At(table.Len() - 1)
	assert.Equal(t, "second", second.Name)
	_, ok = table.Lookup(second.VirtAddr + 1)
	assert.False(t, ok, "behind .text")
}

func TestAddressSanitizerIsSeen(t *testing.T) {
	source := "int main(int argc, char **argv) { return argv[argc - 1][0]; }"
	for _, test := range []struct {
		name  string
		flags []string
		want  object.Sanitizer
	}{
		{"plain", nil, object.Sanitizer{}},
		{"shared runtime", []string{"-fsanitize=address", "-shared-libasan"}, object.Sanitizer{Instrumented: true}},
		{"static runtime", []string{"-fsanitize=address"}, object.Sanitizer{Runtime: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := open(t, compile(t, source, append([]string{"clang-19"}, test.flags...)...)).AddressSanitizer()
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestCompressedSectionsAreWhatTheyWereBefore(t *testing.T) {
	plain := sharedLibrary(t)
	want, err := open(t, plain).Data(".debug_info")
	require.NoError(t, err)
	require.NotEmpty(t, want)
	for _, kind := range []string{"zlib-gabi", "zlib-gnu", "zstd"} {
		packed := t.TempDir() + "/packed"
		tool := []string{"objcopy", "--compress-debug-sections=" + kind}
		if kind == "zstd" {
			tool = []string{"llvm-objcopy-19", "--compress-debug-sections=zstd"}
		}
		run(t, ".", append(tool, plain, packed)...)
		file := open(t, packed)
		assert.True(t, file.HasDebugInfo(), kind)
		got, err := file.Data(".debug_info")
		require.NoError(t, err, kind)
		assert.Equal(t, want, got, kind)
	}
}

func TestMissingSectionIsNoError(t *testing.T) {
	data, err := open(t, freestandingProgram(t)).Data(".no_such")
	require.NoError(t, err)
	assert.Nil(t, data)
}
