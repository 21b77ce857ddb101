package object_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// The independent reference is a linker: given a script that puts the code
// where SectionBase says, it must make the same of each debug section, byte
// for byte.

const relocatableSource = `
extern void elsewhere(int);
_Thread_local int perThread = 3;
static _Thread_local long perThreadToo[2];
int data[4] = { 1 };
static int *pointer = &data[2];
static inline __attribute__((always_inline)) int twice(int x) { elsewhere(x); return x * 2; }
__attribute__((noinline)) int first(int x) { return twice(x) + perThread + *pointer; }
__attribute__((section(".text.other"), noinline)) int second(int x) { perThreadToo[1] = x; return twice(x) - first(x); }
__attribute__((section(".init.text"))) int third(int x) { int y = x; while (y > 3) y -= second(y); return y; }
`

const relocatableClasses = `
template <typename T> struct Box { T value; T get() const { return value; } struct Inner { T other; } inner; };
template <typename T> __attribute__((noinline)) T open(Box<T> *box) { return box->get() + box->inner.other; }
int ints(Box<int> *box) { return open(box); }
long longs(Box<long> *box) { return open(box); }
`

func compileObject(t testing.TB, source, suffix string, command ...string) string {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "unit"+suffix)
	require.NoError(t, os.WriteFile(name, []byte(source), 0o644))
	run(t, dir, append(command, "-c", "-o", "unit.o", name)...)
	return filepath.Join(dir, "unit.o")
}

// linkAsLaidOut links path with lld so that each section lies where the File
// says that it does.
func linkAsLaidOut(t *testing.T, path string) *elf.File {
	t.Helper()
	raw, err := elf.Open(path)
	require.NoError(t, err)
	defer raw.Close()
	file := open(t, path)
	script := &strings.Builder{}
	fmt.Fprintln(script, "SECTIONS {")
	sections := file.Sections()
	for place, i := range inOrderOfAddresses(sections) {
		s := &sections[i]
		// Sections of one name are told apart by their place in the output.
		fmt.Fprintf(script, "  .out%d 0x%x : { unit.o(%s) }\n", place, uint64(s.VirtAddr), s.Name)
	}
	fmt.Fprintln(script, "}")
	dir := filepath.Dir(path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script"), []byte(script.String()), 0o644))
	run(t, dir, "ld.lld-19", "-O0", "--no-relax", "-T", "script", "--unresolved-symbols=ignore-all",
		"--no-gc-sections", "--no-check-sections", "-o", "linked", "unit.o")
	linked, err := elf.Open(filepath.Join(dir, "linked"))
	require.NoError(t, err)
	t.Cleanup(func() { linked.Close() })
	return linked
}

func inOrderOfAddresses(sections []object.Section) (order []int) {
	for i := range sections {
		if sections[i].Flags&elf.SHF_ALLOC == 0 || sections[i].SizeBytes == 0 {
			continue
		}
		place := len(order)
		for place > 0 && sections[order[place-1]].VirtAddr > sections[i].VirtAddr {
			place--
		}
		order = append(order[:place], append([]int{i}, order[place:]...)...)
	}
	return order
}

func TestRelocatedSectionsAreWhatTheLinkerMakes(t *testing.T) {
	clang := func(target string, flags ...string) []string {
		return append([]string{"clang-19", "--target=" + target, "-O1", "-ffreestanding"}, flags...)
	}
	for _, command := range [][]string{
		{"gcc", "-O1", "-g", "-fno-pic"},
		{"gcc", "-O2", "-gdwarf-4", "-fPIC"},
		{"gcc", "-O2", "-g3", "-gdwarf-5", "-gz=zlib"},
		{"gcc", "-O2", "-g", "-m32"},
		{"gcc", "-O2", "-gdwarf64", "-gdwarf-5"},
		{"gcc", "-O1", "-g", "-gsplit-dwarf", "-ffunction-sections"},
		clang("x86_64-linux-gnu", "-g"),
		clang("x86_64-linux-gnu", "-gdwarf-5", "-gdwarf64"),
		clang("x86_64-linux-gnu", "-g", "-gz=zstd"),
		clang("x86_64-linux-gnux32", "-g"),
		clang("i686-linux-gnu", "-g"),
		clang("i686-linux-gnu", "-gdwarf-2"),
		clang("aarch64-linux-gnu", "-g"),
		clang("aarch64-linux-gnu", "-gdwarf-4", "-gz"),
		clang("aarch64_be-linux-gnu", "-g"),
		clang("armv7-linux-gnueabihf", "-g"),
		clang("armv7-linux-gnueabihf", "-g", "-mthumb"),
		clang("armebv7-linux-gnueabihf", "-g"),
		clang("riscv64-linux-gnu", "-g"),
		clang("riscv64-linux-gnu", "-gdwarf-4", "-mno-relax"),
		clang("riscv32-linux-gnu", "-g"),
		clang("powerpc64le-linux-gnu", "-g"),
		clang("powerpc64-linux-gnu", "-g", "-mabi=elfv2"),
		clang("s390x-linux-gnu", "-g"),
		clang("s390x-linux-gnu", "-gdwarf-4"),
	} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			path := compileObject(t, relocatableSource, ".c", command...)
			compareWithLinked(t, path, 3)
		})
	}
}

func TestGroupsOfSectionsAreJoined(t *testing.T) {
	for _, command := range [][]string{
		{"g++", "-O1", "-gdwarf-5", "-fdebug-types-section"},
		{"g++", "-O1", "-gdwarf-4", "-fdebug-types-section"},
		{"g++", "-O1", "-gdwarf-5", "-fdebug-types-section", "-gz=zlib"},
		{"g++", "-O1", "-g3"},
		{"clang++-19", "-O1", "-gdwarf-5", "-fdebug-types-section"},
		{"clang++-19", "-O1", "-gdwarf-4", "-fdebug-types-section", "--target=aarch64-linux-gnu"},
	} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			path := compileObject(t, relocatableClasses, ".cc", command...)
			names := map[string]int{}
			for _, s := range open(t, path).Sections() {
				names[s.Name]++
			}
			require.Greater(t, names[".debug_info"]+names[".debug_types"]+names[".debug_macro"]+names[".zdebug_info"], 2)
			compareWithLinked(t, path, 2)
		})
	}
}

// compareWithLinked compares all debug sections, of which relocated ones must
// be at least so many.
func compareWithLinked(t *testing.T, path string, atLeast int) {
	t.Helper()
	linked := linkAsLaidOut(t, path)
	after := open(t, filepath.Join(filepath.Dir(path), "linked"))
	raw, err := elf.Open(path)
	require.NoError(t, err)
	defer raw.Close()
	file, compared := open(t, path), 0
	for _, want := range linked.Sections {
		// The linker drops the sections of .dwo, and GNU's own name table.
		if !strings.HasPrefix(want.Name, ".debug_") {
			continue
		}
		bytesWanted, err := want.Data()
		require.NoError(t, err)
		view, err := file.View(want.Name)
		require.NoError(t, err, want.Name)
		require.NoError(t, view.LoadAll(), want.Name)
		got := view.Buffer()[:view.Len()]
		assert.True(t, bytes.Equal(bytesWanted, got), "%s: %s", want.Name, firstDifference(bytesWanted, got))
		data, err := file.Data(want.Name)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(got, data))
		view, err = after.View(want.Name)
		require.NoError(t, err)
		require.NoError(t, view.LoadAll())
		assert.True(t, bytes.Equal(bytesWanted, view.Buffer()[:view.Len()]), "%s is as it is in what is linked", want.Name)
		before := raw.Section(want.Name)
		if before == nil {
			continue
		}
		stored, err := before.Data()
		require.NoError(t, err)
		if !bytes.Equal(stored, got) {
			compared++
		}
	}
	assert.GreaterOrEqual(t, compared, atLeast, "sections that relocation changed")
	compareSymbols(t, file, linked)
}

func compareSymbols(t *testing.T, file *object.File, linked *elf.File) {
	t.Helper()
	table, err := file.FunctionSymbols()
	require.NoError(t, err)
	symbols, err := linked.Symbols()
	require.NoError(t, err)
	found := 0
	for _, want := range symbols {
		if elf.ST_TYPE(want.Info) != elf.STT_FUNC || want.Size == 0 {
			continue
		}
		found++
		addr := want.Value
		if linked.Machine == elf.EM_ARM {
			addr &^= 1 // a Thumb function
		}
		for _, at := range []uint64{addr, addr + want.Size - 1} {
			got, ok := table.Lookup(model.VirtAddr(at))
			assert.True(t, ok, want.Name)
			assert.Equal(t, want.Name, got.Name)
			assert.Equal(t, model.VirtAddr(addr), got.VirtAddr)
			inCode := false
			for _, r := range file.ExecRanges() {
				inCode = inCode || r.Start <= model.VirtAddr(at) && model.VirtAddr(at) < r.End
			}
			assert.True(t, inCode, want.Name)
		}
	}
	assert.GreaterOrEqual(t, found, 3)
}

func firstDifference(want, got []byte) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d bytes, not %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			return fmt.Sprintf("offset 0x%x: % x, not % x", i, got[i:min(i+8, len(got))], want[i:min(i+8, len(got))])
		}
	}
	return "none"
}

// A kernel module is what ld -r makes of several objects.
func TestPartlyLinkedObjects(t *testing.T) {
	for _, command := range [][]string{{"gcc", "-O2", "-g"}, {"clang-19", "-O2", "-g", "-gdwarf-4"}} {
		first := compileObject(t, relocatableSource, ".c", append(command, "-fno-pic")...)
		second := compileObject(t, fixtureSource, ".c", append(command, "-fno-pic")...)
		for _, linker := range []string{"ld.bfd", "ld.lld-19"} {
			dir := t.TempDir()
			run(t, dir, linker, "-r", "-o", "unit.o", first, second)
			compareWithLinked(t, filepath.Join(dir, "unit.o"), 3)
			table, err := open(t, filepath.Join(dir, "unit.o")).FunctionSymbols()
			require.NoError(t, err)
			names := map[string]bool{}
			for i := range table.Len() {
				names[table.At(i).Name] = true
			}
			for _, name := range []string{"first", "second", "third", "visible", "root"} {
				assert.True(t, names[name], name)
			}
		}
	}
}

func TestSectionBase(t *testing.T) {
	file := open(t, compileObject(t, relocatableSource, ".c", "gcc", "-O1", "-g", "-ffunction-sections"))
	base, size, ok := file.SectionBase(".text.first")
	assert.True(t, ok)
	assert.Zero(t, base, ".text is empty: the first code starts at 0")
	other, _, ok := file.SectionBase(".init.text")
	assert.True(t, ok)
	assert.GreaterOrEqual(t, uint64(other), size, "sections follow each other")
	for _, name := range []string{".debug_info", ".no_such", ""} {
		_, _, ok = file.SectionBase(name)
		assert.False(t, ok, name)
	}
	program := freestandingProgram(t)
	match := regexp.MustCompile(`\.text\s+PROGBITS\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)`).FindStringSubmatch(run(t, ".", "readelf", "-SW", program))
	require.NotNil(t, match)
	base, size, ok = open(t, program).SectionBase(".text")
	assert.True(t, ok)
	assert.Equal(t, match[1:], []string{fmt.Sprintf("%016x", uint64(base)), fmt.Sprintf("%06x", size)})
}
