package compat_test

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
)

// workplace is a folder with the files that lines name: an object, a text, an
// empty file, response files.
func workplace(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	object, err := os.ReadFile(fixture(t, "c-symbols"))
	require.NoError(t, err)
	for name, content := range map[string]string{
		"t": string(object), "with space": string(object), "text": "no object\n", "empty": "", "short": string(object[:40]),
		"one": "-e t 0x1040", "two": `-f "-e" 't' 0x10\40 @three`, "three": "0x1041\n\n 0x1042", "loop": "@none",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	run(t, dir, "ar", "rc", "lib.a", "t")
	run(t, dir, "mkfifo", "fifo")
	return dir
}

// same asserts that a call does what the original does: standard output,
// standard error and status.
func same(t *testing.T, program compat.Program, dir, input string, args ...string) {
	t.Helper()
	want, got := original(t, program, dir, input, args...), ours(t, program, dir, input, args...)
	// The usage that follows an error is our own.
	if at := strings.Index(want.err, "Usage: "); at >= 0 {
		want.err, got.err, _ = want.err[:at], got.err[:max(0, strings.Index(got.err, "Usage: "))], true
	}
	alike(t, want, got, "%s %q", originals[program], args)
}

// alike asserts that two outcomes are equal, and shows where they part.
func alike(t *testing.T, want, got outcome, format string, args ...any) {
	t.Helper()
	call := fmt.Sprintf(format, args...)
	assert.Equal(t, want.status, got.status, call)
	for _, stream := range [][2]string{{want.out, got.out}, {want.err, got.err}} {
		wanted, gotten := strings.Split(stream[0], "\n"), strings.Split(stream[1], "\n")
		if first := firstOf(wanted, gotten); stream[0] != stream[1] {
			assert.Fail(t, "outputs part", "%s\n%.600s", call, first)
		}
	}
}

// odd are lines as nobody writes them.
var odd = []string{
	"CODE ./t 0x1160", "t 0x1040", `"t" 4160`, "'t' 0x1040", "0x1040", "t zz", "t outer", "t outer+4", "t outer+", "t +5", "t -5",
	"t outer+0x4", "t main", "CODE t outer", "BUILDID:abc 1", "BUILDID: 12 5", "BUILDID:zz 1", "BUILDID:", "FILE:", "FILE:t 0x1040", "FILE: t 0x1040",
	"FILE:t FILE:t 1", "FILE:FILE:t 1", "BUILDID:FILE:t 1", `FILE:"t 1`, "CODE t", "CODE", "CODE ", "DATA", "DATA t", "DATA t 0x2000",
	"DATA t 0x123456789", "DATA nofile 1", "FRAME t 0", "FRAME nofile 0", "t 0x1040 0x1050", "./nofile 0x12", "./nofile 0x13", "/ 0x1", "text 0x1", "empty 1",
	"t 01160", "t 0b101", "t 0o17", "t 0x", "t 0X1040", "t 1x", `"t 0x1040`, `"with space" 0x1040`, "'with space' 0x1040", "with space 0x1040",
	"  ", "   t    0x1040   ", "SYMBOL t outer", "t 0xffffffffffffffff", "t 0xffffffffffffffffff", "t 18446744073709551615", "t 18446744073709551616",
	"t\t0x1040", "\tt 0x1040", "t \x00 0x1040", "\x00", "t 0x1040\r", "\r", "t 0x1040\x0b", "", strings.Repeat("x", 2100), "t " + strings.Repeat("0", 1100) + "1040",
	"lib.a", "1040", "0X1041", "dead", "-1", "+1040", "zz", "1040x", " 1040", "10 40", "outer", "outer+4", " outer + 0x4 zz", "outer+010", "+10", "+0x10", "x+4", "beef+4", "printf", "visible_name", "_start+", "outer-4", "abort@plt", "11111111111111111111111", "CODE 1040",
}

func TestOddLines(t *testing.T) {
	dir := workplace(t)
	input := strings.Join(odd, "\n") + "\n" + "t 0x1040" // without a line feed
	for _, program := range llvmPrograms {
		// Not -a with -e: llvm 19 prints an address from memory that nobody set
		// for a symbol that is not there.
		for _, options := range [][]string{{}, {"-a"}, {"--output-style=GNU", "-f"}, {"--output-style=LLVM", "--no-inlines"}, {"-e", "t"}, {"-e", "t", "--adjust-vma=4"}} {
			same(t, program, dir, input, options...)
		}
		same(t, program, dir, "1\n\nCODE 1\nt 1\n", "--build-id=1234")
		// Carriage returns are dropped from lines, not from arguments.
		same(t, program, dir, "", "t 0x1040\r", "\rt 0x1040", "t\r0x1040", "t 0x10\r40", "\r", "t zz\r")
	}
	for _, options := range [][]string{{"-fe", "t"}, {"-aife", "t"}, {"-apfe", "t"}, {"-e", "t", "-j", ".text", "-a", "-f"}} {
		same(t, compat.GNUAddr2line, dir, input, options...)
	}
}

func TestOddLinesInJSON(t *testing.T) {
	dir := workplace(t)
	input := strings.Join(odd, "\n") + "\n"
	for _, options := range [][]string{{}, {"-p"}, {"--no-inlines"}} {
		options = append(options, "--output-style=JSON")
		want := original(t, compat.LLVMSymbolizer, dir, input, options...)
		got := ours(t, compat.LLVMSymbolizer, dir, input, options...)
		want.out, got.out = withoutStarts(want.out), withoutStarts(got.out)
		alike(t, want, got, "%q", options)
	}
	args := append([]string{"--output-style=JSON", "-e", "t"}, "0x1040", "zz", "outer", "0x0", "\x01\"\\\xff\t")
	assert.Equal(t, original(t, compat.LLVMSymbolizer, dir, "", args...), ours(t, compat.LLVMSymbolizer, dir, "", args...))
	// Characters that are cut off, too long, or none.
	args = []string{"--output-style=JSON"}
	for _, text := range []string{"a\xe2\x82", "\xe2\x82b", "\xf0\x9f\x98x", "\xf0\x90(\xbc", "\xe2\xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80", "\xf0\x9f\x98\x9f\x98", "\xc2", "é€"} {
		args = append(args, "zz"+text+" 1")
	}
	assert.Equal(t, original(t, compat.LLVMSymbolizer, dir, "", args...), ours(t, compat.LLVMSymbolizer, dir, "", args...))
	args = []string{"--output-style=JSON", "DATA t visible_name", "FRAME t main", "DATA t main+4", "DATA t none"}
	assert.Equal(t, original(t, compat.LLVMSymbolizer, dir, "", args...), ours(t, compat.LLVMSymbolizer, dir, "", args...))
	args = []string{"--output-style=JSON", "-p", "t 0x1040", "nofile 1", "nofile 2", "DATA nofile 1"}
	assert.Equal(t, original(t, compat.LLVMSymbolizer, dir, "", args...), ours(t, compat.LLVMSymbolizer, dir, "", args...))
}

// Data has its source file where the symbol table tells it, and its line where
// debug information does.
func TestData(t *testing.T) {
	dir := workplace(t)
	for _, options := range [][]string{{}, {"-a"}, {"-p"}, {"--output-style=JSON"}, {"--output-style=GNU"}, {"--no-demangle"}} {
		same(t, compat.LLVMSymbolizer, dir, dataLines(t, filepath.Join(dir, "t"), "t"), options...)
	}
	got := ours(t, compat.LLVMSymbolizer, dir, dataLines(t, filepath.Join(dir, "t"), "t"))
	assert.Contains(t, got.out, "hidden_table\n")
	assert.Contains(t, got.out, "main.c:0\n")
	for _, name := range []string{"c-clang", "c-clang4", "c-plain"} {
		path := fixture(t, name)
		same(t, compat.LLVMSymbolizer, filepath.Dir(path), dataLines(t, path, path))
	}
	// gcc writes the file as DW_FORM_implicit_const here, of which llvm 19 makes
	// nothing; the debug information is in a file of its own.
	path := fixture(t, "c-separate")
	got = ours(t, compat.LLVMSymbolizer, filepath.Dir(path), dataLines(t, path, path))
	assert.Contains(t, got.out, "/src/main.c:8\n")
	// Of many files one is open at a time.
	got = ours(t, compat.LLVMSymbolizer, dir, strings.Repeat("DATA t 0x4000\nDATA "+path+" 0x4000\n", 20))
	assert.Equal(t, 40, strings.Count(got.out, "\n\n"))
}

// dataLines ask for all symbols of a file, at both their ends.
func dataLines(t *testing.T, path, name string) string {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	var input strings.Builder
	for _, symbol := range symbols {
		if elf.ST_TYPE(symbol.Info) != elf.STT_FILE && symbol.Section != elf.SHN_UNDEF {
			for _, addr := range []uint64{symbol.Value, symbol.Value + 1, symbol.Value + symbol.Size} {
				fmt.Fprintf(&input, "DATA %s %#x\n%s %d\n", name, addr, name, addr)
			}
		}
	}
	return input.String()
}

func TestLLVMOptions(t *testing.T) {
	dir := workplace(t)
	for _, line := range []string{
		"-e t 0x1040", "--exe t 0x1040", "--exe=t 0x1040", "-et 0x1040", "-e=t 0x1040", "-obj=t 0x1040", "--obj t 0x1040", "-fie t 0x1040",
		"-fshort -e t 0x1040", "-f=short -e t 0x1040", "--functions short -e t 0x1040", "--functions=bogus -e t 0x1040", "--functions=none --functions=short -e t 0x1040",
		"-f --functions=none -e t 0x1040", "--bogus", "-z", "-ez 1", "-pe t 0x1040", "-iz -e t 0x1040", "--adjust-vma=0x10 -e t 0x1050",
		"--adjust-vma=zz -e t 1", "--adjust-vma=-1 -e t 1", "--adjust-vma -e t 1", "--inlining=false -e t 0x1040", "-inlining=true -e t 0x1040",
		"-demangle=false -e t 0x1040", "--demangle=false -e t 0x1040", "-e", "--obj", "--obj=", "--obj=nofile 1", "--obj=text 1", "--obj=empty 1", "-e / 1",
		"--output-style=JSON --obj=nofile 1", "--output-style JSON --obj=text 1", "--output-style=other -e t 0x1040", "--build-id=12 -e t 1", "--build-id=zz 1",
		"--build-id=12 1", "--build-id=12 1 2", "--build-id= 1", "-a -e t 0x1040", "-ap -e t 0x1040", "-e t -- -1", "--dsym-hint=x -e t 1", "--dsym-hint=x.dSYM -e t 1",
		"--no-untag-addresses --untag-addresses --relative-address -e t 0x1040", "--use-native-pdb-reader", "--dia -e t 0x1040", "--cache-size=zz -e t 1",
		"--cache-size=1 -e t 0x1040", "--inlines=x -e t 1", "-C=x -e t 1", "-C -e t 0x1040", "--print-address -e t 1", "--skip-line-zero -e t 1", "--demangl", "--ob=t",
		"--inline", "--verbos", "-demangle=tru", "--color=x -e t 1", "--color -e t 1", "--default-arch=x86_64 -e t 0x1040", "--fallback-debug-path /x --debug-file-directory=/y -e t 0x1040",
		"-e t -", "-e t --obj=nofile 1", "--obj=nofile -e t 0x1040", "@one", "@two", "@three -e t", "@nofile -e t", "@loop -e t", "-s -e t 0x1040",
		"--basenames --relativenames -e t 0x1040", "--print-source-context-lines=x -e t 1", "--print-source-context-lines=-1 -e t 0x1040", "--no-debuginfod -e t 0x1040", "-i -e t 0x1040",
	} {
		same(t, compat.LLVMSymbolizer, dir, "0x1041\n", strings.Fields(line)...)
	}
	for _, line := range []string{"-e t 1040", "-fCie t 0x1040", "-e t -a 1040 zz", "--bogus", "-e", "--obj=nofile 1", "--inlines --functions=short -e t 1040"} {
		same(t, compat.LLVMAddr2line, dir, "1041\n", strings.Fields(line)...)
	}
	t.Setenv("LLVM_SYMBOLIZER_OPTS", `-e 't' --output-style=GNU`)
	same(t, compat.LLVMSymbolizer, dir, "", "0x1040")
	t.Setenv("LLVM_ADDR2LINE_OPTS", `-fe "t"`)
	same(t, compat.LLVMAddr2line, dir, "", "1040")
}

func TestGNUOptions(t *testing.T) {
	dir := workplace(t)
	for _, line := range []string{
		"-e t 0x1040", "--exe t 0x1040", "--exe=t 0x1040", "-et 0x1040", "-fie t 0x1040", "-f -e t 0x1040", "--functions=x -e t 1", "--func -e t 0x1040",
		"--func=x -e t 1", "--b -e t 1", "--s .text -e t 1", "--re -e t 1040", "--no -e t 1040", "--bogus", "--bogus=1", "-z", "-fz -e t", "-pe t 0x1040", "-aipfe t 0x1040",
		"-C -e t 1", "--demangle=gnu-v3 -e t 1040", "--demangle=auto -fe t 1040", "--demangle=none -fe t 1040", "--demangle=bogus -e t 1040", "--demangle= -e t 1040", "-e", "-fe",
		"-e nofile 1", "-e / 1", "-e text 1040", "-e empty 1", "-e short 1", "-e lib.a 1", "-e fifo 1", "-e t zz 1040x 0X1040 +1040", "-e t -1", "-j .text -e t 0x10",
		"-j .nope -e t 1", "-j", "--section=.text -fe t 10 ffffff", "-j .comment -fe t 1", "-b elf64-x86-64 -e t 1040", "-b default -e t 1040", "-b bogus -e t 1040", "-b pe-x86-64 -fe t 1040", "-b srec -e t 1040", "-r -R -e t 1040", "1040",
		"-e t -- -1", "-e t -f 0x1040 -i", "-fe /dev/null 1", "-fe /dev/zero 1", "--exe", "--functions --inlines --pretty-print --addresses --basenames --exe=t 1040",
		"@nofile", "@one", "@two", "@three -e t", "@loop -e t", "-e t -afp 2000 4010 0", "-e nofile -e t 1040", "-e t -", "-ee t", "--exe=nofile/x 1", "-e text/x 1",
	} {
		same(t, compat.GNUAddr2line, dir, "1041\n", strings.Fields(line)...)
	}
	t.Setenv("POSIXLY_CORRECT", "1")
	same(t, compat.GNUAddr2line, dir, "", "-e", "t", "1040", "-f", "1041")
}

// What is not done says so, and does nothing.
func TestRefusals(t *testing.T) {
	dir := workplace(t)
	got := ours(t, compat.LLVMSymbolizer, dir, "", "--filter-markup")
	assert.Equal(t, outcome{"", "llvm-symbolizer-19: error: --filter-markup is not supported\n", 1}, got)
	got = ours(t, compat.GNUAddr2line, dir, "", "-e", "t", "--demangle=gnat", "1")
	assert.Equal(t, outcome{"", "addr2line: demangling style `gnat' is not supported\n", 1}, got)
	// llvm-symbolizer waits for ever for somebody to write into a FIFO.
	got = ours(t, compat.LLVMSymbolizer, dir, "fifo 1\nfifo 2\n/dev/zero 1\n")
	assert.Equal(t, strings.Repeat("??\n??:0:0\n\n", 3), got.out)
	assert.Equal(t, "llvm-symbolizer-19: error: 'fifo': not a regular file\nllvm-symbolizer-19: error: '/dev/zero': not a regular file\n", got.err)
	// Damage is described in our own words.
	got = ours(t, compat.LLVMSymbolizer, dir, "short 1\n")
	assert.Equal(t, outcome{"??\n??:0:0\n\n", "llvm-symbolizer-19: error: 'short': the ELF header is cut off\n", 0}, got)
	// Response files that name themselves.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "loop"), []byte("@loop @loop"), 0o644))
	for _, program := range everyProgram {
		got := ours(t, program, dir, "", "@loop")
		assert.Equal(t, 1, got.status)
		assert.Contains(t, got.err, "response files name each other")
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, program := range everyProgram {
		for _, option := range []string{"-h", "--help", "-v", "--version"} {
			got := ours(t, program, t.TempDir(), "", option)
			assert.Equal(t, 0, got.status, option)
			assert.NotEmpty(t, got.out, option)
			assert.Empty(t, got.err, option)
		}
	}
	// As version checks look for it.
	assert.Regexp(t, `LLVM version \d+\.\d+\.\d+`, ours(t, compat.LLVMSymbolizer, t.TempDir(), "", "--version").out)
	assert.Regexp(t, `^.*GNU addr2line.* \d+\.\d+\n`, ours(t, compat.GNUAddr2line, t.TempDir(), "", "--version").out)
}

func TestProgramOf(t *testing.T) {
	for name, want := range map[string]compat.Program{
		"llvm-symbolizer": compat.LLVMSymbolizer, "/usr/bin/llvm-symbolizer-19": compat.LLVMSymbolizer, "llvm-symbolizer.exe": compat.LLVMSymbolizer,
		"addr2line": compat.GNUAddr2line, "x86_64-linux-gnu-addr2line": compat.GNUAddr2line, "./eu/addr2line": compat.GNUAddr2line,
		"llvm-addr2line-19": compat.LLVMAddr2line, "aarch64-llvm-addr2line": compat.LLVMAddr2line,
		"ffikit": 0, "/addr2line/ffikit": 0, "symbolizer": 0, "": 0,
	} {
		got, ok := compat.ProgramOf(name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, want != 0, ok, name)
	}
}
