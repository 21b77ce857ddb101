package doctor

import (
	"debug/buildinfo"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Module is what the checks want to know of one object file.
type Module struct {
	Path string
	// RuntimeNeeded is the soname of the ASan runtime that the module asks
	// the loader for, "" where it asks for none.
	RuntimeNeeded string
	// RuntimeInside: the ASan runtime is linked into the module itself.
	RuntimeInside bool
	// Instrumented: the module's code calls the ASan runtime.
	Instrumented bool
	// ASanVersion is the symbol by which instrumented code asks for a
	// version of the runtime's interface.
	ASanVersion string
	// Go tells that the module holds a Go program or library, GoASan that it
	// was built with -asan.
	Go, GoASan bool
	DebugInfo  bool
	TailCalls  bool
	BuildID    string
}

const versionCheckPrefix = "__asan_version_mismatch_check_v"

// maxFiles bounds how many object files a folder may hold for one visit.
const maxFiles = 10_000

// FindModules opens the object files at the given paths; in folders all
// executables and shared objects below them (links are not followed). What
// was named and is no ELF file is told of in the second result.
func FindModules(paths []string) ([]Module, []model.Partial) {
	var modules []Module
	var unread []model.Partial
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			found, broken := modulesBelow(path)
			modules = append(modules, found...)
			unread = append(unread, broken...)
			continue
		}
		module, err := ReadModule(path)
		if err != nil {
			unread = append(unread, unreadable(path, err))
			continue
		}
		modules = append(modules, module)
	}
	return modules, unread
}

// unreadable tells why nothing is known of path. The reason leaves out the
// file's name, which stands beside it.
func unreadable(path string, err error) model.Partial {
	reason := err.Error()
	var ofSystem *fs.PathError
	if errors.As(err, &ofSystem) && ofSystem.Path == path {
		reason = ofSystem.Err.Error()
	}
	return model.Partial{File: path, Reason: strings.TrimPrefix(reason, path+": ")}
}

// modulesBelow reads the loadable object files of a folder; files of other
// formats belong to a folder as well and are passed over. What is an object
// file, and cannot be read, is told of in the second result.
func modulesBelow(root string) ([]Module, []model.Partial) {
	var modules []Module
	var unread []model.Partial
	visited := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || !strings.Contains(filepath.Base(path), ".so") && !executable(entry) {
			return nil
		}
		if visited++; visited > maxFiles {
			return errors.New("more than 10,000 executables and libraries: name a smaller folder")
		}
		module, err := ReadModule(path)
		switch {
		case err == nil:
			modules = append(modules, module)
		case !errors.Is(err, object.ErrNotELF):
			unread = append(unread, unreadable(path, err))
		}
		return nil
	})
	if err != nil {
		unread = append(unread, unreadable(root, err))
	}
	return modules, unread
}

func executable(entry fs.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && info.Mode()&0o111 != 0
}

// ReadModule reads what the checks want to know of the object file at path.
func ReadModule(path string) (Module, error) {
	file, err := object.Open(path)
	if err != nil {
		return Module{}, err
	}
	defer file.Close()
	module := Module{Path: path, BuildID: file.BuildID(), DebugInfo: file.HasDebugInfo()}
	dynamic, _, err := file.Dynamic()
	if err != nil {
		return module, err
	}
	for _, needed := range dynamic.Needed {
		if isRuntime(needed) {
			module.RuntimeNeeded = needed
		}
	}
	err = file.EachSymbol(func(symbol object.Symbol) bool {
		module.addSymbol(symbol)
		return true
	})
	if err != nil {
		return module, err
	}
	module.readGo(path)
	abbreviations, err := file.Data(".debug_abbrev")
	if err != nil {
		return module, err
	}
	module.TailCalls = declaresTailCalls(abbreviations)
	return module, nil
}

// isRuntime tells the sonames of gcc's and clang's ASan runtimes.
func isRuntime(soname string) bool {
	return strings.HasPrefix(soname, "libasan.so") || strings.HasPrefix(soname, "libclang_rt.asan")
}

func (m *Module) addSymbol(symbol object.Symbol) {
	switch {
	case symbol.Name == "__asan_init" && !symbol.Undefined:
		m.RuntimeInside = true
	case symbol.Name == "__asan_init",
		strings.HasPrefix(symbol.Name, "__asan_report_") && symbol.Undefined:
		m.Instrumented = true
	case strings.HasPrefix(symbol.Name, versionCheckPrefix) && symbol.Undefined:
		m.Instrumented = true
		m.ASanVersion = symbol.Name
	}
}

// readGo looks for what the Go toolchain records of a build; stripping does
// not remove it.
func (m *Module) readGo(path string) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return // no Go program or library
	}
	m.Go = true
	for _, setting := range info.Settings {
		if setting.Key == "-asan" && setting.Value == "true" {
			m.GoASan = true
		}
	}
}

// DWARF 5, section 7.5: the attributes that mark a call site as a tail call,
// in version 5 and as the GNU extension of version 4.
const (
	attrCallTailCall = 0x82
	attrGNUTailCall  = 0x2115
	formImplicitCons = 0x21
)

// declaresTailCalls reads .debug_abbrev: an abbreviation exists only where an
// entry uses it, so one with the attribute means that there is such a call.
func declaresTailCalls(data []byte) bool {
	next := func() (uint64, bool) {
		value, size := binary.Uvarint(data)
		if size <= 0 {
			return 0, false
		}
		data = data[size:]
		return value, true
	}
	for len(data) > 0 {
		code, ok := next()
		if !ok {
			return false
		}
		if code == 0 { // the end of one unit's table
			continue
		}
		if _, ok = next(); !ok || len(data) == 0 { // tag
			return false
		}
		data = data[1:] // has children
		for {
			attribute, ok := next()
			form, ok2 := next()
			if !ok || !ok2 {
				return false
			}
			if form == formImplicitCons { // its value, a signed LEB128, is as long as an unsigned one
				if _, ok := next(); !ok {
					return false
				}
			}
			if attribute == 0 && form == 0 {
				break
			}
			if attribute == attrCallTailCall || attribute == attrGNUTailCall {
				return true
			}
		}
	}
	return false
}
