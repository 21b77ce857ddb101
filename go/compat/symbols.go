package compat

import (
	"cmp"
	"debug/elf"
	"slices"
	"sort"
	"strings"

	"github.com/ffikit/ffikit/go/object"
)

// symbols is a module's symbol table as llvm-symbolizer sees it: functions,
// data and labels in sections that are loaded, one an address.
type symbols struct {
	entries []symbol
}

type symbol struct {
	name       string
	addr, size uint64
	// file is the source file (STT_FILE) of a local symbol.
	file string
}

// table reads the module's symbols when they are first asked for: most lines
// never need them.
func (m *module) table() *symbols {
	if m.symbols == nil {
		m.symbols = readSymbols(m.file)
	}
	return m.symbols
}

// readSymbols takes .symtab, or .dynsym where that is empty. A damaged table
// is as good as none.
func readSymbols(file *object.File) *symbols {
	table := &symbols{}
	if file == nil {
		return table
	}
	var static, dynamic []symbol
	sourceFile := ""
	err := file.EachSymbol(func(s object.Symbol) bool {
		switch {
		case s.Kind == elf.STT_FILE && !s.Dynamic:
			sourceFile = s.Name
		case !listed(file, &s):
		case s.Dynamic:
			dynamic = append(dynamic, symbol{name: s.Name, addr: uint64(s.VirtAddr), size: s.SizeBytes})
		default:
			entry := symbol{name: s.Name, addr: uint64(s.VirtAddr), size: s.SizeBytes}
			if s.Local {
				entry.file = sourceFile
			}
			static = append(static, entry)
		}
		return true
	})
	if err != nil {
		return table
	}
	table.entries = static
	if len(static) == 0 {
		table.entries = dynamic
	}
	// Of those at one address the largest is kept, and of those the last.
	slices.SortStableFunc(table.entries, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.size, b.size))
	})
	kept := table.entries[:0]
	for i, entry := range table.entries {
		if i+1 == len(table.entries) || table.entries[i+1].addr != entry.addr {
			kept = append(kept, entry)
		}
	}
	table.entries = kept
	return table
}

// listed tells whether llvm-symbolizer takes the symbol into its table
// (SymbolizableObjectFile::addSymbol).
func listed(file *object.File, s *object.Symbol) bool {
	if s.Section == 0 || file.Sections()[s.Section].Flags&elf.SHF_ALLOC == 0 {
		return false
	}
	switch s.Kind {
	case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_GNU_IFUNC:
		return true
	case elf.STT_NOTYPE:
		switch file.Machine() {
		case elf.EM_ARM, elf.EM_AARCH64, elf.EM_RISCV:
			return !strings.HasPrefix(s.Name, "$") // mapping symbols
		}
		return true
	}
	return false
}

// at returns the symbol that covers addr; one without size reaches to the
// next.
func (t *symbols) at(addr uint64) (symbol, bool) {
	next := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].addr > addr })
	if next == 0 {
		return symbol{}, false
	}
	entry := t.entries[next-1]
	if entry.size != 0 && addr-entry.addr >= entry.size {
		return symbol{}, false
	}
	return entry, true
}

// named returns the addresses of the symbols of that name, offset added where
// it lies inside of them.
func (t *symbols) named(name string, offset uint64) []uint64 {
	var addrs []uint64
	for i := range t.entries {
		if entry := &t.entries[i]; entry.name == name {
			addr := entry.addr
			if offset < entry.size {
				addr += offset
			}
			addrs = append(addrs, addr)
		}
	}
	return addrs
}
