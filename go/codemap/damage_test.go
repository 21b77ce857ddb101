package codemap_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
)

// sample is a source of several blocks, with its file and all its addresses.
func sample(t testing.TB, records int) (codemap.Source, []byte, []model.VirtAddr) {
	rng := rand.New(rand.NewPCG(uint64(records), 11))
	source := codemap.Source{
		Tables:  []*codemap.Table{randomTable(rng, 1<<20, records, 40), randomTable(rng, 1<<20+77, records/2, 60)},
		Symbols: randomSymbols(rng, 1<<20, records/10, 300),
	}
	return source, encode(t, source), interesting(rng, source)
}

// read opens a file and asks for all addresses; at most one of both fails.
func read(file []byte, addrs []model.VirtAddr) error {
	reader, err := codemap.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return err
	}
	return reader.Each(addrs, func(int, []model.Frame) {})
}

func TestEveryBitIsUnderAChecksum(t *testing.T) {
	_, file, addrs := sample(t, 6000)
	require.Greater(t, len(file), codemap.HeaderBytes+3*codemap.BlockBytes)
	require.NoError(t, read(file, addrs))
	require.GreaterOrEqual(t, len(addrs), codemap.ManyAddrs, "all blocks are read")
	rng := rand.New(rand.NewPCG(3, 3))
	flip := func(at int) {
		damaged := bytes.Clone(file)
		damaged[at] ^= 1 << rng.IntN(8)
		err := read(damaged, addrs)
		if at >= 8 && at < 12 {
			require.ErrorIs(t, err, codemap.ErrVersion, "byte %d", at)
		} else {
			require.ErrorIs(t, err, codemap.ErrDamaged, "byte %d", at)
		}
	}
	for at := 0; at < 400; at++ {
		flip(at)
	}
	for at := 400; at < len(file); at += 1 + rng.IntN(600) {
		flip(at)
	}
	for at := len(file) - 40; at < len(file); at++ {
		flip(at)
	}
}

// A single address reads the blocks that it needs, and notices damage there.
func TestDamageIsNoticedWhereItIsRead(t *testing.T) {
	_, file, addrs := sample(t, 6000)
	rng := rand.New(rand.NewPCG(4, 4))
	noticed := 0
	for range 200 {
		damaged := bytes.Clone(file)
		damaged[codemap.HeaderBytes+rng.IntN(len(file)-codemap.HeaderBytes-100)] ^= 0x20
		addr := []model.VirtAddr{addrs[rng.IntN(len(addrs))]}
		var want, got []model.Frame
		require.NoError(t, open(t, file).Each(addr, func(_ int, frames []model.Frame) { want = slices.Clone(frames) }))
		err := open(t, damaged).Each(addr, func(_ int, frames []model.Frame) { got = slices.Clone(frames) })
		if err != nil {
			require.ErrorIs(t, err, codemap.ErrDamaged)
			noticed++
			continue
		}
		require.Equal(t, want, got)
	}
	assert.Greater(t, noticed, 10)
	assert.Less(t, noticed, 190, "one address does not read the whole file")
}

func TestCutAndLengthened(t *testing.T) {
	_, file, addrs := sample(t, 3000)
	for size := 0; size < len(file); size += 1 + size/50 {
		require.ErrorIs(t, read(file[:size], addrs), codemap.ErrDamaged, "%d bytes", size)
	}
	for _, more := range []int{1, 4, codemap.BlockBytes, codemap.BlockBytes + 4} {
		require.ErrorIs(t, read(append(bytes.Clone(file), make([]byte, more)...), addrs), codemap.ErrDamaged)
	}
}

func TestOtherVersionsAndByteOrder(t *testing.T) {
	_, file, addrs := sample(t, 100)
	for _, version := range []uint32{0, codemap.Version + 1, math.MaxUint32} {
		other := bytes.Clone(file)
		binary.LittleEndian.PutUint32(other[8:], version)
		assert.ErrorIs(t, read(other, addrs), codemap.ErrVersion)
	}
	other := bytes.Clone(file)
	for at := 8; at+4 <= codemap.HeaderBytes; at += 4 {
		slices.Reverse(other[at : at+4])
	}
	assert.ErrorIs(t, read(other, addrs), codemap.ErrVersion)
	assert.ErrorIs(t, read([]byte("\x7fELF"+string(file[4:])), addrs), codemap.ErrDamaged)
}

// A file that shrinks after it was opened is an error; what was read of it
// before stays as it was.
func TestFileThatShrinks(t *testing.T) {
	_, content, addrs := sample(t, 6000)
	path := filepath.Join(t.TempDir(), "index")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	reader, err := codemap.Open(file, int64(len(content)))
	require.NoError(t, err)
	var kept []model.Frame
	for i := 0; len(kept) == 0; i++ {
		require.NoError(t, reader.Each(addrs[i:i+1], func(_ int, frames []model.Frame) { kept = slices.Clone(frames) }))
	}
	function := string([]byte(kept[0].Function))
	require.NoError(t, file.Truncate(codemap.HeaderBytes+100))
	require.ErrorIs(t, reader.Each(addrs, func(int, []model.Frame) {}), codemap.ErrDamaged)
	assert.Equal(t, function, kept[0].Function)
	assert.ErrorIs(t, reader.Each(addrs[:1], func(int, []model.Frame) {}), codemap.ErrDamaged, "and stays one")
}

// What is wrong in a file whose checksums are right is an error, not a panic,
// a hang or an answer out of nowhere.
func TestForgedNumbers(t *testing.T) {
	_, file, addrs := sample(t, 2000)
	rng := rand.New(rand.NewPCG(5, 6))
	errors := 0
	for range 3000 {
		forged := bytes.Clone(file)
		for range 1 + rng.IntN(4) {
			at := rng.IntN(len(forged))
			if rng.IntN(3) == 0 {
				at = 20 + rng.IntN(300)
			}
			forged[at] = byte(rng.Uint32())
		}
		codemap.Reseal(forged)
		reader, err := codemap.Open(bytes.NewReader(forged), int64(len(forged)))
		if err == nil {
			err = reader.Each(addrs[:codemap.ManyAddrs/2], func(_ int, frames []model.Frame) {
				require.LessOrEqual(t, len(frames), codemap.MaxChain)
			})
		}
		if err != nil {
			require.ErrorIs(t, err, codemap.ErrDamaged)
			errors++
		}
	}
	assert.Greater(t, errors, 300)
	assert.Less(t, errors, 2900)
}

// What breaks a table's rules is not written.
func TestBadTablesAreRefused(t *testing.T) {
	good := func() *codemap.Table {
		return &codemap.Table{
			Starts: []uint32{1, 9}, Records: []codemap.Record{{Node: 2, Place: 1}, {}},
			Nodes:     []codemap.Node{{}, {Function: 1}, {Function: 1, Parent: 1, Call: 1}},
			Functions: []codemap.Function{{}, {Name: 1, File: 1}}, Places: []codemap.Place{{}, {File: 1, Line: 3}},
			Files: []string{"", "a.c"}, Names: []string{"", "f"},
		}
	}
	tooDeep := good()
	for i := range codemap.MaxChain {
		tooDeep.Nodes = append(tooDeep.Nodes, codemap.Node{Function: 1, Parent: uint32(i + 2)})
	}
	for name, change := range map[string]func(*codemap.Table){
		"starts":         func(t *codemap.Table) { t.Starts = t.Starts[:1] },
		"order":          func(t *codemap.Table) { t.Starts[1] = 1 },
		"no end":         func(t *codemap.Table) { t.Records[1].Place = 1 },
		"record's node":  func(t *codemap.Table) { t.Records[0].Node = 3 },
		"record's place": func(t *codemap.Table) { t.Records[0].Place = 2 },
		"parent":         func(t *codemap.Table) { t.Nodes[1].Parent = 1 },
		"later parent":   func(t *codemap.Table) { t.Nodes[1].Parent = 2 },
		"call":           func(t *codemap.Table) { t.Nodes[2].Call = 2 },
		"function":       func(t *codemap.Table) { t.Nodes[2].Function = 2 },
		"name":           func(t *codemap.Table) { t.Functions[1].Name = 2 },
		"linkage":        func(t *codemap.Table) { t.Functions[1].Linkage = 2 },
		"file":           func(t *codemap.Table) { t.Functions[1].File = 2 },
		"place's file":   func(t *codemap.Table) { t.Places[1].File = 2 },
		"first file":     func(t *codemap.Table) { t.Files[0] = "b.c" },
		"first name":     func(t *codemap.Table) { t.Names[0] = "g" },
		"first node":     func(t *codemap.Table) { t.Nodes[0].Function = 1 },
		"first place":    func(t *codemap.Table) { t.Places[0].Line = 1 },
		"base":           func(t *codemap.Table) { t.Base = math.MaxUint64 },
		"too deep":       func(t *codemap.Table) { *t = *tooDeep },
	} {
		table := good()
		change(table)
		var out bytes.Buffer
		assert.Error(t, codemap.Encode(&out, nil, codemap.Source{Tables: []*codemap.Table{table}}), name)
		assert.Zero(t, out.Len(), name)
	}
	for _, symbols := range [][]codemap.Symbol{
		{{Start: 5, End: 5, Name: "s"}}, {{Start: 5, End: 9, Name: "s"}, {Start: 8, End: 12, Name: "t"}},
	} {
		assert.Error(t, codemap.Encode(&bytes.Buffer{}, nil, codemap.Source{Symbols: symbols}))
	}
	far := codemap.Source{Tables: []*codemap.Table{good()}, Symbols: []codemap.Symbol{{Start: 1 << 33, End: 1<<33 + 1, Name: "far"}}}
	assert.ErrorIs(t, codemap.Encode(&bytes.Buffer{}, nil, far), codemap.ErrLimit)
	assert.ErrorIs(t, codemap.Encode(&bytes.Buffer{}, make([]codemap.Identity, 9), codemap.Source{}), codemap.ErrLimit)
	assert.NoError(t, codemap.Encode(&bytes.Buffer{}, nil, codemap.Source{Tables: []*codemap.Table{good()}}))
}

// Code that lies far apart does not need a bucket for each 128 bytes between.
func TestSparseCodeStaysSmall(t *testing.T) {
	source := codemap.Source{Symbols: []codemap.Symbol{{Start: 4096, End: 4100, Name: "low"}, {Start: 4<<30 - 100, End: 4<<30 - 50, Name: "high"}}}
	file := encode(t, source)
	assert.Less(t, len(file), 64<<10)
	addrs := []model.VirtAddr{4095, 4096, 4099, 4100, 1 << 31, 4<<30 - 101, 4<<30 - 100, 4<<30 - 51, 4<<30 - 50, 4 << 30, 5 << 30}
	requireSameAnswers(t, source, file, addrs, false)
}

func FuzzReader(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{0, 2, 40, 400} {
		source := codemap.Source{Tables: []*codemap.Table{randomTable(rng, 4096, n, 50)}, Symbols: randomSymbols(rng, 4096, n/4, 100)}
		f.Add(encode(f, source), uint64(4096))
	}
	f.Fuzz(func(t *testing.T, file []byte, addr uint64) {
		codemap.Reseal(file)
		reader, err := codemap.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		reader.SymbolNames = addr%2 == 0
		addrs := make([]model.VirtAddr, 64)
		for i := range addrs {
			addrs[i] = model.VirtAddr(addr + uint64(i*i*31))
		}
		_ = reader.Each(addrs, func(_ int, frames []model.Frame) {
			for i := range frames {
				_ = frames[i].Function + frames[i].LinkageName + frames[i].File
			}
		})
	})
}

func BenchmarkEach(b *testing.B) {
	_, file, addrs := sample(b, 100000)
	reader := open(b, file)
	frames := 0
	count := func(_ int, found []model.Frame) { frames += len(found) }
	require.NoError(b, reader.Each(addrs, count))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, reader.Each(addrs, count))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(addrs)), "ns/addr")
}

func BenchmarkOneAddress(b *testing.B) {
	_, file, addrs := sample(b, 100000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		require.NoError(b, open(b, file).Each(addrs[i%len(addrs):][:1], func(int, []model.Frame) {}))
	}
}

func BenchmarkEncode(b *testing.B) {
	source, file, _ := sample(b, 100000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		out.Grow(len(file))
		require.NoError(b, codemap.Encode(&out, identities, source))
	}
}
