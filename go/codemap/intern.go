package codemap

import (
	"fmt"
	"hash/maphash"
)

// interner numbers strings, equal ones alike, in the order of their first
// coming; "" is 0. It needs 4 to 8 bytes a string beside the string's header:
// a map of strings needs ten times that.
type interner struct {
	seed  maphash.Seed
	texts []string
	// slots hold numbers, 0 where free; their count is a power of two.
	slots []uint32
	bytes uint64
}

func newInterner(expected int) *interner {
	size := 64
	for size < expected*2 {
		size *= 2
	}
	texts := make([]string, 1, expected+1)
	return &interner{seed: maphash.MakeSeed(), texts: texts, slots: make([]uint32, size)}
}

func (n *interner) number(text string) uint32 {
	if text == "" {
		return 0
	}
	if len(n.texts)*2 > len(n.slots) {
		n.grow()
	}
	slot := n.find(text)
	if *slot == 0 {
		*slot = uint32(len(n.texts))
		n.texts = append(n.texts, text)
		n.bytes += uint64(len(text))
	}
	return *slot
}

// find returns the slot of text, or the free one where it belongs.
func (n *interner) find(text string) *uint32 {
	mask := uint64(len(n.slots) - 1)
	for at := maphash.String(n.seed, text) & mask; ; at = (at + 1) & mask {
		if number := n.slots[at]; number == 0 || n.texts[number] == text {
			return &n.slots[at]
		}
	}
}

func (n *interner) grow() {
	n.slots = make([]uint32, 2*len(n.slots))
	for number, text := range n.texts[1:] {
		*n.find(text) = uint32(number + 1)
	}
}

// numbers gives the number of each text.
func (n *interner) numbers(texts []string) []uint32 {
	numbers := make([]uint32, len(texts))
	for i, text := range texts {
		numbers[i] = n.number(text)
	}
	return numbers
}

// fits tells whether the strings can be told of in 32 bits.
func (n *interner) fits() error {
	if n.bytes > maxFileBytes || len(n.texts) > maxFileBytes {
		return fmt.Errorf("%w: %d strings of %d bytes", ErrLimit, len(n.texts), n.bytes)
	}
	return nil
}
