package dwarf

import "github.com/ffikit/ffikit/go/model"

// declaration is what a subprogram or inlined call says of its function,
// itself or by the entries that it refers to.
type declaration struct {
	// name is DW_AT_name, linkage the linkage name where there is one.
	name, linkage string

	language model.Language
	file     string
	line     int
}

// declare follows DW_AT_abstract_origin and DW_AT_specification from e, an
// entry of u, until name, file and line are known.
func (d *Data) declare(u *unit, e *entry) declaration {
	var decl declaration
	current := *e
	for range maxReferences {
		info, err := d.load(u)
		if err != nil {
			d.note(err)
			break
		}
		if v, ok := current.get(slotLinkageName); ok && decl.linkage == "" {
			decl.linkage = d.name(u, info, v)
		}
		if v, ok := current.get(slotName); ok && decl.name == "" {
			decl.name = d.name(u, info, v)
		}
		// The language is that of the code, not of where it was inlined.
		decl.language = languageOf(info.root.entry.number(slotLanguage))
		if v, ok := current.get(slotDeclFile); ok && decl.file == "" {
			if err := d.readLines(u, info); err != nil {
				d.note(err)
			}
			decl.file = d.filePath(u, info, v.bits)
		}
		if decl.line == 0 {
			decl.line = lineNumber(current.number(slotDeclLine))
		}
		next, ok := current.get(slotOrigin)
		if !ok {
			next, ok = current.get(slotSpecification)
		}
		if !ok {
			break
		}
		target, ok := u.reference(next)
		if !ok {
			break
		}
		if u, err = d.entryAt(target, &current); err != nil {
			d.note(err)
			break
		}
	}
	if decl.name == "" {
		decl.name = decl.linkage
	}
	if decl.linkage == decl.name {
		decl.linkage = ""
	}
	return decl
}

// name returns the text of v; equal names share their bytes.
func (d *Data) name(u *unit, info *unitInfo, v value) string {
	return d.text(d.stringValue(u, &info.root, v), maxNameBytes)
}

// lineNumber refuses what cannot be one.
func lineNumber(bits uint64) int {
	if bits > 1<<31-1 {
		return 0
	}
	return int(bits)
}

// languageOf maps DW_AT_language (DWARF 5, table 7.17, and the codes that the
// committee gave out since) to the languages that ffikit tells apart.
func languageOf(code uint64) model.Language {
	switch code {
	case 0x01, 0x02, 0x0c, 0x1d, 0x2c, 0x3e: // C89, C, C99, C11, C17, C23
		return model.LanguageC
	case 0x04, 0x19, 0x1a, 0x21, 0x2a, 0x2b, 0x3a: // C++98, 03, 11, 14, 17, 20, 23
		return model.LanguageCPP
	case 0x16:
		return model.LanguageGo
	case 0x1c:
		return model.LanguageRust
	case 0x31, 0x8001: // Assembly, Mips_Assembler (what GNU as writes)
		return model.LanguageAsm
	}
	return model.LanguageUnknown
}
