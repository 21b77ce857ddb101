package symbolize

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// maxModules is how many modules are kept, with two or three open files each.
const maxModules = 64

// moduleKey names a module as its evidence does; buildID may be empty.
type moduleKey struct{ path, buildID string }

// module is one object file with its debug information. All fields but used
// are guarded by mu; used is guarded by the Symbolizer's.
type module struct {
	key  moduleKey
	used uint64
	from *Symbolizer

	mu      sync.Mutex
	opened  bool
	retired bool
	// failure says why the module cannot be used at all, damage what is wrong
	// inside of it.
	failure, damage error

	file *object.File // nil where only the debug file was found
	// separate is the debug file apart from the module, if there is one.
	separate *object.File
	sources  sources
	index    indexUse
	answers  map[model.VirtAddr][]model.Frame
}

// acquire returns the module, opened or failed, with its lock held.
func (s *Symbolizer) acquire(path, buildID string) *module {
	key := moduleKey{path, buildID}
	for {
		s.mu.Lock()
		m, idle := s.modules[key], (*module)(nil)
		if m == nil {
			m = &module{key: key, from: s}
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
				m.open(&object.Search{Root: s.opts.Root, DebugDirs: s.opts.DebugDirs})
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
// was asked for and found makes that meaningless; the files of an image are as
// they were; and KeepOpened does not care.
func (m *module) replaced() bool {
	opts := &m.from.opts
	if m.key.buildID != "" || opts.Root != "" || opts.KeepOpened && m.failure == nil {
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
	errs := []error{m.index.close(), m.closeLines()}
	for _, file := range []*object.File{m.file, m.separate} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	m.file, m.separate, m.sources, m.answers = nil, nil, sources{}, nil
	return errors.Join(errs...)
}

// closeLines gives back the files that DWARF led to; what was read of them stays.
func (m *module) closeLines() error {
	if m.sources.lines == nil {
		return nil
	}
	return m.sources.lines.Close()
}

// buildID is the one that the module has, empty if none.
func (m *module) buildID() string {
	if m.file != nil {
		return m.file.BuildID()
	}
	return m.key.buildID
}

// open finds the module's files. What they hold is read when an address asks.
func (m *module) open(search *object.Search) {
	m.opened = true
	defer m.guard()
	file, err := search.Open(m.key.path)
	if err == nil {
		err = wantBuild(file, m.key.path, m.key.buildID)
	}
	if err != nil {
		// Its debug file may be here although the module is not.
		separate, debugErr := search.OpenByBuildID(m.key.buildID)
		switch {
		case debugErr == nil:
			m.separate = separate
		case m.mayFetch():
			m.fetch()
		}
		if m.separate == nil {
			m.failure = err
		}
	} else if m.file = file; !file.HasDebugInfo() {
		m.separate, err = search.OpenDebugFile(file)
		if err != nil && !errors.Is(err, object.ErrNoDebugFile) {
			m.note(err)
		}
	}
}

// wantBuild closes file and refuses it if it is of another build.
func wantBuild(file *object.File, path, buildID string) error {
	if buildID == "" || file.BuildID() == buildID {
		return nil
	}
	file.Close()
	return &MismatchError{Path: path, Have: file.BuildID(), Want: buildID}
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
		m.broken(cause)
	}
}

func (m *module) broken(cause any) {
	m.note(fmt.Errorf("%s: internal error (please report it): %v\n%s", m.key.path, cause, debug.Stack()))
	_ = m.closeLines() // files that were only read lose nothing
	m.sources.forget()
}
