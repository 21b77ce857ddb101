package symbolize

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// resolver is one reader of addresses. It visits them in their order; frames
// and texts are good until visit returns.
type resolver interface {
	Each(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error
}

// sources are a module's readers, each opened when it is first wanted.
type sources struct {
	goSought, linesSought, symbolsSought, codeSought bool

	// code holds all code, and what lies between it.
	code object.AddrRange

	goTable *pclntab.Table
	// goText is where goTable knows all functions.
	goText  []object.AddrRange
	lines   *dwarf.Data
	symbols []*object.SymbolTable
}

// forget drops the readers for good, after one of them broke.
func (s *sources) forget() {
	s.goTable, s.goText, s.lines, s.symbols = nil, nil, nil, nil
	s.goSought, s.linesSought, s.symbolsSought = true, true, true
}

// goTable finds the module's Go function table; nil where there is none.
func (m *module) goTable() *pclntab.Table {
	s := &m.sources
	if s.goSought || m.file == nil {
		return s.goTable
	}
	s.goSought = true
	defer m.guard()
	table, err := pclntab.Open(m.file)
	if err != nil && !errors.Is(err, pclntab.ErrNoTable) {
		m.note(err)
	}
	if table != nil {
		s.goTable, s.goText = table, m.padded(table.TextRanges())
	}
	return table
}

// padded adds to the Go table's text what the linker padded its section with:
// less than any function takes. For that nobody need open DWARF.
func (m *module) padded(ranges []object.AddrRange) []object.AddrRange {
	const noFunction = 64
	for i := range ranges {
		for _, section := range m.file.ExecRanges() {
			text := &ranges[i]
			if text.Start >= section.Start && text.End <= section.End {
				if text.Start-section.Start < noFunction {
					text.Start = section.Start
				}
				if section.End-text.End < noFunction {
					text.End = section.End
				}
			}
		}
	}
	return ranges
}

// linkersMark tells whether a function without lines in the Go table is one
// that the linker made up, and not C code that it took in.
func linkersMark(name string) bool { return strings.HasPrefix(name, "go:") }

// goTextAt returns the range that addr lies in of those where the Go table knows
// all functions: what it has no answer for there is padding.
func (m *module) goTextAt(addr model.VirtAddr) (object.AddrRange, bool) {
	for _, r := range m.sources.goText {
		if addr >= r.Start && addr < r.End {
			return r, true
		}
	}
	return object.AddrRange{}, false
}

// inCode tells whether addr lies between the first and the last code.
func (m *module) inCode(addr model.VirtAddr) bool {
	s := &m.sources
	if !s.codeSought {
		s.codeSought = true
		file := m.file
		if file == nil {
			file = m.separate
		}
		s.code.Start = ^model.VirtAddr(0)
		for _, r := range file.ExecRanges() {
			s.code.Start, s.code.End = min(s.code.Start, r.Start), max(s.code.End, r.End)
		}
	}
	return addr >= s.code.Start && addr < s.code.End
}

// dwarfFile is the file with the module's DWARF; nil where there is none here.
func (m *module) dwarfFile() *object.File {
	for _, file := range []*object.File{m.file, m.separate} {
		if file != nil && file.HasDebugInfo() {
			return file
		}
	}
	return nil
}

// lines opens the module's DWARF, which is fetched if there is none here; nil
// where there is none at all.
func (m *module) lines() *dwarf.Data {
	s := &m.sources
	if s.linesSought {
		return s.lines
	}
	s.linesSought = true
	defer m.guard()
	file := m.dwarfFile()
	if file == nil && m.mayFetch() {
		m.fetch()
		file = m.dwarfFile()
	}
	if file == nil {
		return nil
	}
	var err error
	search := &object.Search{Root: m.from.opts.Root, DebugDirs: m.from.opts.DebugDirs}
	if s.lines, err = dwarf.NewWith(file, search); err != nil && !errors.Is(err, dwarf.ErrNoDebugInfo) {
		m.note(err)
	}
	return s.lines
}

// mayHaveLines tells whether it is worth asking for lines, without opening
// anything.
func (m *module) mayHaveLines() bool {
	if m.sources.linesSought {
		return m.sources.lines != nil
	}
	return m.dwarfFile() != nil || m.mayFetch()
}

func (m *module) mayFetch() bool {
	return m.from.opts.Fetch != nil && m.separate == nil && m.buildID() != ""
}

// fetchPending tells whether debug information may yet be fetched: until then
// the module's index is not known, as it is one of both files.
func (m *module) fetchPending() bool {
	return !m.sources.linesSought && m.dwarfFile() == nil && m.mayFetch()
}

// fetch gets the debug file from somewhere else.
func (m *module) fetch() {
	path, err := m.from.opts.Fetch(m.buildID())
	if err != nil || path == "" {
		return // there is none, or no way to it: as if none were here
	}
	file, err := object.Open(path)
	if err == nil {
		err = wantBuild(file, path, m.buildID())
	}
	if err != nil {
		m.note(fmt.Errorf("fetched debug information: %w", err))
		return
	}
	m.separate = file
	// Its symbols are more than those that were read so far.
	m.sources.symbolsSought, m.sources.symbols = false, nil
}

// namedByItself tells whether functions are to be named as the module's own
// symbols have it, which llvm-symbolizer does, although its debug file has more of
// them. The index, then, is of no use: its names are those of both files.
func (m *module) namedByItself() bool {
	if !m.from.opts.SymbolNames || m.file == nil || m.separate == nil {
		return false
	}
	_, full := m.file.SectionNamed(".symtab")
	return !full
}

// symbolTables are those that name the module's functions: its .symtab; else its
// .dynsym, which has the public names, and (unless it is namedByItself) either
// .symtab of its debug file or what was kept of .symtab (mini debug information).
func (m *module) symbolTables() []*object.SymbolTable {
	s := &m.sources
	if s.symbolsSought {
		return s.symbols
	}
	s.symbolsSought = true
	defer m.guard()
	full := m.addSymbols(m.file) || m.namedByItself() || m.addSymbols(m.separate)
	if m.file != nil && !full {
		m.readMiniDebug()
	}
	return s.symbols
}

// addSymbols adds those of file, if it is here, and tells whether they are all.
func (m *module) addSymbols(file *object.File) (full bool) {
	if file == nil {
		return false
	}
	table, err := file.FunctionSymbols()
	if err != nil {
		m.note(err)
	}
	s := &m.sources
	if table.Empty() || len(s.symbols) > 0 && table.Source != ".symtab" {
		return false
	}
	s.symbols = append(s.symbols, table)
	return table.Source == ".symtab"
}

func (m *module) readMiniDebug() {
	mini, err := m.file.OpenMiniDebug()
	if errors.Is(err, object.ErrNoDebugFile) {
		return
	}
	var table *object.SymbolTable
	if err == nil {
		table, err = mini.FunctionSymbols()
	}
	if err != nil {
		m.note(err)
	}
	if table != nil && !table.Empty() {
		table.Source = ".gnu_debugdata"
		m.sources.symbols = append(m.sources.symbols, table)
	}
}

// symbolAt names the function that covers addr: of several, the one that
// starts last. The name is good until the module is closed.
func (m *module) symbolAt(addr model.VirtAddr) (name string) {
	defer m.guard()
	var start model.VirtAddr
	for _, table := range m.symbolTables() {
		if symbol, ok := table.Lookup(addr); ok && (name == "" || symbol.VirtAddr > start) {
			name, start = symbol.Name, symbol.VirtAddr
		}
	}
	return name
}

// symbolsAt is symbolAt for many addresses; empty where no symbol covers one.
func (m *module) symbolsAt(addrs []model.VirtAddr) []string {
	defer m.guard()
	names := make([]string, len(addrs))
	order := object.AddrOrder(addrs)
	sorted := make([]model.VirtAddr, len(addrs))
	starts := make([]model.VirtAddr, len(addrs))
	for i, index := range order {
		sorted[i] = addrs[index]
	}
	for _, table := range m.symbolTables() {
		err := table.Each(sorted, func(i int, symbol object.Symbol) {
			if index := order[i]; names[index] == "" || symbol.VirtAddr > starts[i] {
				names[index], starts[i] = symbol.Name, symbol.VirtAddr
			}
		})
		if err != nil {
			m.note(err)
		}
	}
	return names
}

// symbolSource names the sections that functions are named from, empty where
// there are no symbols.
func (m *module) symbolSource() string {
	var sections []string
	for _, table := range m.symbolTables() {
		sections = append(sections, table.Source)
	}
	return strings.Join(sections, " and ")
}
