package torture

import (
	"bytes"
	"debug/elf"
)

const (
	formRefAddr   = 0x10
	formData1     = 0x0b
	atDeclFile    = 0x3a
	atDWOName5    = 0x76
	tinyUnitBytes = 31
)

// unitBombs are files of many units, of which each asks for memory of its own.
func unitBombs() []Bomb {
	return []Bomb{
		one("units-damaged-and-referred-to", unitsReferredTo),
		one("units-inflated", func() []byte {
			// 2^22 units in 300 KB.
			var abbrevs, entries writer
			abbrevs.abbrev(1, tagUnit, false, atStmtList, formOffset).u8(0)
			entries.u8(1).u32(0).repeat([]byte{0}, tinyUnitBytes-unit5Bytes-5)
			info := bytes.Repeat(unit5(0, entries.Bytes()), 1<<22)
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_line", opcodesOnly(0xfb, []byte{0, 0, 0, 0})),
				compressed(".debug_info", elf.COMPRESS_ZLIB, uint64(len(info)), deflatedBytes(info)))
		}),
		one("units-with-tables", func() []byte {
			// Each has its own abbreviations, and its own line table of other opcodes.
			const units = 200_000
			var abbrev, info, lines writer
			abbrev.abbrev(1, tagUnit, false, atStmtList, formOffset).u8(0)
			for i := range uint64(units) {
				var entry writer
				info.Write(unit5(i*uint64(abbrev.Len()), entry.u8(1).u32(uint64(lines.Len())).Bytes()))
				lines.Write(opcodesOnly(256-i%100, []byte{0, 0, 0, 0}))
			}
			return executable(debug(".debug_abbrev", bytes.Repeat(abbrev.Bytes(), units)), debug(".debug_info", info.Bytes()), debug(".debug_line", lines.Bytes()))
		}),
		one("units-share-files", unitsShareFiles),
		one("dwo-names", func() []byte {
			// Each name is another part of one text of 64 KB and more.
			const units = 20_000
			var abbrevs, info, texts writer
			abbrevs.abbrev(1, tagUnit, false, atDWOName5, formStrp, atStmtList, formOffset).u8(0)
			for i := range uint64(units) {
				var entry writer
				info.Write(unit5(0, entry.u8(1).u32(i, 0).Bytes()))
			}
			for i := range uint64(units + 1<<16) {
				texts.u8('a' + i*i%251%26)
			}
			return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", info.Bytes()),
				debug(".debug_str", texts.u8(0).Bytes()), debug(".debug_line", opcodesOnly(0xfb, []byte{0, 0, 0, 0})))
		}),
	}
}

// unitsReferredTo are units whose first entry is none of a unit, and others that
// refer to them, so that several threads meet each.
func unitsReferredTo() []byte {
	const units, references = 4000, 8
	var abbrevs, bad, info writer
	abbrevs.abbrev(1, tagUnit, true, atLowPC, formAddr, atHighPC, formData1)
	abbrevs.abbrev(2, tagSubprogram, false, atOrigin, formRefAddr, atLowPC, formAddr, atHighPC, formData1).u8(0)
	start := abbrevs.Len()
	bad.abbrev(1, tagSubprogram, false, atName, formString).u8(0)
	abbrevs.repeat(bad.Bytes(), units)
	const badBytes = unit5Bytes + 3
	for i := range units {
		info.Write(unit5(uint64(start+i*bad.Len()), []byte{1, 'g', 0}))
	}
	for i := range uint64(units) {
		var entries writer
		entries.u8(1).u64(textAddr).u8(0x80)
		for k := range uint64(references) {
			entries.u8(2).u32((i*7+k*13)%units*badBytes + unit5Bytes).u64(textAddr).u8(0x80)
		}
		info.Write(unit5(0, entries.u8(0).Bytes()))
	}
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", info.Bytes()))
}

// unitsShareFiles are units that share one line table of a million files.
func unitsShareFiles() []byte {
	const units, files = 20_000, 1_000_000
	var abbrevs, entries, tables writer
	abbrevs.abbrev(1, tagUnit, true, atStmtList, formOffset, atLowPC, formAddr, atHighPC, formData1)
	abbrevs.abbrev(2, tagSubprogram, false, atName, formString, atDeclFile, formData1, atLowPC, formAddr, atHighPC, formData1).u8(0)
	entries.u8(1).u32(0).u64(textAddr).u8(0x80)
	entries.u8(2).text("f").u8(1).u64(textAddr).u8(0x80, 0)
	// Folders and files have one field, DW_LNCT_path as a text.
	tables.u8(1).uleb(1, formString, 1).text("/")
	tables.u8(1).uleb(1, formString, files).repeat([]byte("/a\x00"), files)
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", bytes.Repeat(unit5(0, entries.Bytes()), units)),
		debug(".debug_line", opcodesOnly(0xfb, tables.Bytes())))
}

// opcodesOnly is a line table of version 5 without rows: its parameters, and what
// tables says of folders and files.
func opcodesOnly(lineBase uint64, tables []byte) []byte {
	var w writer
	w.u32(uint64(14+len(tables))).u16(5).u8(8, 0).u32(uint64(6 + len(tables)))
	w.u8(1, 1, 1, lineBase, 14, 1).Write(tables)
	return w.Bytes()
}
