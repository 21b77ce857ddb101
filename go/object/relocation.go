package object

import (
	"debug/elf"
	"errors"
	"io"

	"github.com/ffikit/ffikit/go/model"
)

// ReadAt reads from the file's own bytes, for the readers of what no section
// names. It is an io.ReaderAt that ends where the file ended when it was
// opened; a file that shrank since gives ErrChanged.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= f.size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > f.size-offset {
		p, end = p[:f.size-offset], io.EOF
	}
	n, err := f.file.ReadAt(p, offset)
	switch {
	case n == len(p):
		return n, end
	case err == nil || errors.Is(err, io.EOF):
		return n, f.NewError(offset+int64(n), ErrChanged, "%d bytes", len(p))
	}
	return n, f.NewError(offset, err, "%d bytes", len(p))
}

// relativeType is the machine's relocation by the load bias alone, as its
// supplement to the gABI numbers it; 0 where the machine is not known or keeps
// all addends in place.
func (f *File) relativeType() uint32 {
	switch f.machine {
	case elf.EM_X86_64:
		return uint32(elf.R_X86_64_RELATIVE)
	case elf.EM_AARCH64:
		return uint32(elf.R_AARCH64_RELATIVE)
	case elf.EM_PPC64:
		return uint32(elf.R_PPC64_RELATIVE)
	case elf.EM_RISCV:
		return uint32(elf.R_RISCV_RELATIVE)
	case elf.EM_S390:
		return uint32(elf.R_390_RELATIVE)
	case elf.EM_LOONGARCH:
		return uint32(elf.R_LARCH_RELATIVE)
	}
	return 0
}

// EachRelative calls visit for every relative relocation that brings its own
// addend (DT_RELA), in the order of the file, until visit returns false: a
// loader puts value plus load bias at place, whatever the file has there,
// which is often zero. Relocations that keep their addend in place (DT_REL,
// DT_RELR) are not visited: the file's bytes are right at bias 0.
func (f *File) EachRelative(visit func(place, value model.VirtAddr) bool) error {
	const batch = 4096 // entries read at a time
	kind := f.relativeType()
	addr, size, err := f.relocationTable()
	if err != nil || kind == 0 || size == 0 {
		return err
	}
	entrySize := 3 * uint64(f.AddrSize())
	offset, room, ok := f.fileOffset(addr)
	if !ok || size > room {
		return f.NewError(0, ErrFormat, "relocations of %d bytes at 0x%x, outside of every segment", size, addr)
	}
	for size >= entrySize {
		data, err := f.readAt(offset, min(size/entrySize, batch)*entrySize, "relocations")
		if err != nil {
			return err
		}
		offset, size = offset+uint64(len(data)), size-uint64(len(data))
		for r := f.fields(data); len(r.data) > 0; {
			place, info, value := r.word(), r.word(), r.word()
			entry := uint32(info)
			if !f.is64 {
				entry &= 0xff
			}
			if entry == kind && !visit(model.VirtAddr(place), model.VirtAddr(value)) {
				return nil
			}
		}
	}
	return nil
}

// relocationTable is where the dynamic section says that DT_RELA lies.
func (f *File) relocationTable() (addr, size uint64, err error) {
	data, err := f.dynamicEntries()
	if err != nil {
		return 0, 0, err
	}
	f.eachDynamic(data, func(tag elf.DynTag, value uint64) {
		switch tag {
		case elf.DT_RELA:
			addr = value
		case elf.DT_RELASZ:
			size = value
		}
	})
	return addr, size, nil
}

// fileOffset finds the bytes of a file-virtual address in the file, and how
// many there are from there on in its segment.
func (f *File) fileOffset(addr uint64) (offset, room uint64, ok bool) {
	for i := range f.segments {
		s := &f.segments[i]
		if s.Type == elf.PT_LOAD && addr >= uint64(s.VirtAddr) && addr-uint64(s.VirtAddr) < s.FileSize {
			into := addr - uint64(s.VirtAddr)
			return s.FileOffset + into, s.FileSize - into, true
		}
	}
	return 0, 0, false
}
