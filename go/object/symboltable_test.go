package object_test

import (
	"debug/elf"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// plainSymbols finds symbols in the plainest way, among those that Go's
// debug/elf reads: the reference for all the ways of SymbolTable.
type plainSymbols struct {
	file    *elf.File
	symbols []elf.Symbol // sorted, one per address
}

func readPlain(t testing.TB, path string) *plainSymbols {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	p := &plainSymbols{file: file}
	all, _ := file.Symbols()
	if all = slices.DeleteFunc(all, p.noFunction); len(all) == 0 {
		all, err = file.DynamicSymbols()
		require.NoError(t, err)
		all = slices.DeleteFunc(all, p.noFunction)
	}
	best := map[uint64]elf.Symbol{}
	for _, s := range all {
		if old, ok := best[s.Value]; !ok || s.Size >= old.Size {
			best[s.Value] = s
		}
	}
	for _, s := range best {
		p.symbols = append(p.symbols, s)
	}
	slices.SortFunc(p.symbols, func(a, b elf.Symbol) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	})
	return p
}

func (p *plainSymbols) noFunction(s elf.Symbol) bool {
	if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(p.file.Sections) ||
		p.file.Sections[s.Section].Flags&elf.SHF_EXECINSTR == 0 || s.Name == "" {
		return true
	}
	switch elf.ST_TYPE(s.Info) {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
		return false
	case elf.STT_NOTYPE:
		return s.Name[0] == '$' || s.Name[0] == '.'
	}
	return true
}

func (p *plainSymbols) lookup(addr uint64) (elf.Symbol, bool) {
	before := 0
	for i := len(p.symbols) - 1; i >= 0 && before < 16; i-- {
		s := p.symbols[i]
		if s.Value > addr {
			continue
		}
		section := p.file.Sections[s.Section]
		if s.Size == 0 && before == 0 && addr < section.Addr+section.Size || s.Size != 0 && addr-s.Value < s.Size {
			return s, true
		}
		before++
	}
	return elf.Symbol{}, false
}

// nestedSymbols is assembly whose labels end before the functions they lie in,
// have no size, no type, or share addresses.
func nestedSymbols(t testing.TB) string {
	text := ".text\n.globl outer\n.type outer,@function\nouter: nop\n"
	for i := range 20 {
		name := "inner" + string(rune('a'+i))
		text += ".type " + name + ",@function\n" + name + ": nop\n.size " + name + ",1\nnop\n"
	}
	text += ".size outer,.-outer\nnop\n" +
		"plain: nop\nnop\n.Llocal: nop\n" +
		".type twin,@function\n.type sibling,@function\ntwin: sibling: nop\n.size twin,1\n.size sibling,1\n" +
		".type long,@function\n.type short,@function\nlong: short: nop\nnop\n.size long,2\n.size short,1\n" +
		".type wide,@function\n.type alike,@function\nwide: alike: nop\n.type inner,@function\ninner: nop\n.size inner,1\n" +
		"nop\nnop\n.size wide,.-wide\n.size alike,.-alike\n" +
		".type open,@function\nopen: nop\nnop\n"
	path := filepath.Join(t.TempDir(), "nested")
	require.NoError(t, os.WriteFile(path+".s", []byte(text), 0o644))
	run(t, ".", "gcc", "-nostdlib", "-static", "-Wl,-e,outer", "-o", path, path+".s")
	return path
}

func symbolFiles(t testing.TB) []string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/main.go", []byte("package main\nfunc main() { println(1) }\n"), 0o644))
	run(t, dir, "go", "build", "-o", "program", "main.go")
	libc := strings.TrimSpace(run(t, ".", "gcc", "-print-file-name=libc.so.6"))
	return []string{nestedSymbols(t), dir + "/program", libc, sharedLibrary(t)}
}

func TestEveryWayFindsTheSameSymbol(t *testing.T) {
	for _, path := range symbolFiles(t) {
		plain := readPlain(t, path)
		require.NotEmpty(t, plain.symbols)
		var addrs []model.VirtAddr
		random := rand.New(rand.NewPCG(5, 6))
		for range 300 {
			s := plain.symbols[random.IntN(len(plain.symbols))]
			addrs = append(addrs, model.VirtAddr(s.Value+random.Uint64N(s.Size+9)), model.VirtAddr(s.Value-1))
		}
		last := plain.symbols[len(plain.symbols)-1]
		addrs = append(addrs, 0, 1<<63, ^model.VirtAddr(0), model.VirtAddr(last.Value+last.Size))
		for addr := plain.symbols[0].Value - 3; addr < plain.symbols[0].Value+100; addr++ {
			addrs = append(addrs, model.VirtAddr(addr))
		}
		want := make([]string, len(addrs))
		found := 0
		for i, addr := range addrs {
			if s, ok := plain.lookup(uint64(addr)); ok {
				want[i] = s.Name
				found++
			}
		}
		require.Greater(t, found, 50)

		table := func() *object.SymbolTable {
			table, err := open(t, path).FunctionSymbols()
			require.NoError(t, err)
			return table
		}
		check := func(how string, got []string) {
			t.Helper()
			for i := range want {
				assert.Equal(t, want[i], got[i], "%s: %s 0x%x", path, how, uint64(addrs[i]))
			}
		}
		one := make([]string, len(addrs))
		for i, addr := range addrs {
			if i%8 == 0 {
				continue
			}
			fresh := table() // scans
			symbol, _ := fresh.Lookup(addr)
			one[i] = symbol.Name
		}
		warm := table()
		for i, addr := range addrs {
			symbol, _ := warm.Lookup(addr)
			if i%8 == 0 {
				one[i] = symbol.Name
			}
			assert.Equal(t, want[i], symbol.Name)
		}
		check("one by one", one)
		check("unsorted", each(t, table(), addrs))
		check("again", each(t, warm, addrs))
		few := make([]string, 0, len(addrs))
		for chunk := range slices.Chunk(addrs, 5) {
			few = append(few, each(t, table(), chunk)...)
		}
		check("few", few)
		order := make([]int, len(addrs))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(min(1, max(-1, int64(addrs[a]>>1)-int64(addrs[b]>>1)))) })
		sorted := make([]model.VirtAddr, len(addrs))
		for i, from := range order {
			sorted[i] = addrs[from]
		}
		got := make([]string, len(addrs))
		for i, name := range each(t, table(), sorted) {
			got[order[i]] = name
		}
		check("sorted", got)

		assert.Equal(t, len(plain.symbols), warm.Len())
		for i, s := range plain.symbols {
			assert.Equal(t, object.Symbol{Name: s.Name, VirtAddr: model.VirtAddr(s.Value), SizeBytes: s.Size, Function: true}, warm.At(i))
		}
	}
}

func each(t testing.TB, table *object.SymbolTable, addrs []model.VirtAddr) []string {
	t.Helper()
	names, last := make([]string, len(addrs)), -1
	require.NoError(t, table.Each(addrs, func(i int, symbol object.Symbol) {
		assert.Greater(t, i, last, "in the order of the addresses")
		names[i], last = symbol.Name, i
	}))
	return names
}

func TestNoSymbols(t *testing.T) {
	for _, table := range []*object.SymbolTable{{}, func() *object.SymbolTable {
		path := filepath.Join(t.TempDir(), "stripped")
		run(t, ".", "strip", "-o", path, freestandingProgram(t))
		table, err := open(t, path).FunctionSymbols()
		require.NoError(t, err)
		return table
	}()} {
		assert.True(t, table.Empty())
		assert.Zero(t, table.Len())
		_, ok := table.Lookup(5)
		assert.False(t, ok)
		require.NoError(t, table.Each(make([]model.VirtAddr, 100), func(int, object.Symbol) { assert.Fail(t, "visited") }))
	}
}

func TestSymbolsAreReadByManyThreads(t *testing.T) {
	path := symbolFiles(t)[1]
	plain := readPlain(t, path)
	table, err := open(t, path).FunctionSymbols()
	require.NoError(t, err)
	var group sync.WaitGroup
	for thread := range 8 {
		group.Go(func() {
			for i := thread; i < len(plain.symbols); i += 50 {
				symbol, _ := table.Lookup(model.VirtAddr(plain.symbols[i].Value))
				want, _ := plain.lookup(plain.symbols[i].Value)
				assert.Equal(t, want.Name, symbol.Name)
			}
		})
	}
	group.Wait()
}

func TestNamesOfAFileThatShrinksAreAnError(t *testing.T) {
	path := symbolFiles(t)[1]
	reference := readPlain(t, path)
	file := open(t, path)
	table, err := file.FunctionSymbols()
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, int64(reference.file.Section(".strtab").Offset)))
	addrs := []model.VirtAddr{}
	for _, s := range reference.symbols {
		addrs = append(addrs, model.VirtAddr(s.Value))
	}
	err = table.Each(addrs, func(i int, symbol object.Symbol) {
		assert.Equal(t, reference.symbols[i].Name, symbol.Name)
	})
	assert.ErrorIs(t, err, object.ErrChanged)
}

// The index that does not fit an entry lies in a table of its own.
func TestSectionsBeyondTheLimitOfTheHeader(t *testing.T) {
	text := &strings.Builder{}
	const sections = 66000
	for i := range sections {
		name := "f" + string(rune('a'+i%26)) + strings.Repeat("z", i/26%7)
		text.WriteString(".section .text." + name + "." + strconv.Itoa(i) + ",\"ax\",@progbits\n")
		if i%6000 == 5999 {
			text.WriteString(".type g" + strconv.Itoa(i) + ",@function\ng" + strconv.Itoa(i) + ": nop\n.size g" + strconv.Itoa(i) + ",1\n")
		} else {
			text.WriteString("nop\n")
		}
	}
	path := compileObject(t, text.String(), ".s", "gcc")
	file := open(t, path)
	require.Greater(t, len(file.Sections()), 0xff00)
	assert.Contains(t, run(t, ".", "readelf", "-h", path), "("+strconv.Itoa(len(file.Sections()))+")")
	table, err := file.FunctionSymbols()
	require.NoError(t, err)
	require.Equal(t, 11, table.Len())
	sections64 := file.Sections()
	for i := range table.Len() {
		symbol := table.At(i)
		found := 0
		for j := range sections64 {
			if s := &sections64[j]; strings.HasSuffix(s.Name, "."+symbol.Name[1:]) {
				assert.Equal(t, s.VirtAddr, symbol.VirtAddr, symbol.Name)
				found++
			}
		}
		assert.Equal(t, 1, found, symbol.Name)
	}
	view, err := file.View(".shstrtab")
	require.NoError(t, err)
	require.NoError(t, view.LoadAll())
	assert.Contains(t, string(view.Buffer()), "."+strconv.Itoa(sections-1)+"\x00")
}

func TestNoSectionHeaders(t *testing.T) {
	content, err := os.ReadFile(sharedLibrary(t))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "headless")
	binary.LittleEndian.PutUint64(content[0x28:], 0)
	copy(content[0x3a:0x40], make([]byte, 6))
	require.NoError(t, os.WriteFile(path, content, 0o644))
	file := open(t, path)
	assert.NotEmpty(t, file.BuildID())
	assert.NotEmpty(t, file.ExecRanges())
	view, err := file.View(".debug_info")
	require.NoError(t, err)
	assert.Zero(t, view.Len())
	table, err := file.FunctionSymbols()
	require.NoError(t, err)
	assert.True(t, table.Empty())
	_, _, ok := file.SectionBase(".text")
	assert.False(t, ok)
}

func BenchmarkSymbols(b *testing.B) {
	path := symbolFiles(b)[1]
	plain := readPlain(b, path)
	var addrs []model.VirtAddr
	for _, s := range plain.symbols {
		addrs = append(addrs, model.VirtAddr(s.Value+s.Size/2))
	}
	table := func(b *testing.B) *object.SymbolTable {
		table, err := open(b, path).FunctionSymbols()
		require.NoError(b, err)
		return table
	}
	b.Run("open and one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			file, err := object.Open(path)
			require.NoError(b, err)
			table, err := file.FunctionSymbols()
			require.NoError(b, err)
			_, ok := table.Lookup(addrs[7])
			require.True(b, ok)
			_ = file.Close()
		}
	})
	b.Run("sort", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			fresh := table(b)
			b.StartTimer()
			require.NotZero(b, fresh.Len())
		}
	})
	b.Run("lookup", func(b *testing.B) {
		warm := table(b)
		require.NotZero(b, warm.Len())
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok := warm.Lookup(addrs[i%len(addrs)]); !ok {
				b.Fatal("not found")
			}
		}
	})
	b.Run("each", func(b *testing.B) {
		warm, names := table(b), 0
		require.NotZero(b, warm.Len())
		b.ReportAllocs()
		for b.Loop() {
			_ = warm.Each(addrs, func(_ int, s object.Symbol) { names += len(s.Name) })
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(addrs)), "ns/addr")
	})
}
