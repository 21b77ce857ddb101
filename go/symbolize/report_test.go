package symbolize_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/symbolize"
)

func buildID(t testing.TB, path string) string {
	t.Helper()
	file, err := object.Open(path)
	require.NoError(t, err)
	defer file.Close()
	return file.BuildID()
}

// addrOf finds an address of source's line in path by asking for every byte
// of .text: the line comes from a marker, the address from llvm-symbolizer.
func addrOf(t testing.TB, path, file string, line int) model.VirtAddr {
	t.Helper()
	addrs := textAddrs(t, path, 1)
	for i, frames := range llvmSymbolize(t, path, addrs) {
		if len(frames) > 0 && frames[0].Line == line && strings.HasSuffix(frames[0].FileName, file) {
			return addrs[i]
		}
	}
	require.Failf(t, "no code", "%s:%d in %s", file, line, path)
	return 0
}

func reportOf(frames ...model.Frame) *model.Report {
	return &model.Report{Stacks: []model.Stack{{Role: model.RoleFault, Frames: frames}}}
}

func TestReportFramesBecomeInlineChains(t *testing.T) {
	path := smallC(t)
	header := mark(t, fixtureHeader, "header")
	physical := model.Frame{Module: path, BuildID: buildID(t, path), VirtAddr: addrOf(t, path, "step.h", header), AbsAddr: 0x7f0000001234}
	before := model.Frame{Function: "known", File: "known.c", Line: 7, Module: path, BuildID: physical.BuildID, VirtAddr: physical.VirtAddr}
	bare := model.Frame{AbsAddr: 0x42}
	report := reportOf(before, physical, bare)

	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	assert.Empty(t, symbolizer.Report(report))

	frames := report.Stacks[0].Frames
	require.Greater(t, len(frames), 4)
	assert.Equal(t, before, frames[0], "a symbolized frame stays")
	assert.Equal(t, bare, frames[len(frames)-1], "a frame without module stays")
	chain := frames[1 : len(frames)-1]
	assert.Equal(t, "step_twice", chain[0].Function)
	assert.Equal(t, header, chain[0].Line)
	assert.Equal(t, "sub/step.h", chain[0].File[len(chain[0].File)-10:])
	assert.True(t, filepath.IsAbs(chain[0].File))
	assert.Equal(t, "middle", chain[1].Function)
	assert.Contains(t, []int{mark(t, fixtureC, "middle"), mark(t, fixtureC, "middle") + 1}, chain[1].Line)
	for i, frame := range chain {
		assert.Equal(t, i < len(chain)-1, frame.Inlined)
		assert.Equal(t, model.LanguageC, frame.Language)
		assert.Positive(t, frame.FunctionLine)
		assert.Less(t, frame.FunctionLine, frame.Line)
		assert.Equal(t, []any{physical.Module, physical.BuildID, physical.VirtAddr, physical.AbsAddr},
			[]any{frame.Module, frame.BuildID, frame.VirtAddr, frame.AbsAddr})
	}
}

func TestAnotherBuildIsSaidAndNotUsed(t *testing.T) {
	path := smallC(t)
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	other := strings.Repeat("ab", 20)
	frame := model.Frame{Module: path, BuildID: other, VirtAddr: textAddrs(t, path, 16)[3]}
	report := reportOf(frame)
	partial := symbolizer.Report(report)
	require.Len(t, partial, 1)
	assert.Equal(t, path, partial[0].File)
	assert.Contains(t, partial[0].Reason, other)
	assert.Contains(t, partial[0].Reason, buildID(t, path))
	assert.Equal(t, []model.Frame{frame}, report.Stacks[0].Frames)

	_, err := symbolizer.Resolve(path, other, []model.VirtAddr{frame.VirtAddr})
	var mismatch *symbolize.MismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, symbolize.MismatchError{Path: path, Have: buildID(t, path), Want: other}, *mismatch)

	// A file without a build ID is not shown to be the one that is named.
	nameless := buildC(t, "nameless", "gcc", "-g", "-O2", "-Wl,--build-id=none")
	partial = symbolizer.Report(reportOf(model.Frame{Module: nameless, BuildID: other, VirtAddr: 0x1200}))
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, "no build ID")
}

func TestLogWithoutBuildIDNeedsTrust(t *testing.T) {
	path := smallC(t)
	frame := model.Frame{Module: path, VirtAddr: addrOf(t, path, "main.c", mark(t, fixtureC, "entry"))}
	wary, trusting := symbolize.New(symbolize.Options{}), symbolize.New(symbolize.Options{TrustPaths: true})
	defer wary.Close()
	defer trusting.Close()

	report := reportOf(frame)
	partial := wary.Report(report)
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, "--trust-paths")
	assert.Equal(t, frame, report.Stacks[0].Frames[0])

	report = reportOf(frame)
	partial = trusting.Report(report)
	require.Len(t, partial, 1)
	assert.Contains(t, partial[0].Reason, "may be another build")
	assert.Equal(t, mark(t, fixtureC, "entry"), report.Stacks[0].Frames[0].Line)
}

func TestWhatIsWrongWithAModuleIsToldOnce(t *testing.T) {
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	var all []model.Partial
	for i := range 1000 {
		all = append(all, symbolizer.Report(reportOf(
			model.Frame{Module: "/no/such/lib.so", BuildID: "abcd", VirtAddr: model.VirtAddr(0x1000 + i)},
			model.Frame{Module: "/dev/zero", BuildID: "abcd", VirtAddr: 0x1000}))...)
	}
	require.Len(t, all, 2)
	assert.Equal(t, "/no/such/lib.so", all[0].File)
	assert.Contains(t, all[0].Reason, "no such module")
	assert.Contains(t, all[1].Reason, "device")

	// A log may name any number of modules; what is told is bounded.
	for i := range 3000 {
		all = append(all, symbolizer.Report(reportOf(model.Frame{Module: "/no/" + strconv.Itoa(i), BuildID: "abcd", VirtAddr: 1}))...)
	}
	assert.Less(t, len(all), 1100)
	assert.Contains(t, all[len(all)-1].Reason, "not listed")
}

func TestSymbolizedFramesAskForNothing(t *testing.T) {
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	frame := model.Frame{Function: "free", Module: "/no/such/runtime.so", BuildID: "abcd", VirtAddr: 0x1000}
	report := reportOf(frame)
	assert.Empty(t, symbolizer.Report(report), "its function is known, nothing is missing")
	assert.Equal(t, frame, report.Stacks[0].Frames[0])
}

func TestStrippedModuleGivesFunctionsAndSaysSo(t *testing.T) {
	path, dir := smallC(t), t.TempDir()
	want := llvmSymbolize(t, path, []model.VirtAddr{addrOf(t, path, "main.c", mark(t, fixtureC, "entry"))})[0]
	outermost := want[len(want)-1].FunctionName
	for _, test := range []struct{ flag, function, says string }{
		{"--strip-debug", outermost, ".symtab"},
		{"--strip-all", "", "no debug information and no symbols"},
	} {
		stripped := filepath.Join(dir, "stripped"+test.flag)
		run(t, ".", "strip", test.flag, "-o", stripped, path)
		symbolizer := symbolize.New(symbolize.Options{DebugDirs: []string{}})
		report := reportOf(model.Frame{Module: stripped, BuildID: buildID(t, path), VirtAddr: addrOf(t, path, "main.c", mark(t, fixtureC, "entry"))})
		partial := symbolizer.Report(report)
		require.Len(t, partial, 1, test.flag)
		assert.Contains(t, partial[0].Reason, test.says)
		if test.function != "" {
			assert.Contains(t, partial[0].Reason, "no debug information")
		}
		require.Len(t, report.Stacks[0].Frames, 1)
		assert.Equal(t, test.function, report.Stacks[0].Frames[0].Function)
		assert.Empty(t, report.Stacks[0].Frames[0].File)
		assert.NoError(t, symbolizer.Close())
	}
}

// Go's inlined functions name no file of their declaration; where they start
// is needed all the same, to tell two faults of one function apart.
func TestInlinedGoFunctionsTellWhereTheyStart(t *testing.T) {
	path := buildGo(t, "go")
	declared := mark(t, fixtureGo, "inlined")
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	addr := addrOf(t, path, "main.go", declared+1)
	resolved, err := symbolizer.Resolve(path, "", []model.VirtAddr{addr})
	require.NoError(t, err)
	leaf := resolved[0][0]
	assert.True(t, leaf.Inlined)
	assert.Equal(t, "main.tidy", leaf.Function)
	assert.Equal(t, declared, leaf.FunctionLine)
}

// UBSan's header names a place even where the module cannot.
func TestPlaceOfTheLogStaysWhereTheModuleHasNone(t *testing.T) {
	path := smallC(t)
	stripped := filepath.Join(t.TempDir(), "stripped")
	run(t, ".", "strip", "--strip-debug", "-o", stripped, path)
	report := reportOf(model.Frame{
		Module: stripped, BuildID: buildID(t, path), VirtAddr: addrOf(t, path, "main.c", mark(t, fixtureC, "entry")),
		File: "/src/ub.c", Line: 7, Column: 3,
	})
	symbolizer := symbolize.New(symbolize.Options{DebugDirs: []string{}})
	defer symbolizer.Close()
	symbolizer.Report(report)
	frame := report.Stacks[0].Frames[0]
	assert.NotEmpty(t, frame.Function)
	assert.Equal(t, []any{"/src/ub.c", 7, 3}, []any{frame.File, frame.Line, frame.Column})
}

func TestSeparateDebugFileIsFound(t *testing.T) {
	path, dir, tree := smallC(t), t.TempDir(), t.TempDir()
	id := buildID(t, path)
	debug := filepath.Join(tree, ".build-id", id[:2], id[2:]+".debug")
	require.NoError(t, os.MkdirAll(filepath.Dir(debug), 0o755))
	run(t, ".", "objcopy", "--only-keep-debug", path, debug)
	stripped := filepath.Join(dir, "prog")
	run(t, ".", "strip", "-o", stripped, path)
	addr := addrOf(t, path, "step.h", mark(t, fixtureHeader, "header"))
	symbolizer := symbolize.New(symbolize.Options{DebugDirs: []string{tree}})
	defer symbolizer.Close()
	// The module itself may be missing or another build: the debug file is
	// found by the build ID that the log names.
	for _, module := range []string{stripped, filepath.Join(dir, "missing"), "/etc/passwd"} {
		report := reportOf(model.Frame{Module: module, BuildID: strings.ToUpper(id), VirtAddr: addr})
		assert.Empty(t, symbolizer.Report(report), module)
		assert.Equal(t, "step_twice", report.Stacks[0].Frames[0].Function, module)
		assert.Equal(t, mark(t, fixtureHeader, "header"), report.Stacks[0].Frames[0].Line, module)
	}
}

func TestRebuiltFileIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prog")
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	_, err := symbolizer.Resolve(path, "", []model.VirtAddr{0x1000})
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, source := range []string{smallC(t), buildGo(t, "go")} {
		run(t, ".", "cp", "--remove-destination", source, path)
		addrs := textAddrs(t, path, 64)
		frames, err := symbolizer.Resolve(path, "", addrs)
		require.NoError(t, err)
		theirs := llvmSymbolize(t, path, addrs)
		for i := range addrs {
			if len(frames[i]) > 0 && frames[i][0].Line > 0 && !generated(frames[i][0], theirs[i][0]) {
				require.Equal(t, theirs[i][0].Line, frames[i][0].Line)
			}
		}
	}
}

func TestManyThreadsAndModules(t *testing.T) {
	paths := []string{smallC(t), buildGo(t, "go"), buildCPP(t, "gcc-c++", "g++", "-g", "-O2")}
	symbolizer := symbolize.New(symbolize.Options{})
	want := map[string][][]model.Frame{}
	addrs := map[string][]model.VirtAddr{}
	for _, path := range paths {
		addrs[path] = textAddrs(t, path, 512)
		frames, err := symbolizer.Resolve(path, "", addrs[path])
		require.NoError(t, err)
		want[path] = frames
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 20 {
				path := paths[(worker+i)%len(paths)]
				frames, err := symbolizer.Resolve(path, "", addrs[path])
				assert.NoError(t, err)
				assert.Equal(t, want[path], frames)
				for _, chain := range frames {
					for j := range chain {
						chain[j].Function = "ours to change"
					}
				}
				if worker == 0 {
					// More modules than are kept open at a time.
					for n := range 10 {
						symbolizer.Report(reportOf(model.Frame{Module: "/no/" + strconv.Itoa(10*i+n), BuildID: "abcd", VirtAddr: 1}))
					}
				}
				if worker == 1 && i%5 == 0 {
					assert.NoError(t, symbolizer.Close())
				}
			}
		}()
	}
	group.Wait()
	require.NoError(t, symbolizer.Close())
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range open {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		assert.NotContains(t, paths, target, "a module is left open")
	}
}

const fixtureFault = `
#include <stdlib.h>
static inline __attribute__((always_inline)) char peek(char *p) { return p[2]; /* MARK: fault */ }
__attribute__((noinline)) static char use(char *p) { return peek(p); }
__attribute__((noinline)) static void drop(char *p) { free(p); /* MARK: free */ }
int main(int argc, char **argv) {
    (void)argv;
    char *p = malloc((size_t)argc + 9); /* MARK: allocation */
    drop(p);
    return use(p);
}
`

var stackLine = regexp.MustCompile(`(?m)^\s+#\d+ (0x[0-9a-f]+) (?:in (\S+) (\S+?):(\d+)(?::(\d+))?$|.*\((\S+)\+(0x[0-9a-f]+)\) \(BuildId: ([0-9a-f]+)\))`)

// A real process: what the runtime prints with llvm-symbolizer, and what comes
// of its raw report here, are the same frames. It shows as well that the
// addresses of a raw report are those to look up: no further one less.
func TestRawReportOfARealProcessAgreesWithItsRuntime(t *testing.T) {
	path := build(t, "fault", map[string]string{"fault.c": fixtureFault},
		"clang-19", "-fsanitize=address", "-g", "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-Wl,--build-id", "-o", "out", "fault.c")
	crash := func(options string) string {
		cmd := exec.Command(path)
		cmd.Env = append(os.Environ(), "ASAN_OPTIONS="+options)
		output, err := cmd.CombinedOutput()
		require.Error(t, err, "the process must crash")
		require.Contains(t, string(output), "heap-use-after-free")
		return string(output)
	}
	llvm, err := exec.LookPath("llvm-symbolizer-19")
	require.NoError(t, err)
	var want []model.Frame
	for _, match := range stackLine.FindAllStringSubmatch(crash("symbolize=1:external_symbolizer_path="+llvm), -1) {
		if strings.HasSuffix(match[3], "fault.c") {
			line, _ := strconv.Atoi(match[4])
			column, _ := strconv.Atoi(match[5])
			want = append(want, model.Frame{Function: match[2], File: match[3], Line: line, Column: column})
		}
	}
	report := reportOf()
	for _, match := range stackLine.FindAllStringSubmatch(crash("symbolize=0"), -1) {
		frame := model.Frame{Module: match[6], BuildID: match[8]}
		require.NoError(t, frame.VirtAddr.UnmarshalText([]byte(match[7])))
		report.Stacks[0].Frames = append(report.Stacks[0].Frames, frame)
	}
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	symbolizer.Report(report)
	var got []model.Frame
	for _, frame := range report.Stacks[0].Frames {
		if strings.HasSuffix(frame.File, "fault.c") {
			got = append(got, model.Frame{Function: frame.Function, File: frame.File, Line: frame.Line, Column: frame.Column})
		}
	}
	assert.Equal(t, want, got)
	for _, marker := range []string{"fault", "free", "allocation"} {
		line := mark(t, fixtureFault, marker)
		assert.True(t, containsLine(got, line), "%s: line %d", marker, line)
	}
}

func containsLine(frames []model.Frame, line int) bool {
	for _, frame := range frames {
		if frame.Line == line {
			return true
		}
	}
	return false
}

func TestDamagedDebugInformationIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "damaged")
	content, err := os.ReadFile(smallC(t))
	require.NoError(t, err)
	reference, err := elf.Open(smallC(t))
	require.NoError(t, err)
	defer reference.Close()
	section := reference.Section(".debug_abbrev")
	clear(content[section.Offset+4 : section.Offset+section.FileSize/2])
	require.NoError(t, os.WriteFile(path, content, 0o755))
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	entry := addrOf(t, smallC(t), "main.c", mark(t, fixtureC, "entry"))
	report := reportOf(model.Frame{Module: path, BuildID: buildID(t, path), VirtAddr: entry})
	partial := symbolizer.Report(report)
	require.Len(t, partial, 1)
	assert.Equal(t, path, partial[0].File)
	assert.Positive(t, partial[0].OffsetBytes)
	assert.Contains(t, partial[0].Reason, "malformed")
	assert.NotEmpty(t, report.Stacks[0].Frames[0].Function, "the symbol table still answers")
}

func BenchmarkResolveOneAddress(b *testing.B) {
	path := buildGo(b, "go")
	addr := textAddrs(b, path, 16)[20000:20001]
	b.ReportAllocs()
	for b.Loop() {
		symbolizer := symbolize.New(symbolize.Options{})
		frames, err := symbolizer.Resolve(path, "", addr)
		require.NoError(b, err)
		require.NotEmpty(b, frames[0])
		require.NoError(b, symbolizer.Close())
	}
}

func BenchmarkResolveEveryAddress(b *testing.B) {
	path := buildGo(b, "go")
	addrs := textAddrs(b, path, 16)
	b.ReportAllocs()
	for b.Loop() {
		symbolizer := symbolize.New(symbolize.Options{})
		_, err := symbolizer.Resolve(path, "", addrs)
		require.NoError(b, err)
		require.NoError(b, symbolizer.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(addrs)), "ns/addr")
}

func BenchmarkReportAgain(b *testing.B) {
	path := smallC(b)
	frame := model.Frame{Module: path, BuildID: buildID(b, path), VirtAddr: textAddrs(b, path, 16)[8]}
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	b.ReportAllocs()
	for b.Loop() {
		report := reportOf(frame)
		symbolizer.Report(report)
		require.NotEmpty(b, report.Stacks[0].Frames[0].Function)
	}
}
