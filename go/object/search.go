package object

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Search says where files are looked for that a log or another file names. The
// zero value is this machine with DefaultDebugDirs.
type Search struct {
	// Root is the folder that holds the files of another machine or image
	// (sysroot): every path is looked up below it, and neither ".." nor a
	// symbolic link leads out of it: both stop at Root, as they would after
	// chroot. Empty means this machine.
	Root string
	// DebugDirs are trees of separate debug files, which the user names: they
	// are not below Root. Nil means DefaultDebugDirs, which are.
	DebugDirs []string
}

// Open opens the ELF file that a log or another file names, as Open does.
func (s *Search) Open(path string) (*File, error) {
	if s.Root == "" {
		return Open(path)
	}
	return s.openBelow(path)
}

// maxLinks is how many symbolic links one path may lead through, as in Linux.
const maxLinks = 40

func (s *Search) openBelow(path string) (*File, error) {
	root, err := os.OpenRoot(s.Root)
	if err != nil {
		return nil, openError(s.Root, err)
	}
	defer root.Close()
	outside := filepath.Join(s.Root, filepath.Join("/", path))
	inside, err := resolve(root, path)
	if err != nil {
		return nil, openError(outside, err)
	}
	info, err := root.Lstat(inside)
	if err != nil {
		return nil, openError(outside, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &Error{Path: outside, Reason: fileKind(info.Mode()), Err: ErrNotRegular}
	}
	// What was no link a moment ago may be one by now; root sees to it that it
	// leads nowhere else.
	file, err := root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(outside, err)
	}
	f, err := openHandle(outside, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	f.below = "/" + inside
	return f, nil
}

// resolve follows the symbolic links of path as if root were "/". The result
// is relative to root and free of links.
func resolve(root *os.Root, path string) (string, error) {
	left := strings.Split(path, "/")
	if len(left) > maxPathParts {
		return "", syscall.ENAMETOOLONG
	}
	done, links := []string{}, 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = done[:max(len(done)-1, 0)]
			continue
		}
		here := filepath.Join(append(done, name)...)
		info, err := root.Lstat(here)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = append(done, name)
			continue
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		target, err := root.Readlink(here)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(target, "/") {
			done = done[:0]
		}
		left = append(strings.Split(target, "/"), left...)
		if len(left)+len(done) > maxPathParts {
			return "", syscall.ENAMETOOLONG
		}
	}
	if len(done) == 0 {
		return ".", nil
	}
	return filepath.Join(done...), nil
}

// maxPathParts bounds a path and what links may make of it: each part is looked
// up from the root on.
const maxPathParts = 256

// openInTree opens path below a debug tree: one that the user named, or a
// default one below Root.
func (s *Search) openInTree(tree, path string) (*File, error) {
	full := filepath.Join(tree, filepath.Join("/", path))
	if s.DebugDirs == nil {
		return s.Open(full)
	}
	return Open(full)
}

func (s *Search) trees() []string {
	if s.DebugDirs == nil {
		return DefaultDebugDirs
	}
	return s.DebugDirs
}

// OpenByBuildID opens the debug file of a build, which has that build ID, in
// one of the trees, which hold it as
//
//	.build-id/ab/cdef….debug    gdb, elfutils, LLVM and the distributions
//	ab/cdef….debug              the symbol servers of LLVM and Fuchsia
//	ab/cdef…/debuginfo          the unified layout of Sentry
//	abcdef…/debuginfo           the cache of debuginfod's clients
//
// The caller closes it. Without such a file the error is ErrNoDebugFile.
func (s *Search) OpenByBuildID(buildID string) (*File, error) {
	// The build ID is a stranger's, and becomes a part of paths.
	if len(buildID) < 3 || len(buildID) > maxBuildIDDigits || strings.Trim(buildID, "0123456789abcdef") != "" {
		return nil, ErrNoDebugFile
	}
	head, rest := buildID[:2], buildID[2:]
	places := []string{
		filepath.Join(".build-id", head, rest+".debug"),
		filepath.Join(head, rest+".debug"),
		filepath.Join(head, rest, "debuginfo"),
		filepath.Join(buildID, "debuginfo"),
	}
	for _, tree := range s.trees() {
		for _, place := range places {
			debug, err := s.openInTree(tree, place)
			if err != nil {
				continue
			}
			if debug.buildID == buildID {
				return debug, nil
			}
			debug.Close()
		}
	}
	return nil, &Error{Path: places[0], Err: ErrNoDebugFile}
}

// maxBuildIDDigits is twice the longest hash that a linker makes.
const maxBuildIDDigits = 256

// OpenDebugFile finds and opens the separate debug file of f: by build ID in
// the trees, then by debug link beside f, in .debug, and below the trees. Only
// a file of the same build is taken: the same build ID, or, where f has none,
// the CRC that the link names. The caller closes it. Without such a file the
// error is ErrNoDebugFile.
func (s *Search) OpenDebugFile(f *File) (*File, error) {
	if debug, err := s.OpenByBuildID(f.buildID); err == nil {
		if f.info == nil || !debug.SameFile(f.info) {
			return debug, nil
		}
		debug.Close()
	}
	link, ok, err := f.DebugLink()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{Path: f.path, Err: ErrNoDebugFile}
	}
	folder, err := f.folder()
	if err != nil {
		return nil, openError(f.path, err)
	}
	open := func(file *File, err error) *File {
		if err != nil || !f.isDebugFile(file, link) {
			return nil
		}
		return file
	}
	for _, path := range []string{filepath.Join(folder, link.Name), filepath.Join(folder, ".debug", link.Name)} {
		if debug := open(s.openBeside(f, path)); debug != nil {
			return debug, nil
		}
	}
	for _, tree := range s.trees() {
		if debug := open(s.openInTree(tree, filepath.Join(folder, link.Name))); debug != nil {
			return debug, nil
		}
	}
	return nil, &Error{Path: f.path, Reason: "debug link " + link.Name, Err: ErrNoDebugFile}
}

// folder is where f lies: below the root that it was opened in, if any.
func (f *File) folder() (string, error) {
	if f.below != "" {
		return filepath.Dir(f.below), nil
	}
	return filepath.Abs(filepath.Dir(f.path))
}

// openBeside opens a path that f leads to: below the root where f is, on this
// machine where f is not.
func (s *Search) openBeside(f *File, path string) (*File, error) {
	if f.below != "" {
		return s.openBelow(path)
	}
	return Open(path)
}

// OpenAltFile finds and opens the file that dwz moved common debug information
// of several files to (.gnu_debugaltlink): by its build ID in the trees, then
// by its path, which is relative to the folder of f. It has the build ID that
// the link names. The caller closes it. Without such a file the error is
// ErrNoDebugFile.
func (s *Search) OpenAltFile(f *File) (*File, error) {
	link, ok, err := f.DebugAltLink()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{Path: f.path, Err: ErrNoDebugFile}
	}
	if alt, err := s.OpenByBuildID(link.BuildID); err == nil {
		return alt, nil
	}
	candidates, err := s.altPaths(f, link.Path)
	if err != nil {
		return nil, err
	}
	for _, path := range candidates {
		alt, err := s.openBeside(f, path)
		if err != nil {
			continue
		}
		if alt.buildID == link.BuildID {
			return alt, nil
		}
		alt.Close()
	}
	return nil, &Error{Path: f.path, Reason: "alternate debug file " + link.Path, Err: ErrNoDebugFile}
}

// altPaths are the places that the path of an alternate link may mean. Trees
// by build ID are made of links, so the file's real folder counts too.
func (s *Search) altPaths(f *File, path string) ([]string, error) {
	if filepath.IsAbs(path) {
		return []string{path}, nil
	}
	folder, err := f.folder()
	if err != nil {
		return nil, openError(f.path, err)
	}
	// Not joined by name only: ".." after a link is the target's parent.
	paths := []string{folder + "/" + path}
	if f.below == "" && f.info != nil {
		if real, err := filepath.EvalSymlinks(f.path); err == nil {
			if real, err = filepath.Abs(real); err == nil && filepath.Dir(real) != folder {
				paths = append(paths, filepath.Dir(real)+"/"+path)
			}
		}
	}
	return paths, nil
}

// isDebugFile tells whether debug belongs to f, and closes it if not.
func (f *File) isDebugFile(debug *File, link DebugLink) bool {
	switch {
	case f.info != nil && debug.SameFile(f.info):
	case f.buildID != "" && debug.buildID == f.buildID:
		return true
	case f.buildID == debug.buildID:
		sum, err := debug.crc()
		if err == nil && sum == link.CRC {
			return true
		}
	}
	debug.Close()
	return false
}
