package object

import (
	"debug/elf"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// A relocatable object (.o, .ko) has no addresses yet. It is given some when it
// is opened, so that each place in it has one that no other place has: the
// first executable section (.text where that has contents) starts at 0, as
// llvm-symbolizer and addr2line take it; the other sections that would be
// loaded follow in the order of the file, aligned as they ask.

// layOut gives the sections of a relocatable object their addresses.
func (f *File) layOut() error {
	first := f.firstCode()
	next := uint64(0)
	if first >= 0 {
		f.sections[first].VirtAddr = 0
		next = f.sections[first].SizeBytes
	}
	limit := uint64(1) << 47
	if !f.is64 {
		limit = 1 << 32
	}
	for i := range f.sections {
		s := &f.sections[i]
		if s.Flags&elf.SHF_ALLOC == 0 || i == first {
			continue
		}
		at := alignUp(next, s.align())
		if at > limit || s.SizeBytes > limit-at {
			return f.NewError(s.at(), ErrLimit, "section %s of %d bytes: no room in the address space", s.Name, s.SizeBytes)
		}
		s.VirtAddr, next = model.VirtAddr(at), at+s.SizeBytes
	}
	if next > limit {
		return f.NewError(0, ErrLimit, "code of %d bytes", next)
	}
	return nil
}

func (f *File) firstCode() int {
	found := -1
	for i := range f.sections {
		s := &f.sections[i]
		if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_EXECINSTR == 0 || s.SizeBytes == 0 {
			continue
		}
		if s.Name == ".text" {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// align is what the section asks for; what makes no sense counts as 1: the
// layout is ours.
func (s *Section) align() uint64 {
	const most = 1 << 30
	if s.AlignBytes == 0 || s.AlignBytes > most || s.AlignBytes&(s.AlignBytes-1) != 0 {
		return 1
	}
	return s.AlignBytes
}

func alignUp(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }

// SectionBase returns the address of the first section of that name that is
// loaded: its own, or, in a relocatable object, the one that it was given. A
// place given as an offset into a section lies that much behind it, if the
// offset is below sizeBytes; behind that lie other sections.
func (f *File) SectionBase(name string) (base model.VirtAddr, sizeBytes uint64, ok bool) {
	for i := range f.sections {
		if s := &f.sections[i]; s.Name == name && s.Flags&elf.SHF_ALLOC != 0 {
			return s.VirtAddr, s.SizeBytes, true
		}
	}
	return 0, 0, false
}

// linkage is what a linker would make of the debug sections of a relocatable
// object: sections of one name (those of COMDAT groups) follow each other.
type linkage struct {
	// base is where each section starts: the address of one that is loaded,
	// the place among its namesakes of a debug section.
	base []uint64
	// namesakes are the sections of one name, relocations those that apply to
	// a section.
	namesakes   map[string][]int
	relocations map[int][]int
	// threadLocal is where thread-local storage starts.
	threadLocal uint64
}

func isDebugSection(s *Section) bool {
	return s.Flags&elf.SHF_ALLOC == 0 &&
		(strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_"))
}

// plainName is the name of a debug section without the mark of the old
// compression.
func plainName(name string) string {
	if rest, ok := strings.CutPrefix(name, ".zdebug_"); ok {
		return ".debug_" + rest
	}
	return name
}

// linked computes the linkage once. A section that cannot be measured gets no
// place; asking for its contents tells why.
func (f *File) linked() *linkage {
	f.linkOnce.Do(func() {
		l := &linkage{base: make([]uint64, len(f.sections)), namesakes: map[string][]int{}, relocations: map[int][]int{}}
		ends, threadLocal := map[string]uint64{}, false
		for i := range f.sections {
			s := &f.sections[i]
			switch {
			case s.Flags&elf.SHF_ALLOC != 0:
				l.base[i] = uint64(s.VirtAddr)
				if s.Flags&elf.SHF_TLS != 0 && (!threadLocal || l.base[i] < l.threadLocal) {
					l.threadLocal, threadLocal = l.base[i], true
				}
			case s.Type == elf.SHT_REL || s.Type == elf.SHT_RELA || s.Type == shtCREL:
				l.relocations[int(s.Info)] = append(l.relocations[int(s.Info)], i)
			case isDebugSection(s) && s.hasContents():
				size, align := f.measure(s)
				name := plainName(s.Name)
				l.base[i] = alignUp(ends[name], align)
				ends[name] = l.base[i] + min(size, maxSectionBytes)
				l.namesakes[name] = append(l.namesakes[name], i)
			}
		}
		f.linkage = l
	})
	return f.linkage
}

// measure returns the length of s in memory and its alignment.
func (f *File) measure(s *Section) (size, align uint64) {
	packed, err := f.compressionOf(s)
	switch {
	case err != nil:
		return 0, 1
	case packed.kind == 0:
		return s.SizeBytes, s.align()
	}
	return packed.size, (&Section{AlignBytes: packed.align}).align()
}
