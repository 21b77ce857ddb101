package object

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// damage is a part of a section that could not be relocated.
type damage struct {
	start, end int
	err        error
}

// maxTables is how many tables of relocations one section may have: one, in
// files that compilers and linkers write.
const maxTables = 16

// maxDamages is how many parts of one section may be damaged before all of it
// counts as such.
const maxDamages = 1000

// relocator applies relocations to the contents of one debug section.
type relocator struct {
	file    *File
	link    *linkage
	types   map[uint32]relocation
	section *Section
	// data are the section's contents, which start at base of what the linker
	// would make, and at in the View.
	data []byte
	base uint64
	at   int

	// symbols are those of section symbolsAt.
	symbols   *symbolReader
	symbolsAt int

	damages []damage
	// budget bounds the relocations read: sane tables share no bytes.
	budget uint64
	bytes  uint64 // of the current entry's place, for errors
}

// relocate applies the relocations of section index to data.
func (r *relocator) relocate(index int, data []byte, at int) error {
	r.section, r.data, r.at, r.base = &r.file.sections[index], data, at, r.link.base[index]
	if tables := len(r.link.relocations[index]); tables > maxTables {
		return r.file.NewError(r.section.at(), ErrLimit, "section %s: %d tables of relocations", r.section.Name, tables)
	}
	for _, table := range r.link.relocations[index] {
		if err := r.applyTable(&r.file.sections[table]); err != nil {
			return err
		}
	}
	return nil
}

func (r *relocator) applyTable(table *Section) error {
	f := r.file
	if table.Type == shtCREL {
		return f.NewError(table.at(), ErrFormat, "section %s: compact relocations are not supported", table.Name)
	}
	if r.types == nil {
		return f.NewError(table.at(), ErrFormat, "section %s: relocations of machine %v are not supported", table.Name, f.machine)
	}
	if err := f.checkSection(table); err != nil {
		return err
	}
	if r.budget += table.SizeBytes; r.budget > 2*uint64(f.size) {
		return f.NewError(table.at(), ErrLimit, "section %s: sections overlap", table.Name)
	}
	symbols, err := r.symbolsIn(int(table.Link))
	if err != nil {
		return err
	}
	const batch = 4096 // entries read at a time
	entrySize := 2 * uint64(f.AddrSize())
	if table.Type == elf.SHT_RELA {
		entrySize += uint64(f.AddrSize())
	}
	offset := table.FileOffset
	for left := table.SizeBytes / entrySize; left > 0; {
		count := min(left, batch)
		entries, err := f.readAt(offset, count*entrySize, "section "+table.Name)
		if err != nil {
			return err
		}
		for i := range count {
			r.bytes = offset + i*entrySize
			if err := r.apply(entries[i*entrySize:(i+1)*entrySize], symbols, table.Type == elf.SHT_RELA); err != nil {
				return err
			}
		}
		offset, left = offset+count*entrySize, left-count
	}
	return nil
}

// symbolsIn opens a symbol table, which many tables share, once.
func (r *relocator) symbolsIn(section int) (*symbolReader, error) {
	if r.symbols != nil && r.symbolsAt == section {
		return r.symbols, nil
	}
	symbols, err := r.file.openSymbols(section)
	if err != nil {
		return nil, err
	}
	r.symbols, r.symbolsAt = symbols, section
	return symbols, symbols.load()
}

// apply applies one entry of a table. What it cannot is noted; an error means
// that there is too much of that.
func (r *relocator) apply(entry []byte, symbols *symbolReader, explicit bool) error {
	fields := fields{entry, r.file.order, r.file.is64}
	place, info, addend := fields.word(), fields.word(), uint64(0)
	if explicit {
		addend = fields.word()
	}
	symbol, kind := info>>32, uint32(info)
	if !r.file.is64 {
		symbol, kind = info>>8, uint32(info&0xff)
		addend = uint64(int64(int32(uint32(addend))))
	}
	relocation, ok := r.types[kind]
	if !ok {
		return r.note(place, 8, "relocation type %d of %v is not known", kind, r.file.machine)
	}
	if relocation.how == nothing {
		return nil
	}
	size := uint64(relocation.size)
	if place > uint64(len(r.data)) || size > uint64(len(r.data))-place {
		return r.note(place, size, "a relocation lies outside of the section")
	}
	value, err := r.valueOf(symbols, symbol)
	if err != nil {
		return r.note(place, size, "%v", err)
	}
	where := r.data[place:]
	if !explicit {
		addend = loadBytes(r.file.order, where[:size])
	}
	relocation.apply(r, where, place, value+addend)
	return nil
}

// valueOf is the address of symbol i; 0 for one that another file defines.
func (r *relocator) valueOf(symbols *symbolReader, i uint64) (uint64, error) {
	if i == 0 {
		return 0, nil
	}
	if i >= uint64(symbols.count) {
		return 0, fmt.Errorf("a relocation names symbol %d of %d", i, symbols.count)
	}
	s := symbols.at(int(i))
	switch {
	case s.section != 0 && s.kind == elf.STT_TLS:
		// Thread-local symbols count from the start of that storage.
		return s.value + r.link.base[s.section] - r.link.threadLocal, nil
	case s.section != 0:
		return s.value + r.link.base[s.section], nil
	case s.index == elf.SHN_ABS:
		return s.value, nil
	}
	return 0, nil
}

// note records that size bytes at place are not what they should be.
func (r *relocator) note(place, size uint64, format string, args ...any) error {
	err := r.file.NewError(int64(min(r.bytes, 1<<62)), ErrFormat, "section %s, offset 0x%x: %s",
		r.section.Name, place, fmt.Sprintf(format, args...))
	if len(r.damages) >= maxDamages {
		return err
	}
	start := r.at + int(min(place, uint64(len(r.data))))
	r.damages = append(r.damages, damage{start, min(start+int(size), r.at+len(r.data)), err})
	return nil
}

func loadBytes(order binary.ByteOrder, data []byte) uint64 {
	switch len(data) {
	case 1:
		return uint64(data[0])
	case 2:
		return uint64(order.Uint16(data))
	case 4:
		return uint64(order.Uint32(data))
	case 8:
		return order.Uint64(data)
	}
	return 0
}

func storeBytes(order binary.ByteOrder, data []byte, value uint64) {
	switch len(data) {
	case 1:
		data[0] = byte(value)
	case 2:
		order.PutUint16(data, uint16(value))
	case 4:
		order.PutUint32(data, uint32(value))
	case 8:
		order.PutUint64(data, value)
	}
}
