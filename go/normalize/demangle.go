package normalize

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ianlancetaylor/demangle"

	"github.com/ffikit/ffikit/go/model"
)

// maxNameBytes bounds the names that are taken apart. Longer ones (none is
// known from a compiler) pass through as they are.
const maxNameBytes = 16 << 10

// maxReadablePow2 bounds what demangling may blow a name up to, as a power of
// two: backreferences let a short name stand for a huge one.
const maxReadablePow2 = 15

// Demangle gives the readable form of a linkage name and the language that
// its mangling shows. A name that is not mangled comes back as it is, with
// LanguageUnknown.
//
// Manglings: Itanium C++ ABI, Rust legacy (with or without the C++ part
// already undone) and v0, Cython's (see cython.go). Suffixes that compilers
// put on clones of a function, and Rust's hash, are dropped.
//
// A Cython name can have two readings; Report and Frames, which see the frame
// around it, choose better than Demangle can.
func Demangle(name string) (string, model.Language) {
	if len(name) > maxNameBytes {
		return name, model.LanguageUnknown
	}
	if dotted, ok := cythonName(name, cythonHints{}); ok {
		return dotted, model.LanguageCython
	}
	return demangleABI(name)
}

// demangleABI undoes the C++ and Rust manglings.
func demangleABI(name string) (readable string, lang model.Language) {
	cpp := strings.HasPrefix(name, "_Z") || strings.HasPrefix(name, "___Z")
	if cpp && Misread(name) {
		return name, model.LanguageCPP
	}
	if cpp || strings.HasPrefix(name, "_R") {
		if readable, ok := demangleSymbol(dropCloneSuffixes(name)); ok {
			lang := manglingLanguage(name)
			if lang == model.LanguageRust {
				// The library leaves legacy escapes of code points that it
				// does not know.
				if plain, ok := demangleRustLegacyRest(readable); ok {
					readable = plain
				}
			}
			return readable, lang
		}
		return name, model.LanguageUnknown
	}
	if readable, ok := demangleRustLegacyRest(name); ok {
		return readable, model.LanguageRust
	}
	return name, model.LanguageUnknown
}

// demangleSymbol is the library's answer within bounds. The library panics on
// nothing that is known; a stranger's name must not take the process down if
// it ever does.
func demangleSymbol(name string) (readable string, ok bool) {
	defer func() {
		if recover() != nil {
			readable, ok = "", false
		}
	}()
	readable, err := demangle.ToString(name, demangle.NoClones, demangle.LLVMStyle, demangle.MaxLength(maxReadablePow2))
	if err != nil || readable == "" {
		return "", false
	}
	return readable, true
}

func manglingLanguage(name string) model.Language {
	if strings.HasPrefix(name, "_R") || isRustLegacy(dropCloneSuffixes(name)) {
		return model.LanguageRust
	}
	return model.LanguageCPP
}

// isRustLegacy reports the form `_ZN…17h<16 hexadecimal digits>E`.
func isRustLegacy(name string) bool {
	if !strings.HasPrefix(name, "_ZN") || !strings.HasSuffix(name, "E") || len(name) < 23 {
		return false
	}
	tail := name[len(name)-20 : len(name)-1]
	return strings.HasPrefix(tail, "17h") && isHex(tail[3:])
}

// demangleRustLegacyRest finishes what a C++ demangler leaves of a legacy
// Rust name: `core::ptr::drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$::h<hash>`.
// The escapes are those of rustc's legacy mangling (rustc_symbol_mangling,
// legacy.rs). A name with neither hash nor escape is not one.
func demangleRustLegacyRest(name string) (string, bool) {
	bare := name
	if i := strings.LastIndex(name, "::h"); i > 0 && len(name)-i == 19 && isHex(name[i+3:]) {
		bare = name[:i]
	}
	hasHash := bare != name
	if !strings.Contains(bare, "$") {
		return bare, hasHash
	}
	// Components are joined by `::` already; an escape at a component's start
	// is guarded by an underscore.
	parts := strings.Split(bare, "::")
	escaped := false
	for i, part := range parts {
		plain, ok := unescapeRustLegacy(part)
		if ok {
			parts[i], escaped = plain, true
		}
	}
	if !hasHash && !escaped {
		return name, false
	}
	return strings.Join(parts, "::"), true
}

var rustLegacyEscapes = map[string]string{
	"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ",",
}

func unescapeRustLegacy(part string) (string, bool) {
	if !strings.Contains(part, "$") {
		return part, false
	}
	part = strings.TrimPrefix(part, "_")
	var out strings.Builder
	for part != "" {
		if rest, ok := strings.CutPrefix(part, ".."); ok {
			out.WriteString("::")
			part = rest
			continue
		}
		if part[0] != '$' {
			out.WriteByte(part[0])
			part = part[1:]
			continue
		}
		code, rest, ok := strings.Cut(part[1:], "$")
		if !ok {
			return "", false
		}
		plain, ok := rustLegacyEscapes[code]
		if !ok {
			plain, ok = rustLegacyRune(code)
		}
		if !ok {
			return "", false
		}
		out.WriteString(plain)
		part = rest
	}
	return out.String(), true
}

// rustLegacyRune decodes `u20`: the code point of a character in hexadecimal.
func rustLegacyRune(code string) (string, bool) {
	digits, ok := strings.CutPrefix(code, "u")
	if !ok || !isHex(digits) {
		return "", false
	}
	point, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || point > utf8.MaxRune || !utf8.ValidRune(rune(point)) {
		return "", false
	}
	return string(rune(point)), true
}

// cloneSuffixes are what gcc and clang append to copies of a function, with
// whether a number follows. `.abi0` and `.abiinternal` are the Go linker's.
var cloneSuffixes = []struct {
	name     string
	numbered bool
}{
	{"cold", false}, {"cold", true}, {"part", true}, {"isra", true}, {"constprop", true},
	{"llvm", true}, {"lto_priv", true}, {"clone", true}, {"localalias", false}, {"localalias", true},
	{"__uniq", true}, {"warm", false}, {"abi0", false}, {"abiinternal", false},
}

// dropCloneSuffixes removes all clone suffixes from a C, C++ or Rust name.
// Never give it a Go name: `main.T.cold` is a method there.
func dropCloneSuffixes(name string) string {
	for {
		shorter, ok := dropCloneSuffix(name)
		if !ok || shorter == "" {
			return name
		}
		name = shorter
	}
}

func dropCloneSuffix(name string) (string, bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return name, false
	}
	numbered := isDigits(name[dot+1:])
	if numbered {
		bare := name[:dot]
		dot = strings.LastIndexByte(bare, '.')
		if dot < 0 {
			return name, false
		}
		name = bare
	}
	for _, suffix := range cloneSuffixes {
		if suffix.numbered == numbered && name[dot+1:] == suffix.name {
			return name[:dot], true
		}
	}
	return name, false
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
