package object

import (
	"cmp"
	"debug/elf"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/ffikit/ffikit/go/model"
)

// SymbolTable holds the function symbols of one file, one per address: the
// largest, and of those the last in the file, as llvm-symbolizer chooses. It
// may be read from several threads. The zero value is an empty table.
//
// The first few lookups go through the symbols as they lie in the file; more
// of them make it worth while to sort. Neither copies a name.
type SymbolTable struct {
	// Source is the section that the symbols come from.
	Source string
	reader *symbolReader // nil in an empty table

	scanned atomic.Int32
	// lock is held while sorted is made.
	lock   sync.Mutex
	sorted atomic.Pointer[[]symbolEntry]
}

type symbolEntry struct {
	addr, size  uint64
	name, index uint32
}

const (
	// maxScanned is how many addresses are looked up before the table is
	// sorted; sorting costs about as much as this many scans.
	maxScanned = 16
	// maxBack is how many symbols before an address are tried: a label inside
	// of a function may end before it; the function then starts a little
	// earlier.
	maxBack = 16
	// maxSpare is how many symbols are sorted with as much memory again.
	maxSpare = 1 << 20
)

// FunctionSymbols reads the function symbols of .symtab, or of .dynsym where
// the file was stripped. The table is empty where there are neither.
func (f *File) FunctionSymbols() (*SymbolTable, error) {
	var firstErr error
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		reader, err := f.symbolsOf(kind)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if err != nil || reader == nil {
			continue
		}
		any, err := reader.anyFunction()
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if !any {
			continue
		}
		table := &SymbolTable{Source: ".symtab", reader: reader}
		if kind == elf.SHT_DYNSYM {
			table.Source = ".dynsym"
		}
		return table, nil
	}
	return &SymbolTable{}, firstErr
}

func (r *symbolReader) anyFunction() (found bool, err error) {
	err = r.scan(func(data []byte, first int) bool {
		for ; len(data) >= r.entrySize && !found; data = data[r.entrySize:] {
			s := r.parse(data, first)
			found = r.isFunction(&s)
			first++
		}
		return !found
	})
	return found, err
}

// Empty tells whether there is no symbol. Unlike Len it costs nothing.
func (t *SymbolTable) Empty() bool { return t.reader == nil }

// Len is the number of symbols, 0 where they cannot be read.
func (t *SymbolTable) Len() int {
	entries, _ := t.entries()
	return len(entries)
}

// At returns symbol i, in the order of addresses.
func (t *SymbolTable) At(i int) Symbol {
	entries, _ := t.entries()
	symbol, _ := t.symbol(&entries[i])
	return symbol
}

func (t *SymbolTable) symbol(entry *symbolEntry) (Symbol, error) {
	name, err := t.reader.nameAt(entry.name)
	return Symbol{Name: name, VirtAddr: model.VirtAddr(entry.addr), SizeBytes: entry.size, Function: true}, err
}

// Lookup returns the function symbol that covers addr. A symbol without size
// reaches to the next one, at most to the end of its section. Where the file
// changed so that symbols cannot be read there is none. Nothing is allocated.
func (t *SymbolTable) Lookup(addr model.VirtAddr) (symbol Symbol, ok bool) {
	if t.reader == nil {
		return Symbol{}, false
	}
	if t.mayScan(1) {
		_ = t.scan([]model.VirtAddr{addr}, func(_ int, s Symbol) { symbol, ok = s, true })
		return symbol, ok
	}
	entries, err := t.entries()
	if err != nil {
		return Symbol{}, false
	}
	at := uint64(addr)
	next := sort.Search(len(entries), func(i int) bool { return entries[i].addr > at })
	symbol, ok, err = t.covering(entries[:next], at)
	return symbol, ok && err == nil
}

// Each looks up many addresses and calls visit for those that a symbol covers,
// in the order of addrs. It costs least where addrs are sorted. An error means
// that symbols could not be read; the others are visited all the same.
func (t *SymbolTable) Each(addrs []model.VirtAddr, visit func(i int, symbol Symbol)) error {
	switch {
	case t.reader == nil || len(addrs) == 0:
		return nil
	case t.mayScan(len(addrs)):
		return t.scan(addrs, visit)
	}
	return t.join(addrs, visit)
}

// mayScan tells whether n more lookups are few enough not to sort for them.
func (t *SymbolTable) mayScan(n int) bool {
	return n <= maxScanned && t.sorted.Load() == nil && t.scanned.Add(int32(n)) <= maxScanned
}

// join goes through sorted addresses and symbols together.
func (t *SymbolTable) join(addrs []model.VirtAddr, visit func(int, Symbol)) error {
	entries, failure := t.entries()
	next, last := 0, uint64(0)
	for i, addr := range addrs {
		at := uint64(addr)
		if at < last {
			next = 0
		}
		last = at
		next += behind(entries[next:], at)
		symbol, ok, err := t.covering(entries[:next], at)
		if err != nil && failure == nil {
			failure = err
		}
		if ok && err == nil {
			visit(i, symbol)
		}
	}
	return failure
}

// behind is how many entries start at or before addr; near ones are found first.
func behind(entries []symbolEntry, addr uint64) int {
	step, low := 1, 0
	for low+step <= len(entries) && entries[low+step-1].addr <= addr {
		low += step
		step *= 2
	}
	high := min(low+step, len(entries))
	return low + sort.Search(high-low, func(i int) bool { return entries[low+i].addr > addr })
}

// covering finds the symbol that covers addr among entries, which are sorted
// and start at or before it.
func (t *SymbolTable) covering(entries []symbolEntry, addr uint64) (Symbol, bool, error) {
	for i := len(entries) - 1; i >= 0 && i >= len(entries)-maxBack; i-- {
		if !t.reader.covers(&entries[i], addr, i == len(entries)-1) {
			continue
		}
		if symbol, err := t.symbol(&entries[i]); err != nil || symbol.Name != "" {
			return symbol, true, err
		}
	}
	return Symbol{}, false, nil
}

func (r *symbolReader) covers(entry *symbolEntry, addr uint64, nearest bool) bool {
	if entry.size == 0 {
		return nearest && addr < r.limit(int(entry.index))
	}
	return addr-entry.addr < entry.size
}

// entries are the symbols sorted by address.
func (t *SymbolTable) entries() ([]symbolEntry, error) {
	if t.reader == nil {
		return nil, nil
	}
	if sorted := t.sorted.Load(); sorted != nil {
		return *sorted, nil
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if sorted := t.sorted.Load(); sorted != nil {
		return *sorted, nil
	}
	if err := t.reader.load(); err != nil {
		return nil, err
	}
	entries := onePerAddress(sortByAddr(t.reader.functions()))
	t.sorted.Store(&entries)
	return entries, nil
}

// functions are the function symbols in the order of the file.
func (r *symbolReader) functions() []symbolEntry {
	count := 0
	for i := range r.count {
		if s := r.at(i); r.isFunction(&s) {
			count++
		}
	}
	entries := make([]symbolEntry, 0, count)
	for i := range r.count {
		if s := r.at(i); len(entries) < count && r.isFunction(&s) {
			entries = append(entries, symbolEntry{r.addr(&s), s.size, s.name, uint32(i)})
		}
	}
	return entries
}

// onePerAddress leaves the largest symbol of each address, and of those the
// last. entries are sorted, symbols of one address in the order of the file.
func onePerAddress(entries []symbolEntry) []symbolEntry {
	kept := entries[:0]
	for _, entry := range entries {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].addr != entry.addr:
			kept = append(kept, entry)
		case kept[last].size <= entry.size:
			kept[last] = entry
		}
	}
	return slices.Clip(kept)
}

// sortByAddr sorts stably: by digits of 11 bits, of which addresses of one
// program differ in two or three.
func sortByAddr(entries []symbolEntry) []symbolEntry {
	const digitBits = 11
	if slices.IsSortedFunc(entries, func(a, b symbolEntry) int {
		if a.addr < b.addr {
			return -1
		}
		return 0
	}) || len(entries) == 0 {
		return entries
	}
	low, high := entries[0].addr, entries[0].addr
	for i := range entries {
		low, high = min(low, entries[i].addr), max(high, entries[i].addr)
	}
	if len(entries) > maxSpare {
		slices.SortFunc(entries, func(a, b symbolEntry) int {
			return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.index, b.index))
		})
		return entries
	}
	spare := make([]symbolEntry, len(entries))
	for shift := 0; shift < 64 && (high-low)>>shift != 0; shift += digitBits {
		var starts [1 << digitBits]int
		for i := range entries {
			starts[(entries[i].addr-low)>>shift&(1<<digitBits-1)]++
		}
		sum := 0
		for digit, count := range starts {
			starts[digit] = sum
			sum += count
		}
		for i := range entries {
			digit := (entries[i].addr - low) >> shift & (1<<digitBits - 1)
			spare[starts[digit]] = entries[i]
			starts[digit]++
		}
		entries, spare = spare, entries
	}
	return entries
}
