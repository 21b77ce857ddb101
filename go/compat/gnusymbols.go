package compat

import (
	"cmp"
	"debug/elf"
	"slices"
	"sort"

	"github.com/ffikit/ffikit/go/object"
)

// gnuSymbols finds the symbol that binutils blames for an address which no
// debug information names: the nearest one before it in its section, whether
// it reaches that far or not (_bfd_elf_find_function in bfd/elf.c).
type gnuSymbols struct {
	entries  []gnuSymbol
	sections []gnuSection
	// data is where variables start.
	data map[uint64]bool
}

type gnuSection struct {
	start, size uint64
	index       int
}

type gnuSymbol struct {
	section    int
	addr, size uint64
	name, file string
	// hasFile tells a file symbol without a name from none.
	hasFile  bool
	function bool
}

// readGNUSymbols takes .symtab, or .dynsym where that is empty. A damaged
// table is as good as none. With only, what can't answer for that one address
// is left out.
func readGNUSymbols(file *object.File, only *uint64) *gnuSymbols {
	table := &gnuSymbols{data: map[uint64]bool{}}
	for i, section := range file.Sections() {
		if section.Flags&elf.SHF_ALLOC != 0 && section.Flags&elf.SHF_TLS == 0 {
			table.sections = append(table.sections, gnuSection{uint64(section.VirtAddr), section.SizeBytes, i})
		}
	}
	// A file's name is told for local symbols, and for others as long as no
	// second file was met.
	source, sourceSeen, symbolSeen, fileAfterSymbol, static := "", false, false, false, false
	err := file.EachSymbol(func(s object.Symbol) bool {
		if s.Dynamic && static {
			return false
		}
		static = !s.Dynamic
		if s.Kind == elf.STT_FILE {
			source, sourceSeen, fileAfterSymbol = s.Name, true, fileAfterSymbol || symbolSeen
			return true
		}
		symbolSeen = true
		variable := s.Section != 0 && s.Kind == elf.STT_OBJECT && (only == nil || uint64(s.VirtAddr) == *only)
		if variable && file.Sections()[s.Section].Flags&elf.SHF_EXECINSTR == 0 {
			table.data[uint64(s.VirtAddr)] = true
		}
		if s.Section == 0 || s.Kind == elf.STT_SECTION || s.Kind == elf.STT_OBJECT || s.Kind == elf.STT_TLS {
			return true
		}
		if only != nil && !table.nearer(s.Section, uint64(s.VirtAddr), *only) {
			return true
		}
		entry := gnuSymbol{
			section: s.Section, addr: uint64(s.VirtAddr), size: max(1, s.SizeBytes), name: s.Name,
			function: s.Kind == elf.STT_FUNC || s.Kind == elf.STT_GNU_IFUNC,
		}
		if s.Local || !fileAfterSymbol {
			entry.file, entry.hasFile = source, sourceSeen
		}
		table.entries = append(table.entries, entry)
		return true
	})
	if err != nil {
		table.entries = nil
	}
	table.sort()
	return table
}

// nearer tells whether a symbol at place may answer for addr: none of its section
// that was kept is nearer. Those that are farther are dropped.
func (t *gnuSymbols) nearer(section int, place, addr uint64) bool {
	if place > addr {
		return false
	}
	for i := range t.entries {
		if kept := &t.entries[i]; kept.section == section {
			if kept.addr < place {
				t.entries = slices.DeleteFunc(t.entries, func(e gnuSymbol) bool { return e.section == section })
				return true
			}
			return kept.addr == place
		}
	}
	return true
}

// sort sorts by section and address, symbols of one place in the order of the
// file. What is moved about is small, the symbols are not.
func (t *gnuSymbols) sort() {
	type place struct {
		addr    uint64
		section int32
		index   uint32
	}
	places := make([]place, len(t.entries))
	for i := range t.entries {
		places[i] = place{t.entries[i].addr, int32(t.entries[i].section), uint32(i)}
	}
	slices.SortFunc(places, func(a, b place) int {
		switch {
		case a.section != b.section:
			return cmp.Compare(a.section, b.section)
		case a.addr != b.addr:
			return cmp.Compare(a.addr, b.addr)
		}
		return cmp.Compare(a.index, b.index)
	})
	sorted := make([]gnuSymbol, len(places))
	for i, each := range places {
		sorted[i] = t.entries[each.index]
	}
	t.entries = sorted
}

// at returns the symbol that is blamed for addr.
func (t *gnuSymbols) at(addr uint64) (gnuSymbol, bool) {
	for _, section := range t.sections {
		if addr-section.start >= section.size {
			continue
		}
		after := sort.Search(len(t.entries), func(i int) bool {
			e := &t.entries[i]
			return e.section > section.index || e.section == section.index && e.addr > addr
		})
		if after > 0 && t.entries[after-1].section == section.index {
			return t.best(after-1, addr), true
		}
		// Sections may overlap; the first that has an answer is taken.
	}
	return gnuSymbol{}, false
}

// best chooses among the symbols at one address, the last of which is entry i:
// one that covers addr, of those a function, of those the smallest.
func (t *gnuSymbols) best(i int, addr uint64) gnuSymbol {
	first := i
	// More at one address than these are a hostile file's.
	const most = 64
	for first > 0 && i-first < most && t.entries[first-1].section == t.entries[i].section && t.entries[first-1].addr == t.entries[i].addr {
		first--
	}
	best := &t.entries[first]
	for j := first + 1; j <= i; j++ {
		other := &t.entries[j]
		covers := addr-other.addr < other.size
		switch {
		case addr-best.addr >= best.size:
			if other.size > best.size {
				best = other
			}
		case !covers:
		case best.function != other.function:
			if other.function {
				best = other
			}
		case other.size < best.size:
			best = other
		}
	}
	return *best
}

// readGNUValues gives the value of the first symbol of each name, of .symtab
// or, where that is empty, .dynsym.
func readGNUValues(file *object.File) map[string]uint64 {
	values := map[string]uint64{}
	static := false
	// A damaged table ends where the damage is.
	_ = file.EachSymbol(func(s object.Symbol) bool {
		if s.Dynamic && static {
			return false
		}
		static = !s.Dynamic
		if _, taken := values[s.Name]; !taken {
			values[s.Name] = uint64(s.VirtAddr)
		}
		return true
	})
	return values
}
