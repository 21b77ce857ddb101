package object

import (
	"debug/elf"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Symbol is one entry of a symbol table.
type Symbol struct {
	// Name shares memory with the file's string table: it costs nothing, and
	// keeps the table's bytes alive.
	Name      string
	VirtAddr  model.VirtAddr
	SizeBytes uint64
	// Undefined symbols are wanted from another module.
	Undefined bool
	Function  bool
	Local     bool
	// Kind is the type as the file has it, Section the index of the section
	// that the symbol lies in, 0 for none; Dynamic tells .dynsym from .symtab.
	Kind    elf.SymType
	Section int
	Dynamic bool
}

// EachSymbol calls visit for every named symbol of .symtab and .dynsym, also
// undefined ones and data, until visit returns false. A file symbol without a
// name ends those of the file before it, so it is visited too. Names that
// overlap so often that they are far longer together than the table that holds
// them are an error.
func (f *File) EachSymbol(visit func(Symbol) bool) error {
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		reader, err := f.symbolsOf(kind)
		if err != nil {
			return err
		}
		if reader == nil {
			continue
		}
		if err := reader.load(); err != nil {
			return err
		}
		length, most := 0, maxNameTimes*reader.names.Len()+maxNameBytes
		for i := range reader.count {
			s := reader.at(i)
			name, err := reader.nameAt(s.name)
			if err != nil {
				return err
			}
			if length += len(name); length > most {
				return f.NewError(reader.section.at(), ErrLimit, "section %s: names of %d bytes", reader.section.Name, length)
			}
			if (name != "" || s.kind == elf.STT_FILE) && !visit(Symbol{
				Name: name, VirtAddr: model.VirtAddr(reader.addr(&s)), SizeBytes: s.size,
				Undefined: s.index == elf.SHN_UNDEF,
				Function:  s.kind == elf.STT_FUNC || s.kind == elf.STT_GNU_IFUNC,
				Local:     s.bind == elf.STB_LOCAL,
				Kind:      s.kind, Section: s.section, Dynamic: kind == elf.SHT_DYNSYM,
			}) {
				return nil
			}
		}
	}
	return nil
}

// Sanitizer tells what a file has to do with AddressSanitizer.
type Sanitizer struct {
	// Instrumented code calls the runtime; Runtime means that the file brings
	// the runtime itself.
	Instrumented, Runtime bool
}

// AddressSanitizer looks for the symbols of AddressSanitizer.
func (f *File) AddressSanitizer() (Sanitizer, error) {
	var found Sanitizer
	err := f.EachSymbol(func(s Symbol) bool {
		if !strings.HasPrefix(s.Name, "__asan_") {
			return true
		}
		if s.Name == "__asan_init" && !s.Undefined {
			found.Runtime = true
		}
		if s.Undefined {
			found.Instrumented = true
		}
		return !found.Runtime || !found.Instrumented
	})
	return found, err
}
