package pclntab_test

import (
	"debug/elf"
	"debug/gosym"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/pclntab"
)

// The first independent reference is the standard library's debug/gosym, which
// reads the table of a file with symbols: functions, files and lines, without
// inlined calls.

func gosymTable(t testing.TB, path string) *gosym.Table {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	at := map[string]elf.Symbol{}
	for _, s := range symbols {
		switch s.Name {
		case "runtime.pclntab", "runtime.epclntab", "runtime.text":
			at[s.Name] = s
		}
	}
	start, end := at["runtime.pclntab"].Value, at["runtime.epclntab"].Value
	require.Less(t, start, end)
	data := make([]byte, end-start)
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && start >= p.Vaddr && end <= p.Vaddr+p.Filesz {
			_, err := p.ReadAt(data, int64(start-p.Vaddr))
			require.NoError(t, err)
		}
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, at["runtime.text"].Value))
	require.NoError(t, err)
	return table
}

// agreeWithGosym compares path, which may be stripped, with its twin.
func agreeWithGosym(t *testing.T, path, twin string, step uint64) {
	t.Helper()
	theirs, ours := gosymTable(t, twin), open(t, path)
	require.Equal(t, len(theirs.Funcs), ours.Len())
	require.Greater(t, ours.Len(), 500)
	for i := range theirs.Funcs {
		want := &theirs.Funcs[i]
		got, err := ours.At(i)
		require.NoError(t, err)
		require.Equal(t, []any{want.Name, want.Entry, want.End}, []any{got.Name, uint64(got.Start), uint64(got.End)})
	}
	ranges := ours.TextRanges()
	require.Len(t, ranges, 1)
	var addrs []model.VirtAddr
	for addr := uint64(ranges[0].Start); addr < uint64(ranges[0].End); addr += step * sparse {
		addrs = append(addrs, model.VirtAddr(addr))
	}
	frames, err := ours.Resolve(addrs)
	require.NoError(t, err)
	lines, chains, nameless := 0, 0, 0
	for i, addr := range addrs {
		file, line, function := theirs.PCToLine(uint64(addr))
		if len(frames[i]) == 1 && frames[i][0].File == "" {
			// A marker of the linker or C code, without a table of lines: gosym
			// reads on at the start of all tables.
			nameless++
			require.Equal(t, function.Name, frames[i][0].Function, addr)
			continue
		}
		if len(frames[i]) == 0 {
			require.Truef(t, line <= 0, "%v is padding, and %s:%d to gosym", addr, file, line)
			continue
		}
		lines++
		chains += len(frames[i]) - 1
		require.Equal(t, []any{function.Name, file, line},
			[]any{frames[i][len(frames[i])-1].Function, frames[i][0].File, frames[i][0].Line}, addr)
	}
	t.Logf("%d functions, %d of %d addresses have lines, %d inlined frames, %d only a function", ours.Len(), lines, len(addrs), chains, nameless)
	assert.Less(t, nameless, len(addrs)/200)
	assert.Greater(t, lines, len(addrs)*8/10)
	assert.Greater(t, chains, len(addrs)/10)
}

func TestEveryRelease(t *testing.T) {
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			for _, test := range []struct {
				name  string
				build func(testing.TB, string) string
			}{{"exe", program}, {"pie", positionIndependent}, {"c-shared", library}} {
				path := test.build(t, release)
				t.Run(test.name, func(t *testing.T) { agreeWithGosym(t, path, path, 5) })
				t.Run(test.name+" stripped", func(t *testing.T) {
					bare := stripped(t, path)
					file, err := elf.Open(bare)
					require.NoError(t, err)
					defer file.Close()
					require.Nil(t, file.Section(".symtab"))
					// What is linked externally has no section for its table
					// before Go 1.26.
					if test.name == "c-shared" && !strings.HasPrefix(release, "go1.26.") {
						require.Nil(t, file.Section(".gopclntab"))
					}
					agreeWithGosym(t, bare, path, 23)
				})
			}
		})
	}
}

// What a user sees of his own code in a stripped library: the lines are those of
// the markers.
func TestInlinedCallsOfAStrippedLibrary(t *testing.T) {
	for _, release := range releases {
		table := open(t, stripped(t, library(t, release)))
		visit := functionNamed(t, table, "words/work.(*visitor).visit")
		assert.Equal(t, mark(t, "visit declared"), visit.Line)
		var addrs []model.VirtAddr
		for addr := visit.Start; addr < visit.End; addr++ {
			addrs = append(addrs, addr)
		}
		resolved, err := table.Resolve(addrs)
		require.NoError(t, err)
		want := []string{
			fmt.Sprint("words/work.innermost:", mark(t, "innermost"), "-", mark(t, "innermost"), " inlined"),
			fmt.Sprint("words/work.middle:", mark(t, "middle"), "-", mark(t, "middle declared"), " inlined"),
			fmt.Sprint("words/work.(*visitor).visit:", mark(t, "visit"), "-", mark(t, "visit declared")),
		}
		var chains []string
		for _, chain := range resolved {
			chains = append(chains, text(chain))
		}
		assert.Contains(t, chains, strings.Join(want, ", "), release)
	}
}

func functionNamed(t *testing.T, table *pclntab.Table, name string) pclntab.Function {
	t.Helper()
	for i := range table.Len() {
		if f, err := table.At(i); err == nil && f.Name == name {
			return f
		}
	}
	require.Fail(t, "no function "+name)
	return pclntab.Function{}
}

func text(chain []model.Frame) string {
	var parts []string
	for _, frame := range chain {
		part := fmt.Sprint(frame.Function, ":", frame.Line, "-", frame.FunctionLine)
		if frame.Inlined {
			part += " inlined"
		}
		if strings.HasSuffix(frame.File, "work.go") {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// Line directives lead into other files, where the distance from the function's
// declaration means nothing.
func TestLineDirectives(t *testing.T) {
	table := open(t, stripped(t, program(t, "local")))
	grammar := functionNamed(t, table, "words/work.grammar")
	var addrs []model.VirtAddr
	for addr := grammar.Start; addr < grammar.End; addr++ {
		addrs = append(addrs, addr)
	}
	resolved, err := table.Resolve(addrs)
	require.NoError(t, err)
	places := map[string]int{}
	for _, chain := range resolved {
		if len(chain) > 0 {
			outer := chain[len(chain)-1]
			places[fmt.Sprint(filepath.Base(outer.File), ":", outer.Line, "-", outer.FunctionLine)]++
		}
	}
	declared := mark(t, "grammar declared")
	assert.NotZero(t, places[fmt.Sprint("work.go:", declared+1, "-", declared)])
	assert.NotZero(t, places["grammar.y:7-0"])
	// The directive names a file without a folder.
	assert.NotZero(t, places["work.go:1000-0"])
}

// The linker's own way to strip lays out the code as it does without.
func TestStrippedByTheLinker(t *testing.T) {
	for _, test := range []struct{ kind, source, mode string }{
		{"exe", "program", "exe"}, {"pie", "program", "pie"}, {"shared", "library", "c-shared"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			flags := []string{"-buildmode=" + test.mode}
			twin := goBuild(t, "local", test.kind, test.source, withCgo, flags...)
			path := goBuild(t, "local", test.kind+"-s-w", test.source, withCgo, append(flags, "-ldflags=-s -w")...)
			agreeWithGosym(t, path, twin, 23)
		})
	}
}

// The largest program that comes with Go: its compiler.
func TestLargeProgram(t *testing.T) {
	path := compiler(t)
	require.Greater(t, open(t, path).Len(), 15000)
	agreeWithGosym(t, path, path, 31)
	agreeWithGosym(t, headless(t, stripped(t, path)), path, 499)
}

// Other processors: addresses of 4 bytes, big-endian order, instructions of 2
// and 4 bytes, and their own numbers for relocations.
func TestOtherProcessors(t *testing.T) {
	for _, test := range []struct{ processor, mode string }{
		{"386", "exe"}, {"mips", "exe"}, {"s390x", "exe"}, {"arm64", "pie"},
	} {
		t.Run(test.processor, func(t *testing.T) {
			path := goBuild(t, "local", test.processor, "program", []string{"GOARCH=" + test.processor}, "-buildmode="+test.mode)
			agreeWithGosym(t, path, path, 4)
			table := open(t, path)
			extracted, err := table.Extract(2)
			require.NoError(t, err)
			requireSameFrames(t, table, extracted, 2000)
		})
	}
}
