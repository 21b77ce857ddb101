package normalize

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

var rustLibraryCrates = map[string]bool{
	"core": true, "alloc": true, "std": true, "proc_macro": true, "test": true, "panic_unwind": true, "panic_abort": true,
	"compiler_builtins": true, "std_detect": true, "hashbrown": true, "rustc_demangle": true, "addr2line": true, "gimli": true,
}

var rustPrimitives = map[string]bool{
	"bool": true, "char": true, "str": true, "u8": true, "u16": true, "u32": true, "u64": true, "u128": true, "usize": true,
	"i8": true, "i16": true, "i32": true, "i64": true, "i128": true, "isize": true, "f32": true, "f64": true, "T": true, "U": true, "F": true, "_": true, "!": true,
}

// rustOwner tells Rust's library, its allocator shims and PyO3's trampolines
// from a user's code. Names decide over files: a monomorphic shim carries the
// user's file and line (`#[pyfunction]`, `#[global_allocator]`).
func rustOwner(f *model.Frame) string {
	function := f.Function
	switch {
	case hasAnyPrefix(function, "__rustc::", "__rust_alloc", "__rust_dealloc", "__rust_realloc", "__rg_", "__rdl_"):
		return ownerRustAlloc
	case hasAnyPrefix(function, "ffikit_barrier::", "<ffikit_barrier::"):
		return ownerRustAlloc
	case strings.Contains(function, " as core::alloc::global::GlobalAlloc>::"):
		// A user's own global allocator stands where malloc stands: the story
		// is its caller's.
		return ownerRustAlloc
	case isPyO3(f):
		return ownerPyO3
	case hasAnyPrefix(function, "__rust_", "rust_begin_unwind", "rust_panic", "rust_eh_personality"):
		return ownerRust
	case isRustLibraryFile(f.File):
		return ownerRust
	}
	if f.File != "" && fileLanguage(f.File) == model.LanguageRust {
		return ""
	}
	if isRustLibraryName(function) {
		return ownerRust
	}
	return ""
}

// isRustLibraryFile: `/rustc/<hash>/library/core/src/…` in what is shipped,
// `…/lib/rustlib/src/rust/library/…` where rust-src is installed.
func isRustLibraryFile(file string) bool {
	return strings.HasPrefix(file, "/rustc/") || strings.Contains(file, "/rustlib/src/rust/library/")
}

// isPyO3 knows the crate itself and what its macros write into the user's:
// `pyv::__pyfunction_peek`, `<pyv::free::MakeDef>::_PYO3_DEF::trampoline`.
func isPyO3(f *model.Frame) bool {
	switch head := rustHead(f.Function); head {
	case "pyo3", "pyo3_ffi":
		return true
	}
	if strings.Contains(f.File, "/pyo3-") || strings.Contains(f.File, "/pyo3-ffi-") {
		return true
	}
	for _, mark := range []string{"::__pyfunction_", "::__pymethod_", "::__pymethods_", "::__pyo3_", "_PYO3_DEF", "::MakeDef>::", "::__PYO3", "::__wrap", "::PyInit_"} {
		if strings.Contains(pathOf(f.Function), mark) {
			return true
		}
	}
	return strings.HasPrefix(f.Function, "PyInit_") || strings.HasPrefix(f.Function, "__pyfunction_") || strings.HasPrefix(f.Function, "__pymethod_")
}

// isRustLibraryName judges by path: `core::…`, `<alloc::vec::Vec<u8>>::…`,
// and `<u8 as core::…>::…`, where neither type nor trait is a user's.
func isRustLibraryName(function string) bool {
	head := rustHead(function)
	if rustLibraryCrates[head] {
		return true
	}
	if !strings.HasPrefix(function, "<") || !rustPrimitives[head] {
		return false
	}
	_, trait, ok := strings.Cut(function, " as ")
	return !ok || rustLibraryCrates[rustHead(trait)]
}

// rustHead is the first identifier of a path or of the type that a path
// starts with: the crate, a primitive, a type parameter.
func rustHead(function string) string {
	for {
		bare := strings.TrimLeft(function, "<&*([")
		for _, word := range []string{"mut ", "const ", "dyn ", "'_ "} {
			bare = strings.TrimPrefix(bare, word)
		}
		if bare == function {
			break
		}
		function = bare
	}
	end := 0
	for end < len(function) {
		c := function[end]
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c < 0x80 {
			break
		}
		end++
	}
	return function[:end]
}

// pathOf is a name without what stands in generic arguments after it: a
// library function called with a user's type is the library's.
func pathOf(function string) string {
	for from := 0; ; {
		i := strings.Index(function[from:], "::<")
		if i < 0 {
			return function
		}
		from += i
		if !strings.HasPrefix(function[from+2:], "<impl ") {
			return function[:from]
		}
		from += len("::<")
	}
}
