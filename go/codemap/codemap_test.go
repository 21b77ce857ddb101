package codemap_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
)

var identities = []codemap.Identity{
	{Device: 66306, Inode: math.MaxUint64, SizeBytes: 1 << 40, ModifiedNS: 1, ChangedNS: -1, BuildID: "0123456789abcdef", Path: "/usr/bin/ü"},
	{Device: 1},
}

func encode(t testing.TB, source codemap.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, codemap.Encode(&out, identities, source))
	return out.Bytes()
}

func open(t testing.TB, file []byte) *codemap.Reader {
	t.Helper()
	reader, err := codemap.Open(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	return reader
}

// interesting gives addresses at, around and between all boundaries.
func interesting(rng *rand.Rand, source codemap.Source) []model.VirtAddr {
	var addrs []model.VirtAddr
	add := func(addr uint64) {
		addrs = append(addrs, model.VirtAddr(addr-1), model.VirtAddr(addr), model.VirtAddr(addr+rng.Uint64N(300)))
	}
	for _, table := range source.Tables {
		for _, start := range table.Starts {
			add(table.Base + uint64(start))
		}
		add(table.Base)
		add(table.Base + 1<<32)
	}
	for _, s := range source.Symbols {
		add(s.Start)
		add(s.End)
	}
	addrs = append(addrs, 0, 1, math.MaxUint64)
	rng.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return addrs
}

func requireSameAnswers(t *testing.T, source codemap.Source, file []byte, addrs []model.VirtAddr, symbolNames bool) (frames int) {
	t.Helper()
	reader := open(t, file)
	reader.SymbolNames = symbolNames
	next := 0
	err := reader.Each(addrs, func(i int, got []model.Frame) {
		require.Equal(t, next, i, "in order")
		next++
		want := naive(source, uint64(addrs[i]), symbolNames)
		if len(want) != len(got) || !slices.Equal(want, got) {
			require.Equal(t, want, got, "%v", addrs[i])
		}
		frames += len(got)
	})
	require.NoError(t, err)
	require.Equal(t, len(addrs), next)
	return frames
}

func TestRandomTables(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		base := rng.Uint64N(1 << 40)
		size := []int{0, 1, 5, 300, 3000}[seed%5]
		spread := []uint32{3, 40, 1000, 1 << 20}[seed/5%4]
		source := codemap.Source{Tables: []*codemap.Table{randomTable(rng, base, size, spread)}}
		if seed%2 == 1 {
			source.Tables = append(source.Tables, randomTable(rng, base+rng.Uint64N(1000), size, spread+1))
		}
		if seed%3 > 0 {
			source.Symbols = randomSymbols(rng, base, size/5, min(spread, 1<<16))
		}
		file := encode(t, source)
		assert.Equal(t, file, encode(t, source), "the same bytes again")
		addrs := interesting(rng, source)
		frames := requireSameAnswers(t, source, file, addrs, seed%4 > 1)
		if size > 100 {
			assert.Greater(t, frames, len(addrs)/2)
		}
		// Few addresses load few blocks only.
		for range 20 {
			at := rng.IntN(len(addrs))
			requireSameAnswers(t, source, file, addrs[at:min(at+3, len(addrs))], false)
		}
	}
}

func TestIdentities(t *testing.T) {
	assert.Equal(t, identities, open(t, encode(t, codemap.Source{})).Identities())
}

func TestNothingIsAllocatedPerAddress(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	source := codemap.Source{Tables: []*codemap.Table{randomTable(rng, 0, 5000, 30)}}
	reader := open(t, encode(t, source))
	addrs := interesting(rng, source)
	frames := 0
	once := func() {
		assert.NoError(t, reader.Each(addrs, func(_ int, found []model.Frame) { frames += len(found) }))
	}
	once()
	assert.LessOrEqual(t, testing.AllocsPerRun(3, once), 2.0)
	assert.Greater(t, frames, len(addrs))
}
