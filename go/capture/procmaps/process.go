package procmaps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// process is a live one. Its folder in /proc is held open, so that a process
// that gets the same number later cannot take its place.
type process struct {
	pid    int
	folder *os.File
	memory *os.File // nil where it may not be read
}

// ReadProcess reads the maps of a live process. To see another user's takes
// root (or CAP_SYS_PTRACE).
func ReadProcess(pid int) (*Space, error) {
	name := fmt.Sprintf("/proc/%d/maps", pid)
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("procmaps: process %d: %w", pid, reason(err))
	}
	p := &process{pid: pid, folder: folder}
	s := &Space{name: name, process: p, modules: map[moduleKey]located{}}
	file, err := os.Open(p.path("maps"))
	if err == nil {
		s.mappings, err = Parse(file, name)
		file.Close()
	}
	if err == nil && len(s.mappings) == 0 {
		err = errors.New("has no memory: it has ended, or is a thread of the kernel")
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("procmaps: process %d: %w", pid, reason(err))
	}
	p.memory, _ = os.Open(p.path("mem"))
	return s, nil
}

// reason leaves out a path that names our own handle.
func reason(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// path is that of a file in the process's folder.
func (p *process) path(name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(p.folder.Fd())) + "/" + name
}

func (p *process) close() error {
	if p.memory != nil {
		p.memory.Close()
	}
	return p.folder.Close()
}

// DebugDirs are the folders for separate debug files: this machine's, and that
// of the process, which may have a root of its own. Nil for a copy.
func (s *Space) DebugDirs() []string {
	if s.process == nil {
		return nil
	}
	dirs := slices.Clone(object.DefaultDebugDirs)
	for _, dir := range object.DefaultDebugDirs {
		dirs = append(dirs, s.process.path("root"+dir))
	}
	return dirs
}

// openLive opens a file that a live process has mapped, by whichever way leads
// to it: its path, here or in the process's own root; the mapping; the
// program's file; the process's handles.
func (s *Space) openLive(index int) (*Module, error) {
	m := &s.mappings[index]
	image, kernels := s.process.head(s.mappings, index), s.process.mappedFile(m)
	same := func(path string) bool {
		if kernels == nil {
			return mapped(path, m)
		}
		info, err := os.Stat(path)
		return err == nil && os.SameFile(info, kernels)
	}
	found, candidate := false, (*Module)(nil)
	try := func(path string) bool {
		file, err := object.Open(path)
		if err != nil {
			return false
		}
		found = true
		if !same(path) && (image == nil || image.BuildID() == "" || image.BuildID() != file.BuildID()) {
			file.Close()
			return false
		}
		candidate = moduleOf(file, m, path)
		return true
	}
	for _, name := range names(m.Path) {
		if try(name) || try(s.process.path("root"+name)) {
			return candidate, nil
		}
	}
	if try(s.process.link(m)) || try(s.process.path("exe")) {
		return candidate, nil
	}
	for _, handle := range s.process.handles() {
		if path := s.process.path("fd/" + handle); same(path) && try(path) {
			return candidate, nil
		}
	}
	if image != nil && image.BuildID() != "" {
		// Its debug file may be found by the build ID.
		return moduleOf(image, m, m.DisplayPath()), nil
	}
	if found {
		return nil, fmt.Errorf("%s: %w: device and inode differ", m.DisplayPath(), ErrReplaced)
	}
	return nil, fmt.Errorf("%s: cannot be opened as process %d sees it", m.DisplayPath(), s.process.pid)
}

// link leads to the file of a mapping, for the privileged.
func (p *process) link(m *Mapping) string {
	return p.path(fmt.Sprintf("map_files/%x-%x", uint64(m.Start), uint64(m.End)))
}

// mappedFile is the file of a mapping as the kernel holds it; nil where that may
// not be seen, or another file is mapped there by now. Its device need not be the
// one in the maps, which name that of the file system: overlayfs and btrfs give
// files devices of their own.
func (p *process) mappedFile(m *Mapping) os.FileInfo {
	name, err := os.Readlink(p.link(m))
	if now := (&Mapping{Path: name}); err != nil || now.DisplayPath() != m.DisplayPath() {
		return nil
	}
	info, err := os.Stat(p.link(m))
	if err != nil {
		return nil
	}
	return info
}

// handles lists the numbers of the process's open files.
func (p *process) handles() []string {
	folder, err := os.Open(p.path("fd"))
	if err != nil {
		return nil
	}
	defer folder.Close()
	handles, _ := folder.Readdirnames(maxHandles)
	return handles
}

// read reads size bytes of the process's memory.
func (p *process) read(start model.AbsAddr, size uint64) ([]byte, error) {
	if p.memory == nil || start > 1<<62 {
		return nil, os.ErrPermission
	}
	data := make([]byte, size)
	n, err := p.memory.ReadAt(data, int64(start))
	if n == 0 {
		return nil, err
	}
	return data[:n], nil
}

// head reads the start of the file of a mapping from memory: headers and notes
// lie there. It is nil where that cannot be.
func (p *process) head(mappings []Mapping, index int) *object.File {
	m := &mappings[index]
	for ; index >= 0; index-- {
		first := &mappings[index]
		if first.Path != m.Path || first.Inode != m.Inode || first.Major != m.Major || first.Minor != m.Minor {
			if first.Path == "" {
				continue // memory between two segments
			}
			return nil
		}
		if first.FileOffset != 0 {
			continue
		}
		data, err := p.read(first.Start, min(uint64(first.End-first.Start), maxHeadBytes))
		if err != nil {
			return nil
		}
		file, err := object.NewFile(m.DisplayPath(), bytes.NewReader(withoutSections(data)), int64(len(data)))
		if err != nil {
			return nil
		}
		return file
	}
	return nil
}

// withoutSections takes the section headers out of the ELF header: they are
// not loaded. The offsets are those of the gABI's Elf32_Ehdr and Elf64_Ehdr.
func withoutSections(data []byte) []byte {
	if len(data) < 64 || !strings.HasPrefix(string(data[:4]), "\x7fELF") {
		return data
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if data[5] == 2 {
		order = binary.BigEndian
	}
	if data[4] == 1 {
		order.PutUint32(data[32:], 0)
		order.PutUint16(data[48:], 0)
		return data
	}
	order.PutUint64(data[40:], 0)
	order.PutUint16(data[60:], 0)
	return data
}

// openVDSO copies the vDSO, which lies in no file, into one without a name.
func (s *Space) openVDSO(m *Mapping) (*Module, error) {
	data, err := s.process.read(m.Start, min(uint64(m.End-m.Start), maxVDSOBytes))
	if err != nil {
		return nil, fmt.Errorf("the vDSO cannot be read: %w", reason(err))
	}
	image, err := os.CreateTemp("", "ffikit-vdso-")
	if err != nil {
		return nil, err
	}
	s.images = append(s.images, image)
	if err := os.Remove(image.Name()); err != nil {
		return nil, err
	}
	if _, err := image.Write(data); err != nil {
		return nil, err
	}
	path := "/proc/self/fd/" + strconv.Itoa(int(image.Fd()))
	file, err := object.Open(path)
	if err != nil {
		return nil, err
	}
	return moduleOf(file, m, path), nil
}
