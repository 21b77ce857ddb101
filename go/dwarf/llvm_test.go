package dwarf_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// sources are two units that inline across headers.
var sources = map[string]string{
	"step.h": `
static inline __attribute__((always_inline)) int step(int x, volatile int *sum) { *sum += x; return x * 2; }
`,
	"first.c": `
#include "step.h"
int other(int);
volatile int sum;
__attribute__((noinline)) int outer(int x) {
    int r = step(x, &sum);
    for (int i = 0; i < x; i++) r ^= step(r + i, &sum) + sum;
    return r;
}
int main(int count, char **words) { return outer(count) + other(count); }
`,
	"second.c": `
#include "step.h"
extern volatile int sum;
static inline __attribute__((always_inline)) int square(int x) { volatile int k = step(x, &sum); return k * k; }
__attribute__((noinline)) int far(int x) { if (__builtin_expect(x > 1000, 0)) __builtin_abort(); return square(x) + 1; }
int other(int x) { return far(x) + square(x + 1); }
`,
}

func command(t testing.TB, dir string, words ...string) []byte {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	require.NoError(t, err, "%v\n%s", words, stderr.String())
	return output
}

func writeSources(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range sources {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// llvmFrame is what llvm-symbolizer says of a frame.
type llvmFrame struct {
	FunctionName, FileName string
	Line, Column           int
}

// llvm asks llvm-symbolizer, with the names that the debug information has.
func llvm(t testing.TB, path string, addrs []model.VirtAddr) [][]llvmFrame {
	t.Helper()
	words := []string{"llvm-symbolizer-19", "--output-style=JSON", "--no-demangle", "--functions=short", "-e", path}
	var input strings.Builder
	for _, addr := range addrs {
		input.WriteString("0x" + strconv.FormatUint(uint64(addr), 16) + "\n")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(input.String())
	output, err := cmd.Output()
	require.NoError(t, err)
	var answers [][]llvmFrame
	for decoder := json.NewDecoder(strings.NewReader(string(output))); decoder.More(); {
		var answer struct{ Symbol []llvmFrame }
		require.NoError(t, decoder.Decode(&answer))
		answers = append(answers, answer.Symbol)
	}
	require.Len(t, answers, len(addrs))
	return answers
}

// compare resolves all code of path and compares with what llvm-symbolizer says
// of reference, which is path or a file of the same code.
func compare(t *testing.T, path, reference string) {
	t.Helper()
	file, err := object.Open(path)
	require.NoError(t, err)
	defer file.Close()
	data, err := dwarf.New(file)
	require.NoError(t, err)
	defer data.Close()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	addrs := codeAddrs(t, content)
	want := llvm(t, reference, addrs)
	inlined := 0
	require.NoError(t, data.Each(addrs, func(i int, frames []model.Frame) {
		if len(frames) == 0 {
			assert.Zero(t, want[i][0].Line, "%s %v", path, addrs[i])
			return
		}
		var got []llvmFrame
		for _, f := range frames {
			got = append(got, llvmFrame{f.Function, f.File, f.Line, f.Column})
		}
		if len(frames) > 1 {
			inlined++
		}
		assert.Equal(t, want[i], got, "%s %v", path, addrs[i])
	}))
	assert.Greater(t, inlined, 5)
}

// TestSplitUnits: the compiler's .dwo files where it put them, beside a program
// that was moved, and in a package.
func TestSplitUnits(t *testing.T) {
	for _, compiler := range []string{"gcc", "clang-19"} {
		for _, version := range []string{"4", "5"} {
			t.Run(compiler+" "+version, func(t *testing.T) {
				dir := writeSources(t)
				command(t, dir, compiler, "-gdwarf-"+version, "-gsplit-dwarf", "-O2", "-ffunction-sections", "-c", "first.c", "second.c")
				command(t, dir, compiler, "-o", "program", "first.o", "second.o")
				compare(t, filepath.Join(dir, "program"), filepath.Join(dir, "program"))

				command(t, dir, "llvm-dwp-19", "-e", "program", "-o", "program.dwp")
				for _, name := range []string{"first.dwo", "second.dwo"} {
					require.NoError(t, os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".moved")))
				}
				compare(t, filepath.Join(dir, "program"), filepath.Join(dir, "program"))

				moved := t.TempDir()
				for from, to := range map[string]string{"program": "program", "first.dwo.moved": "first.dwo", "second.dwo.moved": "second.dwo"} {
					require.NoError(t, os.Rename(filepath.Join(dir, from), filepath.Join(moved, to)))
				}
				file, err := object.Open(filepath.Join(moved, "program"))
				require.NoError(t, err)
				defer file.Close()
				data, err := dwarf.New(file)
				require.NoError(t, err)
				frames, err := data.Resolve([]model.VirtAddr{symbolAddr(t, file, "outer") + 8})
				require.NoError(t, err)
				require.NotEmpty(t, frames[0])
				assert.Equal(t, "outer", frames[0][len(frames[0])-1].Function)
			})
		}
	}
}

func symbolAddr(t *testing.T, file *object.File, name string) (addr model.VirtAddr) {
	t.Helper()
	require.NoError(t, file.EachSymbol(func(s object.Symbol) bool {
		if s.Name == name {
			addr = s.VirtAddr
		}
		return addr == 0
	}))
	require.NotZero(t, addr)
	return addr
}

// TestSplitUnitsInOneFile, as the linker writes them when it optimizes the whole
// program: each has the skeleton with its ID, whichever is asked for first.
// llvm-symbolizer crashes on such files: it is asked about the same code whose
// units are whole.
func TestSplitUnitsInOneFile(t *testing.T) {
	for _, version := range []string{"4", "5"} {
		dir := writeSources(t)
		flags := []string{"clang-19", "-gdwarf-" + version, "-O2", "-flto", "-fuse-ld=lld-19", "first.c", "second.c", "-o"}
		command(t, dir, append(flags, "reference")...)
		command(t, dir, append(flags, "program", "-Wl,--plugin-opt=dwo_dir="+filepath.Join(dir, "dwo"), "-Wl,-mllvm,-split-dwarf-cross-cu-references")...)
		reference, path := filepath.Join(dir, "reference"), filepath.Join(dir, "program")
		compare(t, path, reference)
		file, err := object.Open(path)
		require.NoError(t, err)
		defer file.Close()
		data, err := dwarf.New(file)
		require.NoError(t, err)
		for _, name := range []string{"far", "outer"} {
			start := symbolAddr(t, file, name)
			addrs := []model.VirtAddr{start, start + 4, start + 8, start + 12, start + 16}
			answers, err := data.Resolve(addrs)
			require.NoError(t, err)
			for i, want := range llvm(t, reference, addrs) {
				require.Len(t, answers[i], len(want))
				for j, frame := range answers[i] {
					assert.Equal(t, want[j], llvmFrame{frame.Function, frame.File, frame.Line, frame.Column}, "%s DWARF %s", addrs[i], version)
				}
			}
		}
	}
}

// TestSplitUnitOfAnotherBuild: the ID decides, not the name.
func TestSplitUnitOfAnotherBuild(t *testing.T) {
	dir := writeSources(t)
	build := func(flags ...string) {
		command(t, dir, append([]string{"clang-19", "-gdwarf-5", "-gsplit-dwarf", "-O2", "-c", "first.c", "second.c"}, flags...)...)
	}
	build()
	command(t, dir, "clang-19", "-o", "program", "first.o", "second.o")
	build("-DOTHER", "-O1")
	file, err := object.Open(filepath.Join(dir, "program"))
	require.NoError(t, err)
	defer file.Close()
	data, err := dwarf.New(file)
	require.NoError(t, err)
	frames, err := data.Resolve([]model.VirtAddr{symbolAddr(t, file, "outer") + 8})
	assert.ErrorIs(t, err, dwarf.ErrNoSplitFile)
	require.Len(t, frames[0], 1, "the skeleton has the line")
	assert.Empty(t, frames[0][0].Function)
	assert.NotZero(t, frames[0][0].Line)
}

// TestSupplementaryFiles: what dwz moved to a file of its own is found there.
func TestSupplementaryFiles(t *testing.T) {
	dir := writeSources(t)
	for _, name := range []string{"one", "two"} {
		command(t, dir, "gcc", "-gdwarf-4", "-O2", "-Wl,--build-id", "-o", name, "first.c", "second.c")
	}
	// llvm-symbolizer reads no supplementary files: it is asked about the program
	// as it was before.
	command(t, dir, "cp", "one", "whole")
	command(t, dir, "dwz", "-m", "common", "-r", "one", "two")
	file, err := object.Open(filepath.Join(dir, "one"))
	require.NoError(t, err)
	_, ok, err := file.DebugAltLink()
	require.NoError(t, err)
	require.True(t, ok, "dwz moved nothing")
	require.NoError(t, file.Close())
	compare(t, filepath.Join(dir, "one"), filepath.Join(dir, "whole"))

	require.NoError(t, os.Remove(filepath.Join(dir, "common")))
	file, err = object.Open(filepath.Join(dir, "one"))
	require.NoError(t, err)
	defer file.Close()
	data, err := dwarf.New(file)
	require.NoError(t, err)
	_, err = data.Resolve([]model.VirtAddr{symbolAddr(t, file, "outer") + 8})
	assert.ErrorIs(t, err, object.ErrNoDebugFile)
}

// TestFunctionsInFunctions: each address is asked for alone, so that what is not
// on the way to it is jumped over, and all together.
func TestFunctionsInFunctions(t *testing.T) {
	dir := t.TempDir()
	nested := `
volatile int sum;
static inline __attribute__((always_inline)) int step(int x) { sum += x; return x * 2; }
__attribute__((noinline)) int apply(int (*f)(int), int x) { return f(x) + step(x); }
int outer(int x) {
    int scale = x + 1;
    __attribute__((noinline)) int inner(int y) { return step(y * scale) + sum; }
    return apply(inner, x) + apply(inner, x + 1);
}
int loop(int x) {
#pragma omp parallel for
    for (int i = 0; i < x; i++) sum += step(i);
    return sum;
}
int main(int count, char **words) { return outer(count) + loop(count); }
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nested.c"), []byte(nested), 0o644))
	command(t, dir, "gcc", "-gdwarf-5", "-O1", "-fopenmp", "-o", "nested", "nested.c")
	path := filepath.Join(dir, "nested")
	compare(t, path, path)

	file, err := object.Open(path)
	require.NoError(t, err)
	defer file.Close()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	addrs := codeAddrs(t, content)
	together, err := open(t, content).Resolve(addrs)
	require.NoError(t, err)
	names := map[string]bool{}
	for i, addr := range addrs {
		data, err := dwarf.New(file)
		require.NoError(t, err)
		alone, err := data.Resolve([]model.VirtAddr{addr})
		require.NoError(t, err)
		assert.Equal(t, together[i], alone[0], "%v", addr)
		for _, frame := range alone[0] {
			names[frame.Function] = true
		}
	}
	for _, name := range []string{"outer", "inner", "step", "loop", "loop._omp_fn.0"} {
		assert.Contains(t, names, name)
	}
}
