package torture

import (
	"bytes"
	"debug/elf"
	"strings"
)

// entryBombs are abbreviations and attributes of which few bytes stand for many.
func entryBombs() []Bomb {
	const many = 1 << 20
	// code is the usual unit over all of the code, with count children.
	return []Bomb{
		one("abbrev-attributes", func() []byte {
			// Each entry is one byte in .debug_info, and 2^20 flags that take none.
			var abbrevs writer
			abbrevs.abbrev(1, tagUnit, true).uleb(2, tagSubprogram).u8(0)
			abbrevs.repeat([]byte{atConstValue, formPresent}, many).u8(0, 0, 0)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()),
				debug(".debug_info", unit4(0, append([]byte{1}, bytes.Repeat([]byte{2}, many)...))))
		}),
		one("abbrev-constants", func() []byte {
			var abbrevs writer
			abbrevs.abbrev(1, tagUnit, true).uleb(2, tagInlined).u8(1)
			abbrevs.repeat([]byte{atConstValue, formImplicit, 0x7f}, many).u8(0, 0, 0)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()),
				debug(".debug_info", unit5(0, append([]byte{1}, bytes.Repeat([]byte{2}, many)...))))
		}),
		one("abbrev-codes", func() []byte {
			var abbrevs writer
			for i := range uint64(many) {
				abbrevs.abbrev(i*0x10001+1, tagSubprogram, false)
			}
			return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", unit4(0, bytes.Repeat([]byte{1}, many))))
		}),
		one("abbrev-shared", func() []byte {
			// 2^16 units, each of which starts the same table one entry later.
			var abbrevs, info writer
			for range uint64(1 << 16) {
				abbrevs.abbrev(1, tagUnit, false)
			}
			for i := range uint64(1 << 16) {
				info.Write(unit4(i*5, []byte{1}))
			}
			return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", info.Bytes()))
		}),
		one("form-indirect", func() []byte {
			var abbrevs, entries writer
			abbrevs.abbrev(1, tagUnit, true, atName, formIndirect).u8(0)
			entries.u8(1).repeat([]byte{formIndirect}, 4*many).u8(formString, 0)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())))
		}),
		one("sibling-backwards", func() []byte {
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, true, atSibling, formRef4, atLowPC, formAddr, atHighPC, formData4).u8(0)
			for range 4096 {
				entries.u8(2).u32(unit4Bytes).u64(textAddr).u32(textBytes)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())))
		}),
		one("name-endless", func() []byte {
			// 2^16 functions at the same place, all named by 16 MB of text.
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, false, atName, formStrp, atLowPC, formAddr, atHighPC, formData4).u8(0)
			for i := range uint64(1 << 16) {
				entries.u8(2).u32(i).u64(textAddr).u32(textBytes)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())),
				debug(".debug_str", bytes.Repeat([]byte("n"), 16<<20)))
		}),
	}
}

// unitOf starts a unit that covers the code, with abbreviation 1; its children
// follow.
func unitOf(abbrevs, entries *writer) {
	abbrevs.abbrev(1, tagUnit, true, atLowPC, formAddr, atHighPC, formData4, atStmtList, formOffset)
	entries.u8(1).u64(textAddr).u32(textBytes, 0)
}

// treeBombs are trees that are deep, and references that go round.
func treeBombs() []Bomb {
	const deep = 1_000_000
	nested := func(tag uint64, attributes ...uint64) func() []byte {
		return func() []byte {
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, true, atLowPC, formAddr, atHighPC, formData4)
			abbrevs.abbrev(3, tag, true, attributes...).u8(0)
			entries.u8(2).u64(textAddr).u32(textBytes)
			var child writer
			child.u8(3)
			if len(attributes) > 0 {
				child.u64(textAddr).u32(textBytes)
			}
			entries.repeat(child.Bytes(), deep)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())))
		}
	}
	placed := []uint64{atLowPC, formAddr, atHighPC, formData4}
	return []Bomb{
		one("deep-blocks", nested(tagBlock)),
		one("deep-placed-blocks", nested(tagBlock, placed...)),
		one("deep-functions", nested(tagSubprogram, placed...)),
		one("deep-inlined", nested(tagInlined, placed...)),
		one("deep-units", nested(tagUnit, placed...)),
		one("origin-loop", func() []byte { return chained(atOrigin, 1, 0) }),
		one("origin-pair", func() []byte { return chained(atOrigin, 2, 0) }),
		one("specification-loop", func() []byte { return chained(atSpecification, 1, 0) }),
		one("origin-chain", func() []byte { return chained(atOrigin, 1<<20, 1) }),
		one("origin-forward", func() []byte { return chained(atOrigin, 1<<20, 0) }),
		one("functions-overlapping", func() []byte {
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, false, placed...).u8(0)
			for i := range uint64(1 << 20) {
				entries.u8(2).u64(textAddr + i%16).u32(textBytes)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())))
		}),
		one("units-tiny", func() []byte {
			var abbrevs writer
			abbrevs.abbrev(1, tagUnit, false).u8(0)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", bytes.Repeat(unit4(0, []byte{1}), 1<<20)))
		}),
		one("import-loop", imports),
	}
}

// chained are count functions at the same place, each of which says that it is
// the next one; the last one turns back to the first, or, with by, to itself.
func chained(attribute uint64, count, by int) []byte {
	var abbrevs, entries writer
	unitOf(&abbrevs, &entries)
	abbrevs.abbrev(2, tagSubprogram, false, attribute, formRef4, atLowPC, formAddr, atHighPC, formData4).u8(0)
	const size = 1 + 4 + 8 + 4
	first := uint64(unit4Bytes + entries.Len())
	for i := range count {
		next := (i + 1) % count
		if by > 0 {
			next = max(0, i-by)
		}
		entries.u8(2).u32(first + uint64(next*size)).u64(textAddr).u32(textBytes)
	}
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())))
}

// imports is a unit that imports partial units, which import each other and
// themselves.
func imports() []byte {
	const count = 256
	var abbrevs, info writer
	abbrevs.abbrev(1, tagPartial, true).abbrev(2, tagImported, false, atImport, formOffsetRef).u8(0)
	size := unit4Bytes + 1 + count*5 + 1
	for range count {
		var entries writer
		entries.u8(1)
		for i := range count {
			entries.u8(2).u32(uint64(i*size + unit4Bytes))
		}
		info.Write(unit4(0, entries.u8(0).Bytes()))
	}
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", info.Bytes()))
}

// formOffsetRef is DW_FORM_ref_addr.
const formOffsetRef = 0x10

// tables are sections and symbols of which few bytes stand for many.
func tables() []Bomb {
	return []Bomb{
		one("sections-overlapping", func() []byte {
			// Each of them is the whole file; together they are 4 TB.
			sections := make([]section, 60_000)
			for i := range sections {
				sections[i] = debug(".debug_info", nil)
				sections[i].at, sections[i].size = 1, 5<<20
			}
			return object(elf.ET_REL, sections...)
		}),
		one("sections-of-code", func() []byte {
			sections := make([]section, 100_000)
			for i := range sections {
				sections[i] = section{name: ".text", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, at: 64, size: 6 << 20}
			}
			return object(elf.ET_REL, sections...)
		}),
		one("relocations-overlapping", func() []byte {
			// 2^11 tables over the same 2^16 relocations of .debug_info.
			var abbrevs, entries, relocations writer
			unitOf(&abbrevs, &entries)
			for range 1 << 16 {
				relocations.u64(16, 1, 0) // R_X86_64_64 against symbol 0
			}
			sections := []section{debug(".debug_info", unit4(0, entries.Bytes())), debug(".debug_abbrev", abbrevs.u8(0).Bytes())}
			shared := section{name: ".rela.debug_info", typ: elf.SHT_RELA, info: 2, link: 0, entry: 24, data: relocations.Bytes()}
			sections = append(sections, shared)
			shared.at, shared.size, shared.data = 0x1600, uint64(relocations.Len()), nil
			for range 1 << 11 {
				sections = append(sections, shared)
			}
			return object(elf.ET_REL, sections...)
		}),
		one("symbols-overlapping", func() []byte {
			return symbols(1<<20, func(i uint64) (uint64, uint64) { return textAddr + i%64, textBytes - 2*(i%64) }, "f")
		}),
		one("symbols-nested", func() []byte {
			return symbols(1<<20, func(i uint64) (uint64, uint64) { return i, 1<<21 - 2*i }, "f")
		}),
		one("symbols-long-names", func() []byte {
			return symbols(1<<18, func(i uint64) (uint64, uint64) { return textAddr + i%textBytes, 1 }, strings.Repeat("n", 60_000))
		}),
		one("notes", func() []byte {
			var notes writer
			for range 1 << 18 {
				notes.u32(4, 20, 3).text("GNU").repeat([]byte{7}, 20)
			}
			return executable(section{name: ".note.gnu.build-id", typ: elf.SHT_NOTE, flags: elf.SHF_ALLOC, data: notes.Bytes()})
		}),
	}
}

// symbols is a table of count functions, placed by place, with the same name.
func symbols(count uint64, place func(i uint64) (start, size uint64), name string) []byte {
	var table, names writer
	names.u8(0).text(name)
	table.repeat([]byte{0}, 24)
	for i := range count {
		start, size := place(i)
		// Each name starts one byte later, while there are any.
		table.u32(1+i%uint64(len(name))).u8(0x12, 0).u16(1).u64(start, size)
	}
	return executable(section{name: ".symtab", typ: elf.SHT_SYMTAB, link: 3, info: 1, entry: 24, data: table.Bytes()},
		section{name: ".strtab", typ: elf.SHT_STRTAB, data: names.Bytes()})
}
