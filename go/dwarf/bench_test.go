package dwarf_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// The hot parts, on the debug information of a Rust program with its standard
// library: `go test ./dwarf -run - -bench . -benchmem`. What whole tools cost, and
// others beside them, is `make bench-symbolize`.

// rustProgram has some thousand functions of rustc's standard library.
func rustProgram(b *testing.B) []byte {
	b.Helper()
	dir := b.TempDir()
	source := filepath.Join(dir, "main.rs")
	require.NoError(b, os.WriteFile(source, []byte(`
fn main() {
    let mut words: Vec<String> = std::env::args().collect();
    words.sort_by_key(|w| w.len());
    println!("{:?}", words);
}
`), 0o644))
	cmd := exec.Command("rustc", "-g", "-o", "program", "main.rs")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(b, err, "%s", output)
	content, err := os.ReadFile(filepath.Join(dir, "program"))
	require.NoError(b, err)
	return content
}

func BenchmarkEach(b *testing.B) {
	content := rustProgram(b)
	addrs := codeAddrs(b, content)
	for name, count := range map[string]int{"1": 1, "1000": 1000, "all": len(addrs)} {
		some := make([]model.VirtAddr, 0, count)
		for i := range count {
			some = append(some, addrs[(2*i+1)*(len(addrs)/count)/2])
		}
		b.Run(name, func(b *testing.B) {
			data := open(b, content)
			b.ReportAllocs()
			for b.Loop() {
				frames := 0
				_ = data.Each(some, func(_ int, each []model.Frame) { frames += len(each) })
				require.NotZero(b, frames)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/address")
		})
	}
}

// BenchmarkFirst opens the file for each address.
func BenchmarkFirst(b *testing.B) {
	path := filepath.Join(b.TempDir(), "program")
	require.NoError(b, os.WriteFile(path, rustProgram(b), 0o644))
	content, err := os.ReadFile(path)
	require.NoError(b, err)
	addrs := codeAddrs(b, content)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		file, err := object.Open(path)
		require.NoError(b, err)
		data, err := dwarf.New(file)
		require.NoError(b, err)
		_, err = data.Resolve(addrs[i*977%len(addrs):][:1])
		require.NoError(b, err)
		require.NoError(b, file.Close())
	}
}

func BenchmarkExtract(b *testing.B) {
	data := open(b, rustProgram(b))
	b.ReportAllocs()
	for b.Loop() {
		table, err := data.Extract(1)
		require.NoError(b, err)
		b.ReportMetric(float64(len(table.Records)), "records")
	}
}
