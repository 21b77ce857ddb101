package pclntab

import (
	"hash/maphash"
	"math/bits"
)

// hashFactor makes hashes differ from process to process, so that no file can
// be made whose keys share a slot: multiply-shift hashing with a random odd
// factor (Dietzfelbinger et al., 1997).
var hashFactor = maphash.Comparable(maphash.MakeSeed(), 0) | 1

// numbers numbers keys in the order that they come, from 1 on, by open
// addressing. Sixteen keys that differ in their last bits only, as the places of
// neighbouring lines do, share a line of the processor's cache.
type numbers struct {
	keys  []uint64 // by number; 0 is none
	slots []uint32 // a power of two; 0 is empty
	shift uint
}

const nearBits = 4

// first is where key is looked for first.
func (n *numbers) first(key uint64) uint64 {
	return key>>nearBits*hashFactor>>n.shift<<nearBits | key%(1<<nearBits)
}

// reset forgets all keys.
func (n *numbers) reset() {
	const fewest, most = 1 << 10, 1 << 16
	if len(n.slots) == 0 || len(n.slots) > most {
		n.slots = make([]uint32, fewest)
		n.shift = uint(64 + nearBits - bits.Len(fewest-1))
	}
	clear(n.slots)
	n.keys = append(n.keys[:0], 0)
}

// number returns that of key, and whether it is new.
func (n *numbers) number(key uint64) (number uint32, added bool) {
	slot := n.first(key)
	for ; n.slots[slot] != 0; slot = (slot + 1) & uint64(len(n.slots)-1) {
		if number := n.slots[slot]; n.keys[number] == key {
			return number, false
		}
	}
	number = uint32(len(n.keys))
	n.keys = append(doubled(n.keys), key)
	n.slots[slot] = number
	if 2*len(n.keys) > len(n.slots) {
		n.grow()
	}
	return number, true
}

func (n *numbers) grow() {
	n.slots = make([]uint32, 4*len(n.slots))
	n.shift -= 2
	for number := 1; number < len(n.keys); number++ {
		slot := n.first(n.keys[number])
		for n.slots[slot] != 0 {
			slot = (slot + 1) & uint64(len(n.slots)-1)
		}
		n.slots[slot] = uint32(number)
	}
}
