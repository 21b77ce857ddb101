package object

import (
	"encoding/binary"

	"github.com/ffikit/ffikit/go/model"
)

// nowhere is the index of an entry that is none.
const nowhere = ^uint32(0)

// scan looks up at most maxScanned addresses by going through the symbols as
// they lie in the file.
func (t *SymbolTable) scan(addrs []model.VirtAddr, visit func(int, Symbol)) error {
	var room [maxScanned]symbolEntry
	best := room[:len(addrs)]
	for i := range best {
		best[i].index = nowhere
	}
	failure := t.reader.scan(func(data []byte, first int) bool {
		t.reader.nearest(data, first, addrs, best)
		return true
	})
	if failure != nil {
		return failure
	}
	for i := range addrs {
		symbol, ok, err := t.near(&best[i], uint64(addrs[i]))
		if err != nil && failure == nil {
			failure = err
		}
		if ok && err == nil {
			visit(i, symbol)
		}
	}
	return failure
}

// near finds the symbol that covers addr, given the last one that starts at or
// before it: that one nearly always.
func (t *SymbolTable) near(nearest *symbolEntry, addr uint64) (Symbol, bool, error) {
	if nearest.index == nowhere {
		return Symbol{}, false, nil
	}
	if t.reader.covers(nearest, addr, true) {
		if symbol, err := t.symbol(nearest); err != nil || symbol.Name != "" {
			return symbol, true, err
		}
	}
	few := &fewSymbols{addr: addr}
	err := t.reader.scan(func(data []byte, first int) bool {
		t.reader.addFew(data, first, few)
		return true
	})
	if err != nil {
		return Symbol{}, false, err
	}
	return t.covering(few.entries[:few.count], addr)
}

// nearest improves, for each address, the best symbol that starts at or before
// it: the last one, and of those at one address the largest and then the last
// in the file. data starts with symbol first.
func (r *symbolReader) nearest(data []byte, first int, addrs []model.VirtAddr, best []symbolEntry) {
	const valueAt = 8
	for i := first; len(data) >= r.entrySize; i, data = i+1, data[r.entrySize:] {
		var value uint64
		if r.direct {
			value = binary.LittleEndian.Uint64(data[valueAt:])
		} else {
			s := r.parse(data, i)
			value = r.addr(&s)
		}
		for j := range best {
			if value > uint64(addrs[j]) || value < best[j].addr {
				continue
			}
			s := r.parse(data, i)
			if value == best[j].addr && best[j].index != nowhere && s.size < best[j].size || !r.isFunction(&s) {
				continue
			}
			best[j] = symbolEntry{value, s.size, s.name, uint32(i)}
		}
	}
}

// fewSymbols are the last symbols that start at or before addr, sorted.
type fewSymbols struct {
	addr    uint64
	entries [maxBack]symbolEntry
	count   int
}

func (r *symbolReader) addFew(data []byte, first int, few *fewSymbols) {
	for i := first; len(data) >= r.entrySize; i, data = i+1, data[r.entrySize:] {
		s := r.parse(data, i)
		at := r.addr(&s)
		if at <= few.addr && (few.count < maxBack || at >= few.entries[0].addr) && r.isFunction(&s) {
			few.add(symbolEntry{at, s.size, s.name, uint32(i)})
		}
	}
}

// add puts a symbol in its place; of two at one address the larger stays, of
// two alike the later.
func (few *fewSymbols) add(entry symbolEntry) {
	place := few.count
	for place > 0 && few.entries[place-1].addr >= entry.addr {
		place--
	}
	switch {
	case place < few.count && few.entries[place].addr == entry.addr:
		if few.entries[place].size <= entry.size {
			few.entries[place] = entry
		}
	case few.count < maxBack:
		copy(few.entries[place+1:few.count+1], few.entries[place:few.count])
		few.entries[place] = entry
		few.count++
	default: // the farthest one goes
		copy(few.entries[:place-1], few.entries[1:place])
		few.entries[place-1] = entry
	}
}
