package symbolize

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// Limits on what a Symbolizer keeps: files open at a time (two a module), and
// answers a module.
const (
	maxModules = 64
	maxAnswers = 1 << 15
)

// moduleKey names a module as its evidence does; buildID may be empty.
type moduleKey struct{ path, buildID string }

// module is one object file with its debug information. All fields but used
// are guarded by mu; used is guarded by the Symbolizer's.
type module struct {
	key  moduleKey
	used uint64

	mu      sync.Mutex
	opened  bool
	retired bool
	// failure says why the module cannot be used at all, damage what is wrong
	// inside of it.
	failure, damage error

	file *object.File // nil where only the debug file was found
	// separate is the debug file apart from the module, if there is one.
	separate *object.File
	dwarf    *dwarf.Data
	symbols  *object.SymbolTable
	// goFunctions is the module's Go function table, once it was sought.
	goFunctions   *pclntab.Table
	goTableSought bool
	answers       map[model.VirtAddr][]model.Frame
}

// acquire returns the module, opened or failed, with its lock held.
func (s *Symbolizer) acquire(path, buildID string) *module {
	key := moduleKey{path, buildID}
	for {
		s.mu.Lock()
		m, idle := s.modules[key], (*module)(nil)
		if m == nil {
			m = &module{key: key}
			if len(s.modules) >= maxModules {
				idle = s.oldest()
				delete(s.modules, idle.key)
			}
			s.modules[key] = m
		}
		s.clock++
		m.used = s.clock
		s.mu.Unlock()
		if idle != nil {
			_ = idle.retire() // files that were only read lose nothing
		}

		m.mu.Lock()
		switch {
		case m.retired: // by another thread, in between
		case m.opened && m.replaced():
			s.drop(m)
		default:
			if !m.opened {
				m.open(s.opts.DebugDirs)
			}
			return m
		}
		m.mu.Unlock()
	}
}

// oldest returns the module that was not used longest; s.mu is held.
func (s *Symbolizer) oldest() *module {
	var oldest *module
	for _, m := range s.modules {
		if oldest == nil || m.used < oldest.used {
			oldest = m
		}
	}
	return oldest
}

// drop retires m, whose lock is held, and forgets it.
func (s *Symbolizer) drop(m *module) {
	_ = m.close()
	s.mu.Lock()
	if s.modules[m.key] == m {
		delete(s.modules, m.key)
	}
	s.mu.Unlock()
}

// replaced tells whether another file lies at the path by now. A build ID that
// was asked for and found makes that meaningless.
func (m *module) replaced() bool {
	if m.key.buildID != "" {
		return false
	}
	info, err := os.Stat(m.key.path)
	if m.failure != nil {
		return err == nil // it may be another one; look again
	}
	return err != nil || !m.file.SameFile(info)
}

func (m *module) retire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.close()
}

func (m *module) close() error {
	m.retired = true
	var errs []error
	for _, file := range []*object.File{m.file, m.separate} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	m.file, m.separate, m.dwarf, m.symbols, m.goFunctions, m.answers = nil, nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// buildID is the one that the module has, empty if none.
func (m *module) buildID() string {
	if m.file != nil {
		return m.file.BuildID()
	}
	return m.key.buildID
}

// open finds the module's files and reads what does not depend on addresses.
func (m *module) open(debugDirs []string) {
	m.opened = true
	m.answers = map[model.VirtAddr][]model.Frame{}
	defer m.guard()
	file, err := openBuild(m.key.path, m.key.buildID)
	if err != nil {
		// Its debug file may be here although the module is not.
		separate, debugErr := object.OpenByBuildID(m.key.buildID, debugDirs)
		if debugErr != nil {
			m.failure = err
			return
		}
		m.separate = separate
	} else if m.file = file; !file.HasDebugInfo() {
		m.separate, err = file.OpenDebugFile(debugDirs)
		if err != nil && !errors.Is(err, object.ErrNoDebugFile) {
			m.note(err)
		}
	}
	m.readDWARF()
	m.readSymbols()
}

func openBuild(path, buildID string) (*object.File, error) {
	file, err := object.Open(path)
	if err != nil {
		return nil, err
	}
	if buildID != "" && file.BuildID() != buildID {
		file.Close()
		return nil, &MismatchError{Path: path, Have: file.BuildID(), Want: buildID}
	}
	return file, nil
}

func (m *module) readDWARF() {
	source := m.separate
	if source == nil {
		source = m.file
	}
	var err error
	if m.dwarf, err = dwarf.New(source); err != nil && !errors.Is(err, dwarf.ErrNoDebugInfo) {
		m.note(err)
	}
}

// readSymbols takes the fullest symbol table: .symtab of the module or of its
// debug file, else .dynsym.
func (m *module) readSymbols() {
	m.symbols = &object.SymbolTable{}
	for _, file := range []*object.File{m.file, m.separate} {
		if file == nil || m.symbols.Source == ".symtab" {
			continue
		}
		table, err := file.FunctionSymbols()
		if err != nil {
			m.note(err)
		}
		if table.Len() > 0 && (m.symbols.Len() == 0 || table.Source == ".symtab") {
			m.symbols = table
		}
	}
}

// lookup returns the frames of each address. They are the caller's.
func (m *module) lookup(addrs []model.VirtAddr) [][]model.Frame {
	var unknown []model.VirtAddr
	for _, addr := range addrs {
		if _, ok := m.answers[addr]; !ok {
			unknown = append(unknown, addr)
		}
	}
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	fresh := map[model.VirtAddr][]model.Frame{}
	for i, frames := range m.resolve(unknown) {
		fresh[unknown[i]] = frames
	}

	result := make([][]model.Frame, len(addrs))
	for i, addr := range addrs {
		frames, ok := fresh[addr]
		if !ok {
			frames = m.answers[addr]
		}
		result[i] = slices.Clone(frames)
	}
	if len(m.answers)+len(fresh) > maxAnswers {
		clear(m.answers)
	}
	for addr, frames := range fresh {
		if len(m.answers) < maxAnswers {
			m.answers[addr] = frames
		}
	}
	return result
}

// resolve asks DWARF first, then Go's own table; the symbol table names what
// neither has a function for.
func (m *module) resolve(addrs []model.VirtAddr) (frames [][]model.Frame) {
	frames = make([][]model.Frame, len(addrs))
	if len(addrs) == 0 {
		return frames
	}
	defer m.guard()
	if m.dwarf != nil {
		found, err := m.dwarf.Resolve(addrs)
		if err != nil {
			m.note(err)
		}
		frames = found
	}
	m.resolveGo(addrs, frames)
	for i, addr := range addrs {
		last := len(frames[i]) - 1
		if last >= 0 && frames[i][last].Function != "" {
			continue
		}
		symbol, ok := m.symbols.Lookup(addr)
		switch {
		case ok && last >= 0:
			frames[i][last].Function = symbol.Name
		case ok:
			frames[i] = []model.Frame{{Function: symbol.Name}}
		}
	}
	return frames
}

// note keeps the first damage met.
func (m *module) note(err error) {
	if m.damage == nil {
		m.damage = err
	}
}

// guard turns a panic of a reader into damage of its module. The readers are
// written and fuzzed to have none; a report is worth more than their pride.
func (m *module) guard() {
	if cause := recover(); cause != nil {
		m.note(fmt.Errorf("%s: internal error (please report it): %v\n%s", m.key.path, cause, debug.Stack()))
		if m.symbols == nil {
			m.symbols = &object.SymbolTable{}
		}
		m.dwarf, m.goFunctions, m.goTableSought = nil, nil, true
	}
}
