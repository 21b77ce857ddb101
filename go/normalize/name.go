package normalize

import (
	"path"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// name makes the function of frames[i] readable. What the evidence called it
// moves to LinkageName where that differs.
func name(frames []model.Frame, i int) {
	f := &frames[i]
	if f.Language == model.LanguagePython {
		return // a qualified name, as Python itself writes it
	}
	symbol := f.LinkageName
	if symbol == "" {
		symbol = f.Function
	}
	if symbol == "" || len(symbol) > maxNameBytes {
		return
	}
	readable, lang := readableName(frames, i, symbol)
	if lang != model.LanguageUnknown {
		f.Language = lang
	}
	if readable == symbol {
		if f.Function == "" {
			f.Function = symbol
		}
		if f.LinkageName == f.Function {
			f.LinkageName = ""
		}
		return
	}
	f.Function, f.LinkageName = readable, symbol
}

// readableName gives the readable form of the symbol that frames[i] has, and
// the language that the symbol shows (unknown where it shows none).
func readableName(frames []model.Frame, i int, symbol string) (string, model.Language) {
	f := &frames[i]
	if isCythonSymbol(symbol) {
		if dotted, ok := cythonName(symbol, hintsOf(frames, i, symbol)); ok {
			return dotted, model.LanguageCython
		}
		return dropCloneSuffixes(symbol), model.LanguageCython
	}
	if short, lang, ok := cgoName(symbol); ok {
		return short, lang
	}
	if readable, lang := demangleABI(symbol); lang != model.LanguageUnknown {
		return readable, lang
	}
	if isGoFrame(f, symbol) {
		return goName(symbol), model.LanguageUnknown
	}
	if unit, ok := strings.CutPrefix(symbol, "__rust_try "); ok && isIdentifier("_"+unit) {
		// llvm-symbolizer writes the compile unit behind a function that has
		// no line.
		return "__rust_try", model.LanguageRust
	}
	bare := dropCloneSuffixes(symbol)
	if intercepted := interceptedName(bare); intercepted != "" {
		return intercepted, model.LanguageUnknown
	}
	if bare == symbol && f.LinkageName != "" && f.Function != "" {
		// Debug information has a name of its own, which may be the better
		// one; the linkage name is no mangled one.
		return dropCloneSuffixes(f.Function), model.LanguageUnknown
	}
	return bare, model.LanguageUnknown
}

// interceptedName is the function that a sanitizer's interceptor stands in
// for: its dynamic symbols call `free` `___interceptor_free`.
func interceptedName(symbol string) string {
	for _, prefix := range []string{"___interceptor_", "__interceptor_trampoline_", "__interceptor_"} {
		if rest, ok := strings.CutPrefix(symbol, prefix); ok {
			return rest
		}
	}
	return ""
}

func isCythonSymbol(symbol string) bool {
	return strings.HasPrefix(symbol, "__pyx_") || strings.HasPrefix(symbol, "__Pyx_") || strings.HasPrefix(symbol, "__Pyx__")
}

// hintsOf finds what tells the readings of a Cython symbol apart: the other
// half next to it in the stack, and the module's name.
func hintsOf(frames []model.Frame, i int, symbol string) cythonHints {
	hints := cythonHints{}
	for _, j := range []int{i + 1, i - 1} {
		if j < 0 || j >= len(frames) {
			continue
		}
		other := frames[j].LinkageName
		if other == "" {
			other = frames[j].Function
		}
		wanted := cythonWrapper
		if j < i {
			wanted = cythonBody
		}
		if len(other) <= maxNameBytes && strings.HasPrefix(bareCythonSymbol(other), wanted) {
			hints.pair = other
			break
		}
	}
	for _, file := range []string{frames[i].Module, frames[i].File} {
		if file == "" {
			continue
		}
		stem, _, _ := strings.Cut(path.Base(file), ".")
		if strings.Contains(symbol, stem) {
			hints.module = stem
			break
		}
	}
	return hints
}

var cgoHalves = []struct {
	prefix string
	lang   model.Language
}{
	{"_cgo_", model.LanguageC}, {"_cgoexp_", model.LanguageGo}, {"_cgoexpwrap_", model.LanguageGo},
}

// cgoName drops the hash that cgo puts into the names of its wrappers (it
// changes with the package's text): `_cgo_edd9ce9f9617_Cfunc_c_read` reads
// `_cgo_Cfunc_c_read`. The C half is compiled by the C compiler, the export
// half (`_cgoexp_`) by Go's. See cmd/cgo, doc.go.
func cgoName(symbol string) (short string, lang model.Language, ok bool) {
	if !strings.HasPrefix(symbol, "_cgo") {
		return "", model.LanguageUnknown, false
	}
	for _, half := range cgoHalves {
		rest, found := strings.CutPrefix(symbol, half.prefix)
		if !found {
			continue
		}
		hash, tail, found := strings.Cut(rest, "_")
		if found && len(hash) == 12 && isHex(hash) && tail != "" {
			return half.prefix + dropCloneSuffixes(tail), half.lang, true
		}
	}
	return "", model.LanguageUnknown, false
}

// language says in which language a frame's function was written: the
// evidence's word, corrected where files tell more (debug information calls
// Cython's C and Go's assembly by other names), then the file, the shape of
// the name, and the module.
func language(f *model.Frame) model.Language {
	fromFile := fileLanguage(f.File)
	switch {
	case f.Language == model.LanguagePython:
		return f.Language
	case fromFile == model.LanguageCython, fromFile == model.LanguageAsm:
		return fromFile
	case f.Language != model.LanguageUnknown:
		return f.Language
	case fromFile != model.LanguageUnknown:
		return fromFile
	case f.Function == "":
		return model.LanguageUnknown
	}
	symbol := f.Function
	if f.LinkageName != "" {
		symbol = f.LinkageName
	}
	if isGoFrame(f, symbol) {
		return model.LanguageGo
	}
	if path.Ext(f.File) == ".go" && isIdentifier(dropCloneSuffixes(symbol)) {
		return model.LanguageC // a function of a cgo preamble
	}
	return languageOfName(f)
}

func languageOfName(f *model.Frame) model.Language {
	function := f.Function
	switch {
	case hasRustShape(function):
		return model.LanguageRust
	case strings.HasPrefix(function, "operator new"), strings.HasPrefix(function, "operator delete"):
		return model.LanguageCPP
	case strings.Contains(function, "::"):
		// `a::b(int)` is how C++ demanglers write; `a::b` alone is either's.
		if strings.HasSuffix(function, ")") || strings.HasSuffix(function, ") const") {
			return model.LanguageCPP
		}
		return model.LanguageUnknown
	case isHeader(f.File) && isIdentifier(function):
		return model.LanguageC
	}
	switch moduleOwner(f.Module) {
	case ownerCPython, ownerLibc, ownerLibffi:
		return model.LanguageC
	}
	return model.LanguageUnknown
}

// hasRustShape reports names as Rust's demanglers write them and no other
// language does.
func hasRustShape(function string) bool {
	if strings.HasPrefix(function, "__rust_") || strings.HasPrefix(function, "__rustc::") || strings.HasPrefix(function, "rust_") {
		return true
	}
	if strings.Contains(function, "::{closure#") || strings.Contains(function, "::{{closure}}") || strings.Contains(function, "::<") {
		return true
	}
	if strings.HasPrefix(function, "<") && strings.Contains(function, ">::") {
		return true
	}
	switch crate, _, _ := strings.Cut(function, "::"); crate {
	case "core", "alloc", "pyo3", "pyo3_ffi":
		return crate != function
	}
	return false
}
