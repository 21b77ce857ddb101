// Package handle numbers live Go objects for callers that are not Go.
//
// A handle is 64 bits: type, generation and index. Whatever number a caller
// hands in, Acquire either finds the very object that it was given for or
// refuses: handles that were freed, that belong to another type or table, or
// that are mere garbage never reach an object.
package handle

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Bits is a handle as the ABI carries it: the type in the highest 8 bits, then
// 32 bits of generation, then 24 bits of index. 0 is never given out.
type Bits uint64

const (
	indexBits      = 24
	generationBits = 32
	typeShift      = indexBits + generationBits
	// MaxLive is how many handles of one table may live at once.
	MaxLive = 1<<indexBits - 1
)

// The reasons why there is no object.
var (
	// ErrInvalid is for what is no live handle of the table.
	ErrInvalid = errors.New("the handle is stale, freed, foreign or of another type")
	// ErrFull is for a table with MaxLive handles.
	ErrFull = errors.New("too many live handles")
)

// Table holds the live objects of one type. Its methods may be called
// concurrently. Make it with NewTable.
type Table[T any] struct {
	kind  uint8
	first uint32 // generation that every slot begins with
	close func(T)

	mu    sync.Mutex // guards all below, and holders of every object
	slots []slot[T]
	free  []uint32 // indices of empty slots that may be used again
}

type slot[T any] struct {
	generation uint32
	object     *object[T] // nil: empty
}

// object lives while its slot or a call holds it.
type object[T any] struct {
	value   T
	holders int
}

// NewTable makes a table for a type, which is not 0 and differs from those of
// other tables. close, where not nil, is called once for each object, when it
// was freed and its last user is done.
func NewTable[T any](kind uint8, close func(T)) *Table[T] {
	if kind == 0 {
		panic("handle: type 0 would allow the zero handle")
	}
	// A random first generation keeps handles of another copy of this library
	// in the same process from being taken for ours.
	return &Table[T]{kind: kind, first: rand.Uint32(), close: close}
}

// Add gives value a handle.
func (t *Table[T]) Add(value T) (Bits, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var index uint32
	if n := len(t.free); n > 0 {
		index = t.free[n-1]
		t.free = t.free[:n-1]
	} else if len(t.slots) < MaxLive {
		index = uint32(len(t.slots))
		t.slots = append(t.slots, slot[T]{generation: t.first})
	} else {
		return 0, ErrFull
	}
	s := &t.slots[index]
	s.object = &object[T]{value: value, holders: 1}
	return Bits(t.kind)<<typeShift | Bits(s.generation)<<indexBits | Bits(index), nil
}

// Acquire finds the object of a handle and keeps it alive until release is
// called, which must be done exactly once.
func (t *Table[T]) Acquire(bits Bits) (value T, release func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(bits)
	if s == nil {
		return value, nil, ErrInvalid
	}
	o := s.object
	o.holders++
	return o.value, func() { t.drop(o) }, nil
}

// Free takes the handle away. Its object is closed now, or when the last call
// that uses it ends. What is no live handle is ignored: Free reports false.
func (t *Table[T]) Free(bits Bits) bool {
	t.mu.Lock()
	s := t.find(bits)
	if s == nil {
		t.mu.Unlock()
		return false
	}
	o := s.object
	s.object = nil
	s.generation++
	// A slot whose generations are used up is never used again: a handle
	// that was freed stays invalid for ever.
	if s.generation != t.first {
		t.free = append(t.free, uint32(bits&(1<<indexBits-1)))
	}
	t.mu.Unlock()
	t.drop(o)
	return true
}

// Live counts the handles that are given out and not freed.
func (t *Table[T]) Live() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	live := 0
	for i := range t.slots {
		if t.slots[i].object != nil {
			live++
		}
	}
	return live
}

// find is nil for what is no live handle. t.mu is held.
func (t *Table[T]) find(bits Bits) *slot[T] {
	index := uint64(bits & (1<<indexBits - 1))
	if uint8(bits>>typeShift) != t.kind || index >= uint64(len(t.slots)) {
		return nil
	}
	s := &t.slots[index]
	if s.object == nil || s.generation != uint32(bits>>indexBits) {
		return nil
	}
	return s
}

func (t *Table[T]) drop(o *object[T]) {
	t.mu.Lock()
	o.holders--
	last := o.holders == 0
	t.mu.Unlock()
	if last && t.close != nil {
		t.close(o.value)
	}
}
