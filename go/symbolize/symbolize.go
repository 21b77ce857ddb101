// Package symbolize turns file-virtual addresses into source frames.
//
// It chooses for each address what can answer: the index that an earlier use
// of the same file left in the cache; else, in a Go program, the table that its
// runtime keeps, which lacks only the columns and is not compressed; else DWARF
// in the module or in its separate debug file; else the symbol tables, which
// know functions only. Each of them is opened when an address needs it. A
// module that a log names is a stranger's word: it is opened only if it is a
// regular file of the build that the log names.
package symbolize

import (
	"fmt"
	"strings"
	"sync"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Options say where symbols may come from.
type Options struct {
	// TrustPaths lets a module be opened by its path alone where the evidence
	// names no build ID for it.
	TrustPaths bool
	// Root is the folder that holds the files of another machine or image
	// (sysroot): modules are looked up below it, and so are their debug files in
	// the default folders. Empty means this machine.
	Root string
	// DebugDirs are searched for separate debug files by build ID and debug
	// link; nil means /usr/lib/debug.
	DebugDirs []string
	// KeepOpened answers for a module from the file that was opened first, also
	// after another one was put at its path, or none: so does a program that
	// reads live streams, where running processes still have the old one. Only
	// a module that 64 others were asked for after is opened anew.
	KeepOpened bool
	// Fetch, where it is set, gets the debug information of a build from
	// somewhere else, and is asked last: the path of a file, which is opened
	// and must be of that build. It may be called from several threads.
	Fetch func(buildID string) (path string, err error)
	// SymbolNames gives the outermost frame of each address the LinkageName
	// that the symbol table has for it, as llvm-symbolizer does: "foo.cold"
	// for a part of foo that the compiler put elsewhere. The table is the module's,
	// also where that was stripped and a separate debug file has more symbols. It
	// costs reading the table, in that case also the use of an index.
	SymbolNames bool

	// NoCache answers without the index cache: none is read, made or marked.
	NoCache bool
	// CacheDir is the cache's folder; empty means what DefaultCacheDir says.
	CacheDir string
	// CacheBytes bounds the cache's size; 0 means DefaultCacheBytes.
	CacheBytes int64
	// CacheNote, where it is set, is told what CacheError will say, once. It
	// may be called from any thread that asks.
	CacheNote func(error)
}

// Symbolizer chooses and caches the resolvers of modules. It is safe for
// concurrent use.
type Symbolizer struct {
	opts Options

	mu sync.Mutex // guards what follows
	// cache is nil where it was not sought or cannot be used; cacheErr is the
	// first thing that went wrong with it.
	cache       *Cache
	cacheSought bool
	cacheErr    error
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

// Each looks up file-virtual addresses of the object file at path and calls
// visit for each of them, in their order; i is the address's index. frames are
// leaf first, inline chain included, empty where nothing is known. They, their
// slice and their strings are good until visit returns: what is kept is cloned.
// Module, BuildID and VirtAddr of the frames are not set. visit must not use
// the Symbolizer.
//
// buildID, where not empty, must be the file's own, in hexadecimal; else the
// error is a *MismatchError. A file without debug information answers with
// functions only. Damage in the debug information is an error only where no
// address has an answer; all were visited then. Errors wrap those of package
// object. The cache never is an error here, see CacheError.
//
// Many addresses in one call cost much less than as many calls; sorted ones
// cost least.
func (s *Symbolizer) Each(path, buildID string, addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error {
	m := s.acquire(path, strings.ToLower(buildID))
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	answered := len(addrs) == 0
	m.each(addrs, func(i int, frames []model.Frame) {
		answered = answered || len(frames) > 0
		visit(i, frames)
	})
	if m.damage != nil && !answered {
		return m.damage
	}
	return nil
}

// Resolve looks up addresses as Each does and returns one list of frames per
// address, in their order. The frames are the caller's and have Module, BuildID
// and VirtAddr.
func (s *Symbolizer) Resolve(path, buildID string, addrs []model.VirtAddr) ([][]model.Frame, error) {
	m := s.acquire(path, strings.ToLower(buildID))
	defer m.mu.Unlock()
	if m.failure != nil {
		return nil, m.failure
	}
	frames := m.lookup(addrs)
	answered := len(frames) == 0
	for i := range frames {
		for j := range frames[i] {
			frame := &frames[i][j]
			frame.Module, frame.BuildID, frame.VirtAddr = path, m.buildID(), addrs[i]
			answered = true
		}
	}
	if m.damage != nil && !answered {
		return nil, m.damage
	}
	return frames, nil
}

// File is the open file of the module that Each answers for: the module itself,
// or its debug file where only that is here. It may be read within visits of
// Each for that module, too. It stays the Symbolizer's, and is good until other
// modules are asked for or Close is called: it is for who alone uses the
// Symbolizer. The error is that of Each for a module that cannot be read.
func (s *Symbolizer) File(path, buildID string) (*object.File, error) {
	m := s.acquire(path, strings.ToLower(buildID))
	defer m.mu.Unlock()
	switch {
	case m.failure != nil:
		return nil, m.failure
	case m.file != nil:
		return m.file, nil
	}
	return m.separate, nil
}

// Close gives back all opened files. The Symbolizer may be used again and
// opens them anew.
func (s *Symbolizer) Close() error {
	s.mu.Lock()
	modules := s.modules
	s.modules = map[moduleKey]*module{}
	cache := s.cache
	s.cache, s.cacheSought = nil, false
	s.mu.Unlock()
	var firstErr error
	if cache != nil {
		firstErr = cache.Close()
	}
	for _, m := range modules {
		if err := m.retire(); err != nil && firstErr == nil {
			firstErr = err
		}
	}
	return firstErr
}
