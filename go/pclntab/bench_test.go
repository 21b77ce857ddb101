package pclntab_test

import (
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// compiler is the largest program that comes with Go: its compiler, stripped of
// nothing but DWARF.
func compiler(t testing.TB) string {
	t.Helper()
	output, err := exec.Command("go", "tool", "-n", "compile").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}

func BenchmarkOpen(b *testing.B) {
	path := compiler(b)
	b.ReportAllocs()
	for b.Loop() {
		file, err := object.Open(path)
		require.NoError(b, err)
		_, err = pclntab.Open(file)
		require.NoError(b, err)
		require.NoError(b, file.Close())
	}
}

// One address as a command asks for it: open, find, look up.
func BenchmarkOneAddress(b *testing.B) {
	path := compiler(b)
	addr := open(b, path).TextRanges()[0].Start + 1<<20
	b.ReportAllocs()
	for b.Loop() {
		file, err := object.Open(path)
		require.NoError(b, err)
		table, err := pclntab.Open(file)
		require.NoError(b, err)
		frames, err := table.Resolve([]model.VirtAddr{addr})
		require.NoError(b, err)
		require.NotEmpty(b, frames[0])
		require.NoError(b, file.Close())
	}
}

func randomAddrs(table *pclntab.Table, count int) []model.VirtAddr {
	text := table.TextRanges()[0]
	random := rand.New(rand.NewPCG(1, 2))
	addrs := make([]model.VirtAddr, count)
	for i := range addrs {
		addrs[i] = text.Start + model.VirtAddr(random.Uint64N(uint64(text.End-text.Start)))
	}
	return addrs
}

// Addresses as they come, of a file that is not open yet.
func BenchmarkEach(b *testing.B) {
	path := compiler(b)
	for _, count := range []int{1, 1000, 100000} {
		addrs := randomAddrs(open(b, path), count)
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				file, err := object.Open(path)
				require.NoError(b, err)
				table, err := pclntab.Open(file)
				require.NoError(b, err)
				frames := 0
				require.NoError(b, table.Each(addrs, func(_ int, chain []model.Frame) { frames += len(chain) }))
				require.Greater(b, frames, count/2)
				require.NoError(b, file.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/addr")
		})
	}
}

// What a table that is open already takes.
func BenchmarkEachAgain(b *testing.B) {
	table := open(b, compiler(b))
	addrs := randomAddrs(table, 100000)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, table.Each(addrs, func(int, []model.Frame) {}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(addrs)), "ns/addr")
}

func BenchmarkResolve(b *testing.B) {
	table := open(b, compiler(b))
	addrs := randomAddrs(table, 100000)
	b.ReportAllocs()
	for b.Loop() {
		frames, err := table.Resolve(addrs)
		require.NoError(b, err)
		require.Len(b, frames, len(addrs))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(addrs)), "ns/addr")
}

// The whole table, for an index of it.
func BenchmarkExtract(b *testing.B) {
	table := open(b, compiler(b))
	for _, workers := range []int{1, 2} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				extracted, err := table.Extract(workers)
				require.NoError(b, err)
				require.NotEmpty(b, extracted.Records)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	table := open(b, compiler(b))
	text := table.TextRanges()[0]
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := table.Lookup(text.Start + model.VirtAddr(random.Uint64N(uint64(text.End-text.Start))))
		require.NoError(b, err)
	}
}
