// Package symbolize turns file-virtual addresses into source frames.
//
// It chooses for each address what can answer: DWARF in the module or in its
// separate debug file; else, in a Go program, the table that its runtime keeps,
// which lacks only the columns; else the symbol table, which knows functions
// only. A
// module that a log names is a stranger's word: it is opened only if it is a
// regular file of the build that the log names.
package symbolize

import (
	"fmt"
	"strings"
	"sync"

	"github.com/ffikit/ffikit/go/model"
)

// Options say where symbols may come from.
type Options struct {
	// TrustPaths lets a module be opened by its path alone where the evidence
	// names no build ID for it.
	TrustPaths bool
	// DebugDirs are searched for separate debug files by build ID and debug
	// link; nil means /usr/lib/debug.
	DebugDirs []string
}

// Symbolizer chooses and caches the resolvers of modules. It is safe for
// concurrent use.
type Symbolizer struct {
	opts Options

	mu sync.Mutex // guards what follows
	// modules were met; failed ones too, so that they are not tried again.
	modules map[moduleKey]*module
	// clock counts uses, to find the module that was not used longest.
	clock uint64
	// told are the partials that Report returned already.
	told map[model.Partial]bool
}

// New makes a Symbolizer that has opened nothing yet.
func New(opts Options) *Symbolizer {
	return &Symbolizer{opts: opts, modules: map[moduleKey]*module{}, told: map[model.Partial]bool{}}
}

// MismatchError says that a file is not the build that was asked for.
type MismatchError struct {
	Path string
	// Have is the file's build ID, empty where it has none; Want is the one
	// that was asked for.
	Have, Want string
}

func (e *MismatchError) Error() string { return e.Path + ": " + e.reason() }

func (e *MismatchError) reason() string {
	if e.Have == "" {
		return fmt.Sprintf("not shown to be the build that is wanted: the file has no build ID, wanted is %s", e.Want)
	}
	return fmt.Sprintf("not the build that is wanted: the file's build ID is %s, wanted is %s", e.Have, e.Want)
}

// Resolve looks up file-virtual addresses of the object file at path; the
// answer has one list of frames per address, in order, leaf first, inline
// chain included, empty where nothing is known. buildID, where not empty, must
// be the file's own, in hexadecimal; else the error is a *MismatchError. A
// file without debug information answers with functions only. Damage in the
// debug information is an error only where no address has an answer. Errors
// wrap those of package object.
func (s *Symbolizer) Resolve(path, buildID string, addrs []model.VirtAddr) ([][]model.Frame, error) {
	m := s.acquire(path, strings.ToLower(buildID))
	defer m.mu.Unlock()
	if m.failure != nil {
		return nil, m.failure
	}
	frames := m.lookup(addrs)
	for i := range frames {
		for j := range frames[i] {
			frame := &frames[i][j]
			frame.Module, frame.BuildID, frame.VirtAddr = path, m.buildID(), addrs[i]
		}
	}
	if m.damage != nil && !answered(frames) {
		return nil, m.damage
	}
	return frames, nil
}

func answered(frames [][]model.Frame) bool {
	for i := range frames {
		if len(frames[i]) > 0 {
			return true
		}
	}
	return len(frames) == 0
}

// Close gives back all opened files. The Symbolizer may be used again and
// opens them anew.
func (s *Symbolizer) Close() error {
	s.mu.Lock()
	modules := s.modules
	s.modules = map[moduleKey]*module{}
	s.mu.Unlock()
	var firstErr error
	for _, m := range modules {
		if err := m.retire(); err != nil && firstErr == nil {
			firstErr = err
		}
	}
	return firstErr
}
