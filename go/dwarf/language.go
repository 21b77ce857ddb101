package dwarf

import "github.com/ffikit/ffikit/go/model"

// languages are those that ffikit tells apart; an index fits a byte.
var languages = [...]model.Language{
	model.LanguageUnknown, model.LanguageC, model.LanguageCPP, model.LanguageGo, model.LanguageRust, model.LanguageAsm,
}

// languageCode maps DW_AT_language (DWARF 5, table 7.17, and the codes that the
// committee gave out since) to an index of languages.
func languageCode(code uint64) uint8 {
	switch code {
	case 0x01, 0x02, 0x0c, 0x1d, 0x2c, 0x3e: // C89, C, C99, C11, C17, C23
		return 1
	case 0x04, 0x19, 0x1a, 0x21, 0x2a, 0x2b, 0x3a: // C++98, 03, 11, 14, 17, 20, 23
		return 2
	case 0x16:
		return 3
	case 0x1c:
		return 4
	case 0x31, 0x8001: // Assembly, Mips_Assembler (what GNU as writes)
		return 5
	}
	return 0
}
