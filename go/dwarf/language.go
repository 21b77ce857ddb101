package dwarf

import "github.com/ffikit/ffikit/go/codemap"

// languageOf maps DW_AT_language (DWARF 5, table 7.17, and the codes that the
// committee gave out since) to the languages that ffikit tells apart.
func languageOf(code uint64) uint8 {
	switch code {
	case 0x01, 0x02, 0x0c, 0x1d, 0x2c, 0x3e: // C89, C, C99, C11, C17, C23
		return codemap.LanguageC
	case 0x04, 0x19, 0x1a, 0x21, 0x2a, 0x2b, 0x3a: // C++98, 03, 11, 14, 17, 20, 23
		return codemap.LanguageCPP
	case 0x16:
		return codemap.LanguageGo
	case 0x1c:
		return codemap.LanguageRust
	case 0x31, 0x8001: // Assembly, Mips_Assembler (what GNU as writes)
		return codemap.LanguageAsm
	}
	return codemap.LanguageUnknown
}
