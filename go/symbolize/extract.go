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
	defer beThrifty()()
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
	if needsLines && m.lines() != nil {
		table, err := m.lines().Extract(runtime.GOMAXPROCS(0))
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
	// The index is going to answer; what it was made of only takes memory.
	_ = m.closeLines()
	m.sources = sources{}
	return source, nil
}

// linesKnowMore tells whether there is C code whose lines only DWARF knows: beside
// Go's text, or functions within it that the Go table has no lines for.
func (m *module) linesKnowMore(goTable *codemap.Table) bool {
	for _, r := range m.file.ExecRanges() {
		if text, ok := m.goTextAt(r.Start); !ok || text.End < r.End {
			return true
		}
	}
	return slices.ContainsFunc(goTable.Records, func(r codemap.Record) bool {
		name := goTable.Names[goTable.Functions[goTable.Nodes[r.Node].Function].Name]
		return r.Node != 0 && r.Place == 0 && !linkersMark(name)
	})
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

// BuildIndex makes the index of the object file at path, whatever there was of
// it, and returns the size of the index in bytes. Debug information that is not
// here is fetched, if Options say how.
func (s *Symbolizer) BuildIndex(path string) (sizeBytes int64, err error) {
	m := s.acquire(path, "")
	defer m.mu.Unlock()
	if m.failure != nil {
		return 0, m.failure
	}
	cache := s.openedCache()
	if cache == nil {
		return 0, s.CacheError()
	}
	m.lines() // what is fetched is a part of the module
	if err := m.index.close(); err != nil {
		return 0, err
	}
	m.index.sought = true
	if m.index.files = m.identities(); m.index.files == nil {
		return 0, fmt.Errorf("%w: %s is not to be told from other files, or was changed a moment ago", errNotIndexed, path)
	}
	m.index.tried = true
	sizeBytes, err = m.makeIndex(cache)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	m.findIndex(cache)
	return sizeBytes, nil
}
