package torture

import (
	"bytes"
	"debug/elf"
	"strings"
)

// Aim is a place in a file that is worth an edit.
type Aim struct {
	Name       string
	Start, End int // bytes from the start of the file; never empty
	// Weight is how often it is aimed at, beside the others.
	Weight int
	// Step is the size of one record there, 0 where there are none.
	Step int
}

const headBytes = 64

// Aims are the places of an object file: its header and tables, and of each
// section that a symbolizer reads the first bytes and the whole. A file of
// another format, such as an index, has its head and the whole.
func Aims(content []byte) []Aim {
	places := places{size: len(content)}
	places.add("the whole file", 0, len(content), 2, 0)
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		places.add("the head", 0, 4096, 8, 8)
		places.add("the end", len(content)-256, len(content), 4, 8)
		return places.aims
	}
	places.addHeaders(content, file)
	for _, section := range file.Sections {
		if section.Type == elf.SHT_NOBITS || section.FileSize == 0 {
			continue
		}
		if weight := sectionWeight(section); weight > 0 {
			start, end := int(section.Offset), int(section.Offset+section.FileSize)
			places.add("the head of "+section.Name, start, min(end, start+headBytes), weight, 0)
			places.add(section.Name, start, end, weight, int(min(section.Entsize, headBytes)))
		}
	}
	return places.aims
}

type places struct {
	size int
	aims []Aim
}

func (p *places) add(name string, start, end, weight, step int) {
	start, end = max(0, min(start, p.size)), max(0, min(end, p.size))
	if start < end {
		p.aims = append(p.aims, Aim{name, start, end, weight, step})
	}
}

// addHeaders adds the ELF header, the program headers and the section headers.
func (p *places) addHeaders(content []byte, file *elf.File) {
	order := file.ByteOrder
	if file.Class == elf.ELFCLASS64 {
		p.add("the ELF header", 0, 64, 4, 0)
		p.add("the program headers", int(order.Uint64(content[32:])), int(order.Uint64(content[32:]))+56*len(file.Progs), 3, 56)
		at := int(order.Uint64(content[40:]))
		p.add("the section headers", at, at+64*len(file.Sections), 8, 64)
		return
	}
	p.add("the ELF header", 0, 52, 4, 0)
	p.add("the program headers", int(order.Uint32(content[28:])), int(order.Uint32(content[28:]))+32*len(file.Progs), 3, 32)
	at := int(order.Uint32(content[32:]))
	p.add("the section headers", at, at+40*len(file.Sections), 8, 40)
}

// sectionWeight is 0 for what a symbolizer never reads: code, data, unwinding.
func sectionWeight(section *elf.Section) int {
	name := strings.TrimPrefix(strings.TrimSuffix(section.Name, ".dwo"), ".rela")
	switch name {
	case ".debug_info", ".debug_abbrev", ".debug_line":
		return 8
	case ".gopclntab", ".debug_rnglists", ".debug_ranges", ".debug_cu_index", ".gnu_debugdata", ".zdebug_info", ".zdebug_line":
		return 5
	case ".debug_str_offsets", ".debug_addr", ".debug_aranges", ".debug_types", ".debug_names", ".go.buildinfo":
		return 3
	case ".gnu_debuglink", ".gnu_debugaltlink", ".note.gnu.build-id", ".symtab", ".dynsym", ".strtab", ".dynstr",
		".dynamic", ".noptrdata", ".debug_str", ".debug_line_str", ".symtab_shndx", ".debug_tu_index", ".note.go.buildid":
		return 2
	}
	if strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, ".zdebug_") || section.Type == elf.SHT_NOTE {
		return 1
	}
	return 0
}
