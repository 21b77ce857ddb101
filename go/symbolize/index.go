package symbolize

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// indexUse is what one module has to do with the cache.
type indexUse struct {
	// sought is set when the cache was looked into, tried when the index was
	// made or could not be: neither is done twice.
	sought, tried bool
	reader        *codemap.Reader
	file          *os.File
	cache         *Cache // that the file is in
	// files are what the index is of; nil where the module cannot have one.
	files []codemap.Identity
	usage usage
}

func (u *indexUse) close() error {
	var err error
	if u.file != nil {
		err = u.file.Close()
	}
	*u = indexUse{}
	return err
}

// CacheError says why the cache is not used, or could not be written to; nil
// where nothing stood in the way. Answers never depend on it.
func (s *Symbolizer) CacheError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cacheErr
}

func (s *Symbolizer) noteCache(err error) {
	s.mu.Lock()
	first := s.cacheErr == nil
	if first {
		s.cacheErr = err
	}
	s.mu.Unlock()
	if first && s.opts.CacheNote != nil {
		s.opts.CacheNote(err)
	}
}

// openedCache is nil where there is none.
func (s *Symbolizer) openedCache() *Cache {
	s.mu.Lock()
	if s.cacheSought {
		defer s.mu.Unlock()
		return s.cache
	}
	s.cacheSought = true
	cache, err := OpenCache(s.opts.CacheDir, s.opts.CacheBytes)
	s.cache = cache
	s.mu.Unlock()
	if err != nil {
		s.noteCache(err)
	}
	return cache
}

// eachIndexed visits addresses by the module's index as far as it goes and
// returns how many that were: none where there is no index, fewer than all
// where it turned out to be damaged.
func (m *module) eachIndexed(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) (done int) {
	u := &m.index
	u.usage.calls++
	u.usage.addrs += len(addrs)
	if u.reader == nil && !m.openIndex() {
		return 0
	}
	u.reader.SymbolNames = m.from.opts.SymbolNames
	err := u.reader.Each(addrs, func(i int, frames []model.Frame) {
		visit(i, frames)
		done = i + 1
	})
	if err != nil {
		m.from.noteCache(err)
		u.cache.discard(u.files)
		u.file.Close()
		u.reader, u.file = nil, nil
		u.usage.earlier = maxUses // it was worth an index, and is
	}
	return done
}

// openIndex finds the module's index, or makes it if that is worth it.
func (m *module) openIndex() bool {
	u := &m.index
	if m.from.opts.NoCache || m.namedByItself() || u.sought && (u.files == nil || u.tried) || m.fetchPending() {
		return false
	}
	cache := m.from.openedCache()
	if cache == nil {
		return false
	}
	if !u.sought {
		u.sought = true
		if u.files = m.identities(); u.files == nil {
			return false
		}
		if m.findIndex(cache) {
			return true
		}
		earlier, err := cache.use(u.files)
		if err != nil {
			m.from.noteCache(err)
		}
		u.usage.earlier = max(u.usage.earlier, earlier)
	}
	u.usage.debugBytes = m.debugBytes()
	if !worthIndexing(u.usage) {
		return false
	}
	claimed, err := cache.claim(u.files)
	if err != nil {
		m.from.noteCache(err)
	}
	u.tried = claimed || err != nil
	// Another process may have made it meanwhile.
	if m.findIndex(cache) {
		if claimed {
			cache.release(u.files)
		}
		return true
	}
	if !claimed {
		u.usage = usage{} // in a while it may be there; what is asked till then counts anew
		return false
	}
	if _, err := m.makeIndex(cache); err != nil {
		cache.giveUp(u.files, err)
		if !errors.Is(err, errNotIndexed) {
			m.from.noteCache(err)
		}
		return false
	}
	return m.findIndex(cache)
}

// findIndex opens the index if there is one. One that is of no use was worth
// making, and will be made anew.
func (m *module) findIndex(cache *Cache) bool {
	u := &m.index
	reader, file, err := cache.find(u.files)
	if err != nil {
		if !errors.Is(err, errNoIndex) {
			m.from.noteCache(err)
			u.usage.earlier = maxUses
		}
		return false
	}
	u.reader, u.file, u.cache = reader, file, cache
	return true
}

// debugBytes is the size of the files that lines come from.
func (m *module) debugBytes() int64 {
	size := int64(0)
	for _, file := range []*object.File{m.file, m.separate} {
		if file != nil {
			size += file.SizeBytes()
		}
	}
	return size
}

// A file that was changed a moment ago could be changed again without its times
// showing it: the kernel's clock for them ticks every few milliseconds, that of
// some file systems every two seconds. A build ID makes up for the latter.
const (
	tick       = 20 * time.Millisecond
	coarseTick = 2 * time.Second
)

// identities names the files of the module; nil where they could not be told
// from others by their names and times.
func (m *module) identities() []codemap.Identity {
	var files []codemap.Identity
	for _, file := range []*object.File{m.file, m.separate} {
		if file == nil {
			continue
		}
		info, err := os.Stat(file.Path())
		path, absErr := filepath.Abs(file.Path())
		id := codemap.Identity{BuildID: file.BuildID(), Path: path}
		if err != nil || absErr != nil || !file.SameFile(info) || !identify(info, &id) {
			return nil
		}
		settled := tick
		if id.BuildID == "" {
			settled = coarseTick
		}
		if time.Since(time.Unix(0, max(id.ModifiedNS, id.ChangedNS))) < settled {
			return nil
		}
		files = append(files, id)
	}
	return files
}
