package object_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

func TestAddrOrderIsThatOfAStableSort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, count := range []int{0, 1, 2, 255, 256, 257, 5000} {
		for _, bits := range []int{1, 8, 20, 32, 33, 64} {
			addrs := make([]model.VirtAddr, count)
			want := make([]uint32, count)
			for i := range addrs {
				addrs[i] = model.VirtAddr(random.Uint64() >> (64 - bits))
				want[i] = uint32(i)
			}
			slices.SortStableFunc(want, func(a, b uint32) int { return cmp.Compare(addrs[a], addrs[b]) })
			assert.Equal(t, want, object.AddrOrder(addrs), "%d addresses of %d bits", count, bits)
		}
	}
}
