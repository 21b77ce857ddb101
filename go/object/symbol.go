package object

import (
	"cmp"
	"debug/elf"
	"slices"
	"sort"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Symbol is one entry of a symbol table.
type Symbol struct {
	Name      string
	VirtAddr  model.VirtAddr
	SizeBytes uint64
	// Undefined symbols are wanted from another module.
	Undefined bool
	Function  bool
	Local     bool
	// Kind is the type as the file has it, Section the index of the section
	// that the symbol lies in, 0 for none; Dynamic tells .dynsym from .symtab.
	Kind    elf.SymType
	Section int
	Dynamic bool
}

// SymbolTable holds the function symbols of one file, sorted by address, one
// per address. It may be read from several threads.
type SymbolTable struct {
	// Source is the section that the symbols come from.
	Source  string
	entries []symbolEntry
	names   []byte
}

type symbolEntry struct {
	addr, size uint64
	// limit is where the section ends: a symbol without size ends there at
	// the latest.
	limit uint64
	name  uint32
}

// FunctionSymbols reads the function symbols of .symtab, or of .dynsym where
// the file was stripped. The table is empty where there are neither.
func (f *File) FunctionSymbols() (*SymbolTable, error) {
	var firstErr error
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		table, err := f.functionSymbols(kind)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if err == nil && table.Len() > 0 {
			return table, nil
		}
	}
	return &SymbolTable{}, firstErr
}

func (f *File) functionSymbols(kind elf.SectionType) (*SymbolTable, error) {
	table := &SymbolTable{}
	err := f.eachRawSymbol(kind, func(s rawSymbol, names []byte) bool {
		table.names = names
		if s.isFunction(f, names) {
			section := &f.sections[s.section]
			table.entries = append(table.entries, symbolEntry{
				addr: s.addr, size: s.size, name: s.name,
				limit: uint64(section.VirtAddr) + section.SizeBytes,
			})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	table.Source = ".symtab"
	if kind == elf.SHT_DYNSYM {
		table.Source = ".dynsym"
	}
	table.sortEntries()
	return table, nil
}

// sortEntries leaves one symbol per address: the largest, and of those the
// last in the file, as llvm-symbolizer chooses.
func (t *SymbolTable) sortEntries() {
	slices.SortStableFunc(t.entries, func(a, b symbolEntry) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(a.size, b.size))
	})
	kept := t.entries[:0]
	for i, entry := range t.entries {
		if i+1 < len(t.entries) && t.entries[i+1].addr == entry.addr {
			continue
		}
		kept = append(kept, entry)
	}
	t.entries = slices.Clip(kept)
}

// Len is the number of symbols.
func (t *SymbolTable) Len() int { return len(t.entries) }

// At returns symbol i, in the order of addresses.
func (t *SymbolTable) At(i int) Symbol {
	entry := &t.entries[i]
	return Symbol{
		Name:     stringAt(t.names, uint64(entry.name), maxNameBytes),
		VirtAddr: model.VirtAddr(entry.addr), SizeBytes: entry.size, Function: true,
	}
}

// Lookup returns the function symbol that covers addr. A symbol without size
// reaches to the next one, at most to the end of its section.
func (t *SymbolTable) Lookup(addr model.VirtAddr) (Symbol, bool) {
	next := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].addr > uint64(addr) })
	// A label inside of a function may end before addr; the function then
	// starts a little earlier.
	const maxBack = 16
	for i := next - 1; i >= 0 && i >= next-maxBack; i-- {
		entry := &t.entries[i]
		if entry.size == 0 && i == next-1 && uint64(addr) < entry.limit ||
			entry.size != 0 && uint64(addr)-entry.addr < entry.size {
			return t.At(i), true
		}
	}
	return Symbol{}, false
}

// EachSymbol calls visit for every named symbol of .symtab and .dynsym, also
// undefined ones and data, until visit returns false.
func (f *File) EachSymbol(visit func(Symbol) bool) error {
	goOn := true
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		err := f.eachRawSymbol(kind, func(s rawSymbol, names []byte) bool {
			name := stringAt(names, uint64(s.name), maxNameBytes)
			if name == "" {
				return true
			}
			goOn = visit(Symbol{
				Name: name, VirtAddr: model.VirtAddr(s.addr), SizeBytes: s.size,
				Undefined: s.index == elf.SHN_UNDEF,
				Function:  s.kind == elf.STT_FUNC || s.kind == elf.STT_GNU_IFUNC,
				Local:     s.bind == elf.STB_LOCAL,
				Kind:      s.kind, Section: s.section, Dynamic: kind == elf.SHT_DYNSYM,
			})
			return goOn
		})
		if err != nil || !goOn {
			return err
		}
	}
	return nil
}

// Sanitizer tells what a file has to do with AddressSanitizer.
type Sanitizer struct {
	// Instrumented code calls the runtime; Runtime means that the file brings
	// the runtime itself.
	Instrumented, Runtime bool
}

// AddressSanitizer looks for the symbols of AddressSanitizer.
func (f *File) AddressSanitizer() (Sanitizer, error) {
	var found Sanitizer
	err := f.EachSymbol(func(s Symbol) bool {
		if !strings.HasPrefix(s.Name, "__asan_") {
			return true
		}
		if s.Name == "__asan_init" && !s.Undefined {
			found.Runtime = true
		}
		if s.Undefined {
			found.Instrumented = true
		}
		return !found.Runtime || !found.Instrumented
	})
	return found, err
}

// rawSymbol is one Elf_Sym.
type rawSymbol struct {
	addr, size uint64
	name       uint32
	kind       elf.SymType
	bind       elf.SymBind
	index      elf.SectionIndex
	section    int // index resolved; 0 where the symbol is in no section
}

func (s *rawSymbol) isFunction(f *File, names []byte) bool {
	if s.section == 0 || f.sections[s.section].Flags&elf.SHF_EXECINSTR == 0 || uint64(s.name) >= uint64(len(names)) {
		return false
	}
	switch s.kind {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
		return names[s.name] != 0
	case elf.STT_NOTYPE:
		// Assembly often gives its functions no type. '$' starts ARM's
		// mapping symbols, '.' local labels.
		first := names[s.name]
		return first != 0 && first != '$' && first != '.'
	}
	return false
}

// eachRawSymbol visits the symbols of the first section of that type.
func (f *File) eachRawSymbol(kind elf.SectionType, visit func(rawSymbol, []byte) bool) error {
	at := slices.IndexFunc(f.sections, func(s Section) bool { return s.Type == kind })
	if at < 0 {
		return nil
	}
	section := &f.sections[at]
	entrySize := uint64(16)
	if f.is64 {
		entrySize = 24
	}
	offset := int64(min(section.FileOffset, 1<<62))
	if section.EntrySize != 0 && section.EntrySize != entrySize {
		return f.NewError(offset, ErrFormat, "section %s: symbols of %d bytes", section.Name, section.EntrySize)
	}
	if section.SizeBytes/entrySize > maxSymbols {
		return f.NewError(offset, ErrLimit, "section %s: %d symbols", section.Name, section.SizeBytes/entrySize)
	}
	if uint64(section.Link) >= uint64(len(f.sections)) {
		return f.NewError(offset, ErrFormat, "section %s: names in section %d of %d", section.Name, section.Link, len(f.sections))
	}
	names, err := f.SectionData(&f.sections[section.Link])
	if err != nil {
		return err
	}
	data, err := f.SectionData(section)
	if err != nil {
		return err
	}
	for uint64(len(data)) >= entrySize {
		if !visit(f.parseSymbol(data), names) {
			break
		}
		data = data[entrySize:]
	}
	return nil
}

func (f *File) parseSymbol(data []byte) rawSymbol {
	r := f.fields(data)
	s := rawSymbol{name: r.u32()}
	if !f.is64 {
		s.addr, s.size = r.word(), r.word()
	}
	info := r.data[0]
	r.skip(2) // st_info, st_other
	s.kind, s.bind = elf.ST_TYPE(info), elf.ST_BIND(info)
	s.index = elf.SectionIndex(r.u16())
	if f.is64 {
		s.addr, s.size = r.word(), r.word()
	}
	switch {
	case s.index < elf.SHN_LORESERVE && int(s.index) < len(f.sections):
		s.section = int(s.index)
	case s.index == elf.SHN_XINDEX:
		// The index lies in SHT_SYMTAB_SHNDX; the address tells as much.
		s.section = f.sectionAt(s.addr)
	}
	return s
}

func (f *File) sectionAt(addr uint64) int {
	for i := range f.sections {
		s := &f.sections[i]
		if s.Flags&elf.SHF_EXECINSTR != 0 && addr-uint64(s.VirtAddr) < s.SizeBytes {
			return i
		}
	}
	return 0
}
