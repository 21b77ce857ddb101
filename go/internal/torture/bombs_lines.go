package torture

import (
	"bytes"
	"debug/elf"
)

// The opcodes of a line program that bombs are written with: DWARF 5, 6.2.5.
const (
	lineExtended, lineCopy, lineAdvancePC, lineAdvanceLine = 0, 1, 2, 3
	lineConstAddPC                                         = 8
	lineEnd, lineSetAddress, lineDefineFile                = 1, 2, 3
)

// lineBombs are line programs that run long, and tables of files that are large.
func lineBombs() []Bomb {
	const many = 1 << 20
	withUnit := func(lines []byte) []byte {
		var abbrevs, entries writer
		unitOf(&abbrevs, &entries)
		abbrevs.u8(0)
		return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", unit4(0, entries.u8(0).Bytes())), debug(".debug_line", lines))
	}
	return []Bomb{
		one("rows-in-place", func() []byte { return withUnit(lineProgram4(bytes.Repeat([]byte{lineCopy}, 16*many))) }),
		one("rows-of-constants", func() []byte {
			return withUnit(lineProgram4(bytes.Repeat([]byte{lineConstAddPC, lineCopy, lineAdvanceLine, 0x7f}, 4*many)))
		}),
		one("rows-compressed", func() []byte {
			// 10^8 rows in 100 KB: one opcode makes each.
			return compressedLines(100<<20, lineCopy)
		}),
		one("rows-compressed-special", func() []byte { return compressedLines(100<<20, 0xff) }),
		one("rows-backwards", func() []byte {
			var program writer
			for i := range uint64(many) {
				program.u8(lineExtended, 9, lineSetAddress).u64(textAddr + textBytes - i%textBytes).u8(lineCopy)
			}
			return withUnit(lineProgram4(program.Bytes()))
		}),
		one("rows-wrapping", func() []byte {
			var program writer
			for range many {
				program.u8(lineAdvancePC).uleb(1 << 63).u8(lineCopy)
			}
			return withUnit(lineProgram4(program.Bytes()))
		}),
		one("sequences", func() []byte {
			// 2^19 sequences, each over all of the code.
			var sequence writer
			sequence.u8(lineExtended, 9, lineSetAddress).u64(textAddr).u8(lineCopy, lineAdvancePC).uleb(textBytes).u8(lineExtended, 1, lineEnd)
			return withUnit(lineProgram4(bytes.Repeat(sequence.Bytes(), many/2)))
		}),
		one("programs-shared", func() []byte {
			// 2^12 units over all of the code, all with the same 4 MB of program.
			var abbrevs, entries writer
			unitOf(&abbrevs, &entries)
			info := bytes.Repeat(unit4(0, entries.u8(0).Bytes()), 1<<12)
			return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", info),
				debug(".debug_line", lineProgram4(bytes.Repeat([]byte{lineCopy}, 4*many))))
		}),
		one("programs-suffixes", linesWithin),
		one("files-defined", func() []byte {
			var program writer
			for range many {
				program.u8(lineExtended, 6, lineDefineFile).text("f").u8(1, 0, 0)
			}
			return withUnit(lineProgram4(program.u8(lineCopy).Bytes()))
		}),
		one("files-of-no-bytes", func() []byte { return withUnit5(lineHeader5(0, 1<<62, 0, 1<<62)) }),
		one("files-of-empty-blocks", func() []byte { return withUnit5(lineHeader5(1, many, 1, many)) }),
		one("file-formats", func() []byte { return withUnit5(lineHeader5(255, many, 255, many)) }),
		one("line-header-zeros", func() []byte {
			// line_range, opcode_base and minimum lengths of 0.
			var lines writer
			lines.u32(64).u16(4).u32(6).u8(0, 0, 1, 0, 0, 0).repeat([]byte{0xff}, 52)
			return withUnit(lines.Bytes())
		}),
	}
}

// lineHeader4 is the header of version 4 with one folder and one file, for a
// program of that many bytes.
func lineHeader4(program int) []byte {
	var rest writer
	rest.u8(255, 1, 1, 0xfb, 14, 13) // min_inst_length is the largest
	rest.u8(0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1)
	rest.text("dir").u8(0).text("file.c").uleb(1<<40, 0, 0).u8(0)
	var head writer
	head.u32(uint64(2 + 4 + rest.Len() + program)).u16(4).u32(uint64(rest.Len()))
	head.Write(rest.Bytes())
	return head.Bytes()
}

func lineProgram4(program []byte) []byte {
	var start, end writer
	start.u8(lineExtended, 9, lineSetAddress).u64(textAddr)
	end.u8(lineAdvancePC).uleb(textBytes).u8(lineExtended, 1, lineEnd)
	lines := lineHeader4(start.Len() + len(program) + end.Len())
	return append(append(append(lines, start.Bytes()...), program...), end.Bytes()...)
}

// compressedLines is a unit with size bytes of the same opcode.
func compressedLines(size int, opcode byte) []byte {
	var abbrevs, entries writer
	unitOf(&abbrevs, &entries)
	lines := lineProgram4(bytes.Repeat([]byte{opcode}, size))
	return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", unit4(0, entries.u8(0).Bytes())),
		compressed(".debug_line", elf.COMPRESS_ZLIB, uint64(len(lines)), deflatedBytes(lines)))
}

// linesWithin are 2^12 units whose line programs lie in each other: each starts
// in the program of the one before.
func linesWithin() []byte {
	const count = 1 << 12
	var abbrevs, info, lines writer
	abbrevs.abbrev(1, tagUnit, true, atLowPC, formAddr, atHighPC, formData4, atStmtList, formOffset).u8(0)
	head := lineHeader4(0)
	const tail = 1 << 20
	for i := range uint64(count) {
		var entries writer
		info.Write(unit4(0, entries.u8(1).u64(textAddr).u32(textBytes, uint64(lines.Len())).u8(0).Bytes()))
		left := int(count-1-i)*len(head) + tail
		lines.Write(lineHeader4(left))
	}
	lines.repeat([]byte{lineCopy}, tail)
	return executable(debug(".debug_abbrev", abbrevs.Bytes()), debug(".debug_info", info.Bytes()), debug(".debug_line", lines.Bytes()))
}

// lineHeader5 is the header of version 5 whose entries have as many fields as
// it says, all of no bytes or one: DWARF 5, 6.2.4.
func lineHeader5(folderFields, folders, fileFields, files uint64) []byte {
	var rest writer
	rest.u8(1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1)
	for _, table := range [][2]uint64{{folderFields, folders}, {fileFields, files}} {
		rest.u8(table[0])
		for range table[0] {
			rest.uleb(1, formPresent) // DW_LNCT_path by a form of no bytes
		}
		rest.uleb(table[1])
	}
	program := []byte{lineCopy, lineExtended, 1, lineEnd}
	var head writer
	head.u32(uint64(2+2+4+rest.Len()+len(program))).u16(5).u8(8, 0).u32(uint64(rest.Len()))
	head.Write(rest.Bytes())
	head.Write(program)
	return head.Bytes()
}

func withUnit5(lines []byte) []byte {
	var abbrevs, entries writer
	unitOf(&abbrevs, &entries)
	return executable(debug(".debug_abbrev", abbrevs.u8(0).Bytes()), debug(".debug_info", unit5(0, entries.u8(0).Bytes())), debug(".debug_line", lines))
}
