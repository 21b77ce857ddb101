package symbolize_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

// The index gives the same frames as what it was made from: all fields, at
// addresses at random and in a row, also those of nothing.
func TestIndexedAnswersAreTheSame(t *testing.T) {
	more := append(slices.Clone(referenceFixtures),
		fixture{"go-s-w", 20000, func(t testing.TB, n string) string { return buildGo(t, n, "-trimpath", "-ldflags=-s -w") }},
		fixture{"go-library", 20000, func(t testing.TB, _ string) string { return buildGoLibrary(t) }},
	)
	for _, fixture := range more {
		t.Run(fixture.name, func(t *testing.T) {
			path := fixture.build(t, fixture.name)
			settle(t, path)
			addrs := indexTestAddrs(t, path)
			for _, opts := range []symbolize.Options{{}, {SymbolNames: true}} {
				dir := filepath.Join(t.TempDir(), "cache")
				want := uncached(t, path, addrs, opts)
				// One call for 20,000 makes the index at once.
				got := cached(t, dir, path, addrs, opts)
				require.Len(t, indexes(t, dir), 1)
				answered := requireSame(t, addrs, want, got)
				assert.Greater(t, answered, len(addrs)/4)
				// Few addresses read few blocks, and give the same.
				for i := 0; i < len(addrs); i += len(addrs) / 40 {
					few := addrs[i:min(i+3, len(addrs))]
					requireSame(t, few, want[i:i+len(few)], cached(t, dir, path, few, opts))
				}
			}
		})
	}
}

// indexTestAddrs gives 20,000 addresses in and around the code.
func indexTestAddrs(t testing.TB, path string) []model.VirtAddr {
	all := textAddrs(t, path, 1)
	low, high := all[0], all[len(all)-1]
	rng := rand.New(rand.NewPCG(20, 26))
	addrs := []model.VirtAddr{0, 1, low - 1, high + 1, high + 1<<20, 1<<64 - 1}
	for len(addrs) < 15000 {
		addrs = append(addrs, all[rng.IntN(len(all))])
	}
	start := rng.IntN(len(all))
	for i := 0; len(addrs) < 20000; i++ {
		addrs = append(addrs, all[(start+i)%len(all)])
	}
	return addrs
}
