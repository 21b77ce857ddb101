package torture

import (
	"bytes"
	"debug/elf"
)

// rangeBombs are ranges that many share, or that lie over each other.
func rangeBombs() []Bomb {
	const many = 1 << 16
	return []Bomb{
		one("ranges-shared", func() []byte {
			// 2^16 functions with the same list of 2^16 ranges: DWARF 4, 2.17.3.
			var abbrevs, entries, ranges writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, true, atRanges, formOffset).u8(0)
			for i := range uint64(many) {
				entries.u8(2).u32(0)
				ranges.u64(textAddr+i%textBytes, textAddr+i%textBytes+1)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())),
				debug(".debug_ranges", ranges.u64(0, 0).Bytes()))
		}),
		one("ranges-suffixes", func() []byte {
			// As above, but each list starts one range later than the one before.
			var abbrevs, entries, ranges writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagInlined, true, atRanges, formOffset).u8(0)
			for i := range uint64(many) {
				entries.u8(2).u32(16 * i)
				ranges.u64(textAddr, textAddr+textBytes)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes())),
				debug(".debug_ranges", ranges.u64(0, 0).Bytes()))
		}),
		one("ranges-of-units", func() []byte {
			var abbrevs, info, ranges writer
			abbrevs.abbrev(1, tagUnit, false, atRanges, formOffset).u8(0)
			var entry writer
			info.repeat(unit4(0, entry.u8(1).u32(0).Bytes()), many)
			for i := range uint64(many) {
				ranges.u64(textAddr+i%textBytes, textAddr+textBytes)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", info.Bytes()),
				debug(".debug_ranges", ranges.u64(0, 0).Bytes()))
		}),
		one("rnglists-shared", rangeLists),
		one("units-overlapping", func() []byte {
			// 2^16 units over all of the code, each with a function over it.
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			abbrevs.abbrev(2, tagSubprogram, false, atLowPC, formAddr, atHighPC, formData4, atName, formString).u8(0)
			entries.u8(2).u64(textAddr).u32(textBytes).text("same").u8(0)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", bytes.Repeat(unit4(0, entries.Bytes()), many)),
				debug(".debug_line", lineProgram4(nil)))
		}),
		one("aranges-overlapping", arangesOverlapping),
		one("aranges-empty", func() []byte {
			var set writer
			set.u32(8).u16(2).u32(0).u8(0, 0)
			return executable(debug(".debug_abbrev", []byte{0}), debug(".debug_info", unit4(0, []byte{0})),
				debug(".debug_aranges", bytes.Repeat(set.Bytes(), 1<<18)))
		}),
	}
}

// rangeLists is version 5 of ranges-shared, by a table of offsets that all lead
// to the same list of entries that say nothing: DWARF 5, 2.17.3 and 7.28.
func rangeLists() []byte {
	const many = 1 << 16
	var abbrevs, entries, lists writer
	abbrevs.abbrev(1, tagUnit, true, atLowPC, formAddr, atHighPC, formData4, atRangesBase, formOffset)
	abbrevs.abbrev(2, tagSubprogram, true, atRanges, formRngListX).u8(0)
	entries.u8(1).u64(textAddr).u32(textBytes, 12)
	for i := range uint64(many) {
		entries.u8(2).uleb(i)
	}
	var body writer
	for range many {
		body.u32(4 * many)
	}
	body.repeat([]byte{rangeOffsetPair, 0, 0}, many/2) // empty ranges
	body.repeat([]byte{rangeOffsetPair, 0, 1}, many/2).u8(0)
	lists.u32(uint64(body.Len()+8)).u16(5).u8(8, 0).u32(many)
	lists.Write(body.Bytes())
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit5(0, entries.Bytes())),
		debug(".debug_rnglists", lists.Bytes()))
}

const (
	atRangesBase    = 0x74
	rangeOffsetPair = 0x04
)

// linkBombs are files that name other files: themselves, or none.
func linkBombs() []Bomb {
	linked := func(name string, contents []byte) section {
		return section{name: name, typ: elf.SHT_PROGBITS, data: contents}
	}
	return []Bomb{
		{Name: "debuglink-to-itself", Files: func() map[string][]byte {
			var link writer
			link.text("main").u8(0, 0, 0).u32(0)
			return map[string][]byte{"main": executable(linked(".gnu_debuglink", link.Bytes()))}
		}},
		{Name: "altlink-loop", Files: func() map[string][]byte {
			alt := func(other string) []byte {
				var link, abbrevs, entries writer
				link.text(other).repeat([]byte{7}, 20)
				unitOf(&abbrevs, &entries)
				abbrevs.abbrev(2, tagSubprogram, false, atOrigin, formAltRef, atLowPC, formAddr, atHighPC, formData4).u8(0)
				entries.u8(2).u32(uint64(unit4Bytes + entries.Len())).u64(textAddr).u32(textBytes)
				var note writer
				note.u32(4, 20, 3).text("GNU").repeat([]byte{7}, 20)
				return executable(linked(".gnu_debugaltlink", link.Bytes()), debug(".debug_abbrev", abbrevs.Bytes()),
					debug(".debug_info", unit4(0, entries.Bytes())),
					section{name: ".note.gnu.build-id", typ: elf.SHT_NOTE, flags: elf.SHF_ALLOC, data: note.Bytes()})
			}
			return map[string][]byte{"main": alt("other"), "other": alt("main")}
		}},
		{Name: "dwo-is-itself", Files: func() map[string][]byte {
			var abbrevs, entries writer
			abbrevs.abbrev(1, tagUnit, false, atLowPC, formAddr, atHighPC, formData4, atDWOName, formString, atDWOID, formData8).u8(0)
			entries.u8(1).u64(textAddr).u32(textBytes).text("main").u64(7)
			info, table := unit4(0, entries.Bytes()), abbrevs.Bytes()
			return map[string][]byte{"main": executable(debug(".debug_abbrev", table), debug(".debug_info", info),
				debug(".debug_abbrev.dwo", table), debug(".debug_info.dwo", info))}
		}},
		{Name: "dwp-index-full", Files: dwpIndex},
	}
}

const (
	formAltRef = 0x1f20 // DW_FORM_GNU_ref_alt
	atDWOName  = 0x2130 // DW_AT_GNU_dwo_name
	atDWOID    = 0x2131 // DW_AT_GNU_dwo_id
)

// dwpIndex is a package whose hash table has no empty place, where a search for
// what is not there never ends: DWARF 5, 7.3.5.3.
func dwpIndex() map[string][]byte {
	const slots = 1 << 16
	var abbrevs, entries writer
	abbrevs.abbrev(1, tagUnit, false, atLowPC, formAddr, atHighPC, formData4, atDWOName, formString, atDWOID, formData8).u8(0)
	entries.u8(1).u64(textAddr).u32(textBytes).text("unit.dwo").u64(7)
	var index writer
	index.u32(2, 2, 1<<31-1, slots)
	index.repeat([]byte{9, 0, 0, 0, 0, 0, 0, 0}, slots)
	index.repeat([]byte{1, 0, 0, 0}, slots)
	index.u32(1, 3).u32(0, 0).u32(1<<31, 1<<31)
	return map[string][]byte{
		"main": executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.Bytes()))),
		"main.dwp": executable(debug(".debug_abbrev.dwo", abbrevs.Bytes()), debug(".debug_info.dwo", unit4(0, entries.Bytes())),
			debug(".debug_cu_index", index.Bytes()), debug(".debug_tu_index", index.Bytes())),
	}
}

// arangesOverlapping is one set of 2^20 ranges, and 2^14 sets of one: DWARF 5,
// 6.1.2.
func arangesOverlapping() []byte {
	var abbrevs, entries, aranges, tuples writer
	unitOf(&abbrevs, &entries)
	for i := range uint64(1 << 20) {
		tuples.u64(textAddr+i%textBytes, textBytes)
	}
	tuples.u64(0, 0)
	aranges.u32(uint64(tuples.Len()+12)).u16(2).u32(0).u8(8, 0).u32(0)
	aranges.Write(tuples.Bytes())
	var set writer
	set.u32(12+32).u16(2).u32(0).u8(8, 0).u32(0).u64(textAddr, textBytes, 0, 0)
	aranges.repeat(set.Bytes(), 1<<14)
	return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", unit4(0, entries.Bytes())),
		debug(".debug_aranges", aranges.Bytes()))
}
