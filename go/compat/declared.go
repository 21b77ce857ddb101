package compat

import (
	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// declarations tell where the variables of one file were declared. Data is
// asked for seldom (AddressSanitizer does, about the one global that was
// overrun), so one file at a time is kept open.
type declarations struct {
	path      string
	files     []*object.File
	data      *dwarf.Data
	variables *dwarf.Variables
}

// declaredAt returns where the variable that starts at addr was declared.
func (p *llvmProgram) declaredAt(m *module, addr uint64) (file string, line int) {
	if m.path == "" {
		return "", 0
	}
	if p.declared == nil || p.declared.path != m.path {
		p.declared.close()
		p.declared = &declarations{path: m.path}
		p.declared.open(p.sources.DebugDirs)
	}
	if p.declared.variables == nil {
		return "", 0
	}
	return p.declared.variables.At(model.VirtAddr(addr))
}

// open reads the file's debug information, or that of its separate debug file;
// where there is none, or none that can be read, nothing is known.
func (d *declarations) open(debugDirs []string) {
	file, err := object.Open(d.path)
	if err != nil {
		return
	}
	d.files = append(d.files, file)
	if !file.HasDebugInfo() {
		if file, err = file.OpenDebugFile(debugDirs); err != nil {
			return
		}
		d.files = append(d.files, file)
	}
	if d.data, err = dwarf.New(file); err != nil {
		return
	}
	// As far as they could be read.
	d.variables, _ = d.data.Variables()
}

func (d *declarations) close() {
	if d == nil {
		return
	}
	// Files that were only read lose nothing.
	if d.data != nil {
		_ = d.data.Close()
	}
	for _, file := range d.files {
		_ = file.Close()
	}
}
