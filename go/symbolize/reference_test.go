package symbolize_test

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

// The independent reference is llvm-symbolizer: functions, files, lines,
// columns and inline chains at every 16th byte of .text. Only what both answer
// is compared; coverage is counted apart.

type llvmFrame struct {
	FunctionName, FileName, StartFileName string
	Line, Column, StartLine               int
}

func llvmSymbolize(t testing.TB, path string, addrs []model.VirtAddr) [][]llvmFrame {
	t.Helper()
	var input strings.Builder
	for _, addr := range addrs {
		fmt.Fprintln(&input, addr)
	}
	cmd := exec.Command("llvm-symbolizer-19", "--obj="+path, "--output-style=JSON", "--inlines", "--no-demangle", "--functions=linkage")
	cmd.Stdin = strings.NewReader(input.String())
	output, err := cmd.Output()
	require.NoError(t, err)
	answers := make([][]llvmFrame, 0, len(addrs))
	lines := bufio.NewScanner(strings.NewReader(string(output)))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var answer struct{ Symbol []llvmFrame }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &answer), lines.Text())
		answers = append(answers, answer.Symbol)
	}
	require.Len(t, answers, len(addrs))
	return answers
}

// textAddrs are the addresses of .text in steps, as another ELF reader sees it.
func textAddrs(t testing.TB, path string, step uint64) []model.VirtAddr {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	text := file.Section(".text")
	require.NotNil(t, text)
	var addrs []model.VirtAddr
	for offset := uint64(0); offset < text.Size; offset += step {
		addrs = append(addrs, model.VirtAddr(text.Addr+offset))
	}
	return addrs
}

// agreement counts addresses. Each ratio is over what both answer.
type agreement struct {
	addrs, onlyOurs, onlyTheirs, neither    int
	functions, functionsEqual               int
	lines, linesEqual                       int
	chains, depthsEqual, chainsEqual        int
	declared, declaredEqual, declaredSilent int
	symbols                                 map[string]uint64
	differences                             map[string]int
	examples                                map[string]string
}

func (a *agreement) differ(class string, example func() string) {
	if a.differences == nil {
		a.differences, a.examples = map[string]int{}, map[string]string{}
	}
	a.differences[class]++
	if a.examples[class] == "" {
		a.examples[class] = example()
	}
}

func percent(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func (a *agreement) String() string {
	text := fmt.Sprintf("%d addresses: functions %.2f %% of %d, lines %.2f %% of %d, depth %.2f %%, chains %.2f %% of %d, declarations %.2f %% of %d (%d absent); only ours %d, only llvm's %d, neither %d",
		a.addrs, percent(a.functionsEqual, a.functions), a.functions, percent(a.linesEqual, a.lines), a.lines,
		percent(a.depthsEqual, a.chains), percent(a.chainsEqual, a.chains), a.chains,
		percent(a.declaredEqual, a.declared), a.declared, a.declaredSilent, a.onlyOurs, a.onlyTheirs, a.neither)
	for class, count := range a.differences {
		text += fmt.Sprintf("\n    %6d %s, as %s", count, class, a.examples[class])
	}
	return text
}

// cloneSuffix is what compilers append to the symbol of a part or copy of a
// function, and Go's linker to an assembly function by its ABI. llvm-symbolizer
// takes the outermost name from the symbol table, where it has them; DWARF
// names the function itself.
var cloneSuffix = regexp.MustCompile(`(\.(cold|part|isra|constprop|lto_priv|llvm|abi0|abiinternal)(\.\d+)*)+$`)

func linkageName(f model.Frame) string {
	if f.LinkageName != "" {
		return f.LinkageName
	}
	return f.Function
}

func (a *agreement) add(addr model.VirtAddr, ours []model.Frame, theirs []llvmFrame) {
	a.addrs++
	example := func() string { return fmt.Sprintf("%v:\n        ours %+v\n        llvm %+v", addr, ours, theirs) }
	known := len(theirs) > 0 && (theirs[0].FunctionName != "" || theirs[0].FileName != "")
	switch {
	case len(ours) == 0 && !known:
		a.neither++
		return
	case len(ours) == 0:
		a.onlyTheirs++
		a.differ("only llvm's", example)
		return
	case !known:
		a.onlyOurs++
		a.differ("only ours", example)
		return
	}
	if ours[0].Function != "" && theirs[0].FunctionName != "" {
		a.functions++
		if a.sameFunction(ours[0], theirs[0]) {
			a.functionsEqual++
		} else {
			a.differ("function", example)
		}
	}
	if ours[0].Line == 0 || theirs[0].Line == 0 {
		if ours[0].Line != theirs[0].Line {
			a.differ("line in one only", example)
		}
		return
	}
	a.lines++
	if sameLine(ours[0], theirs[0]) {
		a.linesEqual++
	} else {
		a.differ("line", example)
	}
	a.addChain(ours, theirs, example)
}

// sameFunction takes two names of one address for equal: identical functions
// are folded into one (a C++ class's destructors, Rust's generic instances),
// and the two readers pick different ones of its names.
func (a *agreement) sameFunction(ours model.Frame, theirs llvmFrame) bool {
	name := linkageName(ours)
	if name == cloneSuffix.ReplaceAllString(theirs.FunctionName, "") {
		return true
	}
	our, known := a.symbols[name]
	their, alsoKnown := a.symbols[theirs.FunctionName]
	return known && alsoKnown && our == their
}

// symbolAddrs maps the names in .symtab to their addresses.
func symbolAddrs(t testing.TB, path string) map[string]uint64 {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	addrs := map[string]uint64{}
	for _, symbol := range symbols {
		addrs[symbol.Name] = symbol.Value
	}
	return addrs
}

func sameLine(ours model.Frame, theirs llvmFrame) bool {
	if generated(ours, theirs) {
		return true
	}
	// Without a line llvm-symbolizer shows the symbol table's FILE symbol.
	return ours.Line == theirs.Line && ours.Column == theirs.Column && (ours.File == theirs.FileName || ours.Line == 0)
}

// generated tells whether both say that the Go compiler made the code. DWARF
// puts a folder before "<autogenerated>", and knows no line of some of it.
func generated(ours model.Frame, theirs llvmFrame) bool {
	return ours.File == "<autogenerated>" && ours.Line == 1 && ours.Column == 0 &&
		(theirs.Line == 0 || theirs.Line == 1 && theirs.FileName == "./<autogenerated>")
}

func (a *agreement) addChain(ours []model.Frame, theirs []llvmFrame, example func() string) {
	a.chains++
	if len(ours) != len(theirs) {
		a.differ("inline depth", example)
		return
	}
	a.depthsEqual++
	equal := true
	for i := range ours {
		equal = equal && a.sameFunction(ours[i], theirs[i]) && sameLine(ours[i], theirs[i]) && ours[i].Inlined == (i < len(ours)-1)
		// A declaration that we give must be llvm's. It is kept back where it
		// lies below the line: code that the compiler moved out of another
		// function (Rust's drop glue) has no distance from it.
		if theirs[i].StartLine == 0 || theirs[i].StartFileName != theirs[i].FileName {
			continue
		}
		a.declared++
		switch ours[i].FunctionLine {
		case theirs[i].StartLine:
			a.declaredEqual++
		case 0:
			a.declaredSilent++
			a.differ("declaration absent", example)
		default:
			a.differ("declaration", example)
		}
	}
	if equal {
		a.chainsEqual++
	} else {
		a.differ("chain", example)
	}
}

// compare asks us about path and llvm-symbolizer about reference, which holds
// the same code.
func compare(t testing.TB, path, reference string) *agreement {
	t.Helper()
	addrs := textAddrs(t, path, referenceStep)
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	ours, err := symbolizer.Resolve(path, "", addrs)
	require.NoError(t, err)
	require.Len(t, ours, len(addrs))
	theirs := llvmSymbolize(t, reference, addrs)
	a := &agreement{symbols: symbolAddrs(t, path)}
	for i, addr := range addrs {
		a.add(addr, ours[i], theirs[i])
	}
	return a
}

type fixture struct {
	name string
	// least is how many addresses both must answer, so that agreement is not
	// one of question marks.
	least int
	build func(t testing.TB, name string) string
}

func gcc(flags ...string) func(testing.TB, string) string {
	return func(t testing.TB, name string) string { return buildC(t, name, "gcc", flags...) }
}

func clang(flags ...string) func(testing.TB, string) string {
	return func(t testing.TB, name string) string { return buildC(t, name, "clang-19", flags...) }
}

func cross(flags ...string) func(testing.TB, string) string {
	return func(t testing.TB, target string) string { return buildFor(t, target, flags...) }
}

var referenceFixtures = []fixture{
	{"gcc-dwarf4", 30, gcc("-gdwarf-4", "-O2")},
	{"gcc-dwarf5", 30, gcc("-gdwarf-5", "-O2")},
	{"gcc-dwarf64", 30, gcc("-gdwarf-5", "-gdwarf64", "-O2")},
	{"gcc-dwarf2", 25, gcc("-gdwarf-2", "-gstrict-dwarf", "-O1")},
	{"gcc-O0", 30, gcc("-gdwarf-5", "-O0")},
	{"gcc-lto", 25, gcc("-g", "-O2", "-flto")},
	{"gcc-zlib", 30, gcc("-gdwarf-5", "-O2", "-gz=zlib")},
	{"gcc-c++", 200, func(t testing.TB, n string) string { return buildCPP(t, n, "g++", "-g", "-O2") }},
	{"clang-dwarf4", 30, clang("-gdwarf-4", "-O2")},
	{"clang-dwarf5", 30, clang("-gdwarf-5", "-O2")},
	{"clang-line-tables", 30, clang("-gline-tables-only", "-O2")},
	{"clang-zstd", 30, clang("-gdwarf-5", "-O2", "-fuse-ld=lld-19", "-Wl,--compress-debug-sections=zstd")},
	{"clang-c++", 200, func(t testing.TB, n string) string {
		return buildCPP(t, n, "clang++-19", "-gdwarf-5", "-O1", "-ffunction-sections", "-Wl,--gc-sections")
	}},
	{"rust-O", 2000, func(t testing.TB, n string) string { return buildRust(t, n, "-O") }},
	{"rust-dwarf4-debug", 2000, func(t testing.TB, n string) string { return buildRust(t, n, "-Cdwarf-version=4") }},
	{"go", 20000, func(t testing.TB, n string) string { return buildGo(t, n) }},
	{"go-uncompressed", 20000, func(t testing.TB, n string) string { return buildGo(t, n, "-ldflags=-compressdwarf=false") }},
	// 32 bits, big-endian, and both.
	{"i386-linux-gnu", 5, cross("-gdwarf-5")},
	{"aarch64-linux-gnu", 5, cross("-gdwarf-5")},
	{"powerpc64-linux-gnu", 5, cross("-gdwarf-4", "-mabi=elfv2")},
	{"mips-linux-gnu", 5, cross("-gdwarf-5")},
}

func TestAgreesWithLLVM(t *testing.T) {
	for _, fixture := range referenceFixtures {
		t.Run(fixture.name, func(t *testing.T) {
			path := fixture.build(t, fixture.name)
			a := compare(t, path, path)
			requireAgreement(t, a, fixture.least)
			if fixture.name != "clang-line-tables" {
				assert.GreaterOrEqual(t, a.declaredEqual*referenceStep/16, fixture.least/2, "declarations")
			}
		})
	}
}

func requireAgreement(t *testing.T, a *agreement, least int) {
	t.Helper()
	t.Log(a)
	assert.GreaterOrEqual(t, a.lines*referenceStep/16, least/2)
	assert.GreaterOrEqual(t, percent(a.functionsEqual, a.functions), 99.0, "functions")
	assert.GreaterOrEqual(t, percent(a.linesEqual, a.lines), 99.0, "lines")
	assert.GreaterOrEqual(t, percent(a.depthsEqual, a.chains), 99.0, "inline depth")
	assert.GreaterOrEqual(t, percent(a.chainsEqual, a.chains), 99.0, "inline chains")
	assert.LessOrEqual(t, a.declared-a.declaredEqual, a.declared/100, "declarations")
	assert.LessOrEqual(t, a.onlyTheirs, a.addrs/100, "answered by llvm only")
}

// llvm-symbolizer 19 does not read .zdebug sections any more; the same program
// uncompressed is the reference.
func TestAgreesWithLLVMInOldCompression(t *testing.T) {
	plain := gcc("-gdwarf-4", "-O2")(t, "gcc-dwarf4")
	packed := filepath.Join(t.TempDir(), "packed")
	run(t, ".", "objcopy", "--compress-debug-sections=zlib-gnu", plain, packed)
	requireAgreement(t, compare(t, packed, plain), 30)
}
