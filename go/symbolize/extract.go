package symbolize

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// errNotIndexed means that a module is not worth an index, or cannot have one.
var errNotIndexed = errors.New("not indexed")

// makeIndex writes the index of the module, which has m.index.files, into the
// cache.
func (m *module) makeIndex(cache *Cache) (sizeBytes int64, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			m.broken(cause)
			err = errNotIndexed
		}
	}()
	source, err := m.extract()
	if err != nil {
		return 0, err
	}
	// What was changed while it was read is of neither version.
	if now := m.identities(); now == nil || !sameFiles(now, m.index.files) {
		return 0, fmt.Errorf("%w: %s was changed meanwhile", errNotIndexed, m.key.path)
	}
	return cache.publish(m.index.files, source)
}

// extract reads all that the module's readers know. Where one of them meets
// damage there is no index: another reader, or a later version of this one, may
// make more of the file, and a file that was cut off will be whole again.
func (m *module) extract() (codemap.Source, error) {
	var source codemap.Source
	refuse := func(err error) (codemap.Source, error) {
		return codemap.Source{}, fmt.Errorf("%w: %w", errNotIndexed, err)
	}
	needsLines := true
	if goTable := m.goTable(); goTable != nil {
		table, err := goTable.Extract(runtime.GOMAXPROCS(0))
		if err != nil {
			return refuse(err)
		}
		source.Tables = append(source.Tables, table)
		needsLines = m.linesKnowMore(table)
	}
	if lines := m.lines(); lines != nil && needsLines {
		table, err := lines.Extract(runtime.GOMAXPROCS(0))
		if err != nil {
			return refuse(err)
		}
		source.Tables = append(source.Tables, table)
	}
	if len(source.Tables) == 0 {
		return refuse(errors.New("no debug information"))
	}
	var err error
	if source.Symbols, err = m.symbolRanges(); err != nil {
		return refuse(err)
	}
	if m.damage != nil {
		return refuse(m.damage)
	}
	return source, nil
}

// maxProbes is how many addresses without a line in the Go table are tried in
// DWARF: a Go program has a few of them, such as the linker's own marks, and it
// is not worth extracting its DWARF to learn that they have none.
const maxProbes = 256

// linesKnowMore tells whether DWARF has lines where the Go table has none: of C
// code, be it beside Go's or among it.
func (m *module) linesKnowMore(goTable *codemap.Table) bool {
	lines := m.lines()
	if lines == nil {
		return false
	}
	var probes []model.VirtAddr
	for _, r := range m.file.ExecRanges() {
		for addr := r.Start; addr < r.End && len(probes) <= maxProbes; addr++ {
			if text, ok := m.goTextAt(addr); ok {
				addr = text.End - 1
			} else {
				probes = append(probes, addr)
			}
		}
	}
	for i, r := range goTable.Records {
		if r.Node != 0 && r.Place == 0 && len(probes) <= maxProbes {
			probes = append(probes, model.VirtAddr(goTable.Base+uint64(goTable.Starts[i])))
		}
	}
	more := len(probes) > maxProbes
	if !more {
		m.ask(lines, probes, func(_ int, frames []model.Frame) {
			more = more || len(frames) > 0 && frames[0].File != ""
		})
	}
	return more
}

// symbolRanges are the ranges of addresses that each symbol names: what
// symbolAt says, which may change only where a symbol or a section starts or
// ends.
func (m *module) symbolRanges() ([]codemap.Symbol, error) {
	tables := m.symbolTables()
	var bounds []model.VirtAddr
	for _, table := range tables {
		for i := range table.Len() {
			s := table.At(i)
			bounds = append(bounds, s.VirtAddr)
			if s.SizeBytes > 0 && uint64(s.VirtAddr) <= math.MaxUint64-s.SizeBytes {
				bounds = append(bounds, s.VirtAddr+model.VirtAddr(s.SizeBytes))
			}
		}
	}
	for _, file := range []*object.File{m.file, m.separate} {
		if file == nil {
			continue
		}
		for _, r := range file.ExecRanges() {
			bounds = append(bounds, r.Start, r.End)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if len(bounds) == 0 {
		return nil, nil
	}

	names, starts := make([]string, len(bounds)), make([]model.VirtAddr, len(bounds))
	for _, table := range tables {
		err := table.Each(bounds, func(i int, s object.Symbol) {
			if names[i] == "" || s.VirtAddr > starts[i] {
				names[i], starts[i] = s.Name, s.VirtAddr
			}
		})
		if err != nil {
			return nil, err
		}
	}
	var ranges []codemap.Symbol
	for i, start := range bounds[:len(bounds)-1] {
		end := uint64(bounds[i+1])
		last := len(ranges) - 1
		switch {
		case names[i] == "":
		case last >= 0 && ranges[last].End == uint64(start) && ranges[last].Name == names[i]:
			ranges[last].End = end
		default:
			ranges = append(ranges, codemap.Symbol{Start: uint64(start), End: end, Name: names[i]})
		}
	}
	return ranges, nil
}
