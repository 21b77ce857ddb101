package compat

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// declarations are what the debug information of one file says beyond frames:
// where variables were declared, and where the compilers ran. It is asked for
// seldom (AddressSanitizer asks about the one global that was overrun), so those
// of one file at a time are kept.
type declarations struct {
	file      *object.File
	separate  *object.File // where the debug information is, if not in file
	data      *dwarf.Data
	variables *dwarf.Variables // once asked for
	folders   []string         // of compilations, the longest first; once asked for
	read      struct{ variables, folders bool }
}

// declarationsOf opens those of m, whose file was opened.
func (p *llvmProgram) declarationsOf(m *module) *declarations {
	if m.file == nil {
		return nil
	}
	if p.declared == nil || p.declared.file != m.file {
		p.declared.close()
		p.declared = &declarations{file: m.file}
		p.declared.open(p.sources.DebugDirs)
	}
	return p.declared
}

// declaredAt returns where the variable that starts at addr was declared.
func (p *llvmProgram) declaredAt(m *module, addr uint64) (file string, line int) {
	return p.declarationsOf(m).variableAt(addr)
}

// variableAt returns where the variable that starts at addr was declared.
func (d *declarations) variableAt(addr uint64) (file string, line int) {
	if d == nil || d.data == nil {
		return "", 0
	}
	if !d.read.variables {
		d.read.variables = true
		d.variables, _ = d.data.Variables() // as far as they could be read
	}
	return d.variables.At(model.VirtAddr(addr))
}

// relative is the path without the folder that its compiler ran in.
func (p *llvmProgram) relative(m *module, path string) string {
	d := p.declarationsOf(m)
	if d == nil || d.data == nil {
		return path
	}
	if !d.read.folders {
		d.read.folders = true
		d.folders = d.data.CompilationDirs(maxFolders)
		slices.SortStableFunc(d.folders, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	}
	for _, folder := range d.folders {
		if rest, ok := strings.CutPrefix(path, folder); ok {
			if rest, ok = strings.CutPrefix(rest, "/"); ok || strings.HasSuffix(folder, "/") {
				return rest
			}
		}
	}
	return path
}

// open reads the file's debug information, or that of its separate debug file;
// where there is none, or none that can be read, nothing is known.
func (d *declarations) open(debugDirs []string) {
	file := d.file
	if !file.HasDebugInfo() {
		var err error
		if file, err = file.OpenDebugFile(debugDirs); err != nil {
			return
		}
		d.separate = file
	}
	d.data, _ = dwarf.New(file)
}

func (d *declarations) close() {
	if d == nil {
		return
	}
	// Files that were only read lose nothing.
	if d.data != nil {
		_ = d.data.Close()
	}
	if d.separate != nil {
		_ = d.separate.Close()
	}
}
