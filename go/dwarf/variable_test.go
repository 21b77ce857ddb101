package dwarf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

const variablesSource = `struct Shop { static int opened; int till; };
extern int elsewhere;
int Shop::opened = 7;
static int hidden[4] = {1, 2, 3};
int elsewhere = 4;
namespace deep { double ratio = 0.5; }
thread_local int mine = 3;
int use(int x) {
    static int calls;
    return hidden[x & 3] + calls++ + mine;
}
int main(int argc, char **) { return use(argc) + Shop::opened + elsewhere + int(deep::ratio); }
`

// The reference is llvm-symbolizer's DATA. Where gcc writes the file as
// DW_FORM_implicit_const, llvm 19 has no answer; the line is then compared with
// that of gcc's other build.
func TestVariablesAgainstLLVM(t *testing.T) {
	lines := map[string]int{}
	for name, command := range map[string][]string{
		"gcc5":   {"g++", "-g"},
		"gcc4":   {"g++", "-g", "-gdwarf-4", "-O2", "-fno-toplevel-reorder"},
		"clang5": {"clang++-19", "-g"},
		"clang4": {"clang++-19", "-g", "-gdwarf-4", "-O1"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.cc"), []byte(variablesSource), 0o644))
		binary := filepath.Join(dir, "out")
		build := exec.Command(command[0], append(command[1:], "-o", binary, "shop.cc")...)
		build.Dir = dir
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)

		file, err := object.Open(binary)
		require.NoError(t, err)
		data, err := dwarf.New(file)
		require.NoError(t, err)
		vars, err := data.Variables()
		require.NoError(t, err)
		found := 0
		require.NoError(t, file.EachSymbol(func(s object.Symbol) bool {
			if s.Section == 0 || s.SizeBytes == 0 || s.Function || s.Dynamic {
				return true
			}
			ask := exec.Command("llvm-symbolizer-19", "-e", binary, fmt.Sprintf("DATA %#x", uint64(s.VirtAddr)))
			answer, err := ask.Output()
			require.NoError(t, err)
			want := strings.Split(string(answer), "\n")[2]
			path, line := vars.At(s.VirtAddr)
			if line == 0 {
				assert.True(t, strings.HasSuffix(want, ":0") || want == "??:?", "%s: %s of %s is not found", name, want, s.Name)
				return true
			}
			found++
			if key := command[0] + s.Name; lines[key] == 0 {
				lines[key] = line
			} else {
				assert.Equal(t, lines[key], line, "%s: %s", name, s.Name)
			}
			if want != "??:?" || name != "gcc5" {
				assert.Equal(t, want, fmt.Sprintf("%s:%d", path, line), "%s: %s", name, s.Name)
			}
			return true
		}))
		assert.GreaterOrEqual(t, found, 4, name)
		_, line := vars.At(model.VirtAddr(1))
		assert.Zero(t, line)
		require.NoError(t, file.Close())
	}
}

// Damage is an error at most.
func FuzzVariables(f *testing.F) {
	dir := f.TempDir()
	require.NoError(f, os.WriteFile(filepath.Join(dir, "shop.cc"), []byte(variablesSource), 0o644))
	build := exec.Command("clang++-19", "-g", "-c", "-o", "out", "shop.cc")
	build.Dir = dir
	out, err := build.CombinedOutput()
	require.NoError(f, err, "%s", out)
	whole, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(f, err)
	for seed := range 200 {
		f.Add(uint32(seed*7919), uint32(seed*104729), byte(seed*37))
	}
	f.Fuzz(func(t *testing.T, first, second uint32, value byte) {
		mutant := bytes.Clone(whole)
		mutant[int(first)%len(mutant)] = value
		mutant[int(second)%len(mutant)] ^= value | 1
		file, err := object.NewFile("mutant", bytes.NewReader(mutant), int64(len(mutant)))
		if err != nil {
			return
		}
		data, err := dwarf.New(file)
		if err != nil {
			return
		}
		vars, _ := data.Variables()
		for addr := range model.VirtAddr(64) {
			vars.At(addr)
		}
	})
}
