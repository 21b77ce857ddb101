package object

import (
	"cmp"
	"slices"

	"github.com/ffikit/ffikit/go/model"
)

// AddrOrder returns the indices of addrs in the order of their addresses, equal
// ones in the order that they came. It is what makes many look-ups cheap: each
// unit and function is then read once, and memory is gone through forwards.
func AddrOrder(addrs []model.VirtAddr) []uint32 {
	order := make([]uint32, len(addrs))
	if len(addrs) == 0 {
		return order
	}
	low, high := slices.Min(addrs), slices.Max(addrs)
	if high-low >= 1<<32 {
		for i := range order {
			order[i] = uint32(i)
		}
		slices.SortFunc(order, func(a, b uint32) int {
			return cmp.Or(cmp.Compare(addrs[a], addrs[b]), cmp.Compare(a, b))
		})
		return order
	}
	keys := make([]uint64, len(addrs))
	for i, addr := range addrs {
		keys[i] = uint64(addr-low)<<32 | uint64(i)
	}
	for i, key := range SortKeys(keys, make([]uint64, len(addrs))) {
		order[i] = uint32(key)
	}
	return order
}

// SortKeys sorts keys by their upper halves, stably, into keys or spare, which is
// as long, and returns the one of them: by digits of 11 bits, of which addresses
// of one program differ in two or three.
func SortKeys(keys, spare []uint64) []uint64 {
	const (
		digit = 11
		few   = 256
	)
	if slices.IsSorted(keys) {
		return keys
	}
	if len(keys) < few {
		slices.SortStableFunc(keys, func(a, b uint64) int { return cmp.Compare(a>>32, b>>32) })
		return keys
	}
	differ := uint64(0)
	for _, key := range keys {
		differ |= key ^ keys[0]
	}
	for shift := 32; shift < 64 && differ>>shift != 0; shift += digit {
		var starts [1 << digit]uint32
		for _, key := range keys {
			starts[key>>shift%(1<<digit)]++
		}
		sum := uint32(0)
		for i, count := range starts {
			starts[i], sum = sum, sum+count
		}
		for _, key := range keys {
			place := &starts[key>>shift%(1<<digit)]
			spare[*place] = key
			*place++
		}
		keys, spare = spare, keys
	}
	return keys
}
