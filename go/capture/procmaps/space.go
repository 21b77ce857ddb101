package procmaps

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Module is a file that a process has mapped.
type Module struct {
	// Path is what the process calls it.
	Path string
	// BuildID is the file's GNU build ID, empty where it has none.
	BuildID string
	// OpenPath opens this very file, for as long as the Space is open and the
	// process lives; of a copy, below CopyOptions.Root. Where only the build ID
	// could be read, from memory, no file of that build need lie there.
	OpenPath string

	segments []object.Segment
}

// Space is what one process has mapped. It is not safe for concurrent use.
type Space struct {
	name     string
	mappings []Mapping
	process  *process // nil for a copy
	options  CopyOptions
	modules  map[moduleKey]located
	images   []*os.File // of modules without a file
}

type moduleKey struct {
	path         string
	inode        uint64
	major, minor uint32
}

type located struct {
	module *Module
	err    error
}

// CopyOptions steer ReadCopy.
type CopyOptions struct {
	// Root is the folder that holds the files, see object.Search; "" means this
	// machine.
	Root string
	// TrustPaths takes the files at the paths, whichever they are. Without it
	// only those with the device and inode of the mapping, which a copy of this
	// machine has.
	TrustPaths bool
}

// ReadCopy reads a saved copy of a process's maps.
func ReadCopy(r io.Reader, name string, options CopyOptions) (*Space, error) {
	mappings, err := Parse(r, name)
	if err != nil {
		return nil, fmt.Errorf("procmaps: %w", err)
	}
	return &Space{name: name, mappings: mappings, options: options, modules: map[moduleKey]located{}}, nil
}

// Close gives back what is held of the process.
func (s *Space) Close() error {
	var errs []error
	for _, image := range s.images {
		errs = append(errs, image.Close())
	}
	if s.process != nil {
		errs = append(errs, s.process.close())
	}
	return errors.Join(errs...)
}

// Mappings are the lines of the maps, by address. The slice is s's own.
func (s *Space) Mappings() []Mapping { return s.mappings }

// Locate gives the module that holds an address, and the address in the file's
// own numbering.
func (s *Space) Locate(addr model.AbsAddr) (*Module, model.VirtAddr, error) {
	index := sort.Search(len(s.mappings), func(i int) bool { return s.mappings[i].End > addr })
	if index == len(s.mappings) || addr < s.mappings[index].Start {
		return nil, 0, fmt.Errorf("%s: %w", s.name, ErrUnmapped)
	}
	m := &s.mappings[index]
	module, err := s.module(index)
	if err != nil {
		return nil, 0, fmt.Errorf("%s:%d: %w", s.name, m.Line, err)
	}
	virt, ok := virtAddr(module.segments, m, uint64(addr-m.Start)+m.FileOffset)
	if !ok {
		return nil, 0, fmt.Errorf("%s:%d: %s: no segment of the file is mapped there", s.name, m.Line, module.Path)
	}
	return module, virt, nil
}

// virtAddr finds the segment that a place of the file belongs to. Segments may
// share a page of the file, which then is mapped twice: so the exact range
// counts before the page, and of both the one with the mapping's right.
func virtAddr(segments []object.Segment, m *Mapping, offset uint64) (model.VirtAddr, bool) {
	const page = 1 << 12
	best, bestRank := (*object.Segment)(nil), 0
	for i := range segments {
		s := &segments[i]
		if s.Type != elf.PT_LOAD {
			continue
		}
		rank := 0
		end := s.FileOffset + s.FileSize
		switch {
		case end < s.FileOffset:
			continue
		case offset >= s.FileOffset && offset < end:
			rank = 4
		case offset >= s.FileOffset&^(page-1) && offset < (end+page-1)&^(page-1):
			rank = 2
		default:
			continue
		}
		if (s.Flags&elf.PF_X != 0) == m.Executable {
			rank++
		}
		if rank > bestRank {
			best, bestRank = s, rank
		}
	}
	if best == nil {
		return 0, false
	}
	return model.VirtAddr(offset-best.FileOffset) + best.VirtAddr, true
}

// module gives the module of a mapping, found or failed before.
func (s *Space) module(index int) (*Module, error) {
	m := &s.mappings[index]
	key := moduleKey{m.Path, m.Inode, m.Major, m.Minor}
	known, ok := s.modules[key]
	if !ok {
		known.module, known.err = s.open(index)
		if len(s.modules) >= maxModules {
			clear(s.modules)
		}
		s.modules[key] = known
	}
	return known.module, known.err
}

func (s *Space) open(index int) (*Module, error) {
	m := &s.mappings[index]
	if s.process != nil && m.Path == "[vdso]" {
		return s.openVDSO(m)
	}
	if !strings.HasPrefix(m.Path, "/") {
		what := m.Path
		if what == "" {
			what = "anonymous"
		}
		return nil, fmt.Errorf("%w (%s)", ErrNoFile, what)
	}
	if s.process != nil {
		return s.openLive(index)
	}
	return s.openCopy(m)
}

// openCopy opens a file that a saved copy names.
func (s *Space) openCopy(m *Mapping) (*Module, error) {
	var failure error
	search := object.Search{Root: s.options.Root}
	for _, name := range names(m.Path) {
		file, err := search.Open(name)
		if err != nil {
			failure = err
			continue
		}
		if s.options.TrustPaths || mapped(file.Path(), m) {
			return moduleOf(file, m, name), nil
		}
		file.Close()
		failure = fmt.Errorf("%s: %w: device and inode differ (--trust-paths takes it all the same)", file.Path(), ErrReplaced)
	}
	if strings.HasSuffix(m.Path, deletedSuffix) && errors.Is(failure, os.ErrNotExist) {
		failure = fmt.Errorf("%s: %w: it was deleted", m.DisplayPath(), ErrReplaced)
	}
	return nil, failure
}

// moduleOf takes what a module needs from file, and closes it.
func moduleOf(file *object.File, m *Mapping, openPath string) *Module {
	module := &Module{Path: m.DisplayPath(), BuildID: file.BuildID(), OpenPath: openPath, segments: file.Segments()}
	_ = file.Close()
	return module
}

// mapped says whether the file at path is the one of the mapping.
func mapped(path string, m *Mapping) bool {
	major, minor, inode, ok := identity(path)
	return ok && major == m.Major && minor == m.Minor && inode == m.Inode
}
