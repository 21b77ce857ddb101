package normalize

import (
	"path"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Whose machinery a frame can be.
const (
	ownerSanitizer = "sanitizer"
	ownerLibc      = "libc"
	ownerCPython   = "CPython"
	ownerGo        = "Go runtime"
	ownerCgo       = "cgo"
	ownerCython    = "Cython"
	ownerPyO3      = "PyO3"
	ownerRust      = "Rust std"
	ownerRustAlloc = "Rust allocator"
	ownerLibffi    = "libffi"
	ownerCPPLib    = "C++ runtime"
	ownerKernel    = "kernel"
)

// machineryOf says whose machinery a normalized frame is; empty for a user's.
//
// The order is the strength of the evidence. Glue that a generator wrote
// (cgo, Cython, PyO3, Rust's allocator shims) stands in the user's own
// modules and often carries the user's file and line, so that its reserved
// names decide. For all else a file decides before a module (a static python
// holds a user's extension too), a module before a name: a user's function
// called PyHelper_foo in the user's own file is no part of CPython.
//
// A synthetic path (`cgo-gcc-prolog`, `_cgo_gotypes.go`) stays in File: it is
// what the debug information says; the mark tells that nobody can open it.
func machineryOf(f *model.Frame) string {
	if f.Runtime && f.Machinery != "" {
		return f.Machinery
	}
	if f.Language == model.LanguagePython {
		return pythonOwner(f)
	}
	if owner := glueOwner(f); owner != "" {
		return owner
	}
	if f.Language == model.LanguageGo || f.Language == model.LanguageAsm {
		if owner := goOwner(f); owner != "" {
			return owner
		}
	}
	if f.Language == model.LanguageRust {
		if owner := rustOwner(f); owner != "" {
			return owner
		}
	}
	module := moduleOwner(f.Module)
	switch module {
	case ownerSanitizer, ownerLibc, ownerLibffi, ownerCPPLib, ownerKernel:
		return module
	}
	if owner := fileOwner(f); owner != "" {
		return owner
	}
	if f.File != "" {
		if module == ownerCPython && isCPythonTree(f.File) {
			return ownerCPython
		}
		return ""
	}
	if owner := startupOwner(f.Function); owner != "" {
		return owner
	}
	if module != "" {
		return module
	}
	return nameOwner(f)
}

// glueOwner knows what generators write, by names that they reserve and files
// that do not exist.
func glueOwner(f *model.Frame) string {
	symbol := f.Function
	if f.LinkageName != "" {
		symbol = f.LinkageName
	}
	switch {
	case isCgoGlue(f, symbol):
		return ownerCgo
	case isCythonSymbol(symbol):
		if isCythonMachinery(symbol) {
			return ownerCython
		}
		return ""
	case hasAnyPrefix(symbol, "__asan_", "__interceptor_", "___interceptor_", "__ubsan_handle_", "__lsan_", "__sanitizer_"):
		// A user may define __asan_default_options and the like; then it has a
		// file of the user's.
		if f.File == "" || fileOwner(f) == ownerSanitizer {
			return ownerSanitizer
		}
	}
	return ""
}

func isCgoGlue(f *model.Frame, symbol string) bool {
	switch path.Base(f.File) {
	case "cgo-gcc-prolog", "_cgo_gotypes.go", "_cgo_export.c", "_cgo_export.h", "_cgo_main.c", "_cgo_import.go":
		return true
	}
	if strings.Contains(f.File, "/runtime/cgo/") && (strings.HasSuffix(f.File, ".c") || strings.HasSuffix(f.File, ".S") || strings.HasSuffix(f.File, ".h")) {
		return true
	}
	for _, prefix := range []string{"_cgo_", "_cgoexp_", "_cgoexpwrap_", "x_cgo_"} {
		if strings.HasPrefix(symbol, prefix) {
			return true
		}
	}
	bare := strings.TrimSuffix(symbol, ".abi0")
	if bare == "crosscall2" || bare == "crosscall_amd64" || bare == "crosscall1" || bare == "asmcgocall_landingpad" {
		return true
	}
	// The Go halves of calls: `main._Cfunc_c_read`, `main._cgo_cmalloc`.
	if f.Language == model.LanguageGo {
		name := symbol[strings.LastIndexByte(symbol, '/')+1:]
		_, function, _ := strings.Cut(name, ".")
		return strings.HasPrefix(function, "_Cfunc_") || strings.HasPrefix(function, "_cgo_") || strings.HasPrefix(function, "_Cgo_")
	}
	return false
}

// isCythonMachinery tells what Cython adds from what the source holds: bodies,
// generators, cdef functions, lambdas and the module's own statements are the
// user's.
func isCythonMachinery(symbol string) bool {
	symbol = bareCythonSymbol(symbol)
	for _, generated := range []string{"__reduce_cython__", "__setstate_cython__", "__pyx_unpickle_"} {
		if i := strings.LastIndex(symbol, generated); i > 0 {
			return true
		}
	}
	for _, prefix := range []string{cythonBody, cythonGenerator, cythonFunction, cythonLambda, cythonModule} {
		if strings.HasPrefix(symbol, prefix) {
			return false
		}
	}
	return true
}

// goOwner: the package runtime and what only it uses. The rest of Go's
// library (fmt, encoding/...) is no machinery: a user calls it, and blame
// passes over it as over any library.
func goOwner(f *model.Frame) string {
	symbol := f.Function
	if f.LinkageName != "" {
		symbol = f.LinkageName
	}
	pkg := goPackage(symbol)
	switch {
	case pkg == "runtime/cgo":
		return ownerCgo
	case pkg == "runtime", strings.HasPrefix(pkg, "runtime/"), strings.HasPrefix(pkg, "internal/"), pkg == "syscall":
		return ownerGo
	case strings.HasPrefix(symbol, "type:."), strings.HasPrefix(symbol, "go:"), f.File == "<autogenerated>", strings.HasSuffix(symbol, "-fm"):
		return ownerGo
	}
	if isGoWrapper(symbol) || (strings.HasSuffix(f.File, ".s") && strings.Contains(f.File, "/src/runtime/")) {
		return ownerGo
	}
	return ""
}

// fileOwner knows the source trees of machinery by their paths.
func fileOwner(f *model.Frame) string {
	file := f.File
	switch {
	case file == "":
		return ""
	case isSanitizerObject(file), strings.Contains(file, "/compiler-rt/lib/"), strings.Contains(file, "/libsanitizer/"), strings.HasPrefix(file, "compiler-rt/lib/"):
		return ownerSanitizer
	case isRustLibraryFile(file):
		return ownerRust
	case isCPythonFile(file):
		return ownerCPython
	case strings.Contains(file, "/src/runtime/asan/"), strings.Contains(file, "/src/runtime/race/"), strings.Contains(file, "/src/runtime/msan/"):
		return ownerGo
	case isGlibcFile(f):
		return ownerLibc
	case strings.Contains(file, "/include/c++/"):
		return ownerCPPLib
	}
	return ""
}

// isSanitizerObject: of a runtime without debug information llvm-symbolizer
// names the object file of a function alone (`asan_interceptors.cpp.o`).
func isSanitizerObject(file string) bool {
	return strings.HasSuffix(file, ".cpp.o") && hasAnyPrefix(file, "asan_", "lsan_", "ubsan_", "sanitizer_", "tsan_", "hwasan_", "interception_")
}

// glibcFolders are the top folders of glibc's source whose files turn up at
// the roots and leaves of stacks.
var glibcFolders = map[string]bool{
	"csu": true, "nptl": true, "sysdeps": true, "malloc": true, "elf": true, "string": true,
	"stdlib": true, "libio": true, "setjmp": true, "signal": true, "posix": true, "dlfcn": true, "misc": true,
}

// isGlibcFile: glibc is built from relative paths (`csu/../csu/libc-start.c`,
// `../sysdeps/...`). A user's relative path may look alike, so that the name
// has to be one of libc's as well, but for folders that only glibc has.
func isGlibcFile(f *model.Frame) bool {
	file := strings.TrimPrefix(f.File, "../")
	if strings.HasPrefix(file, "/") {
		return strings.Contains(file, "/sysdeps/") && (strings.Contains(file, "glibc") || strings.Contains(file, "/libc"))
	}
	top, rest, ok := strings.Cut(file, "/")
	if !ok || !glibcFolders[top] {
		return false
	}
	if top == "sysdeps" || top == "csu" || top == "nptl" || strings.Contains(rest, "sysdeps/") {
		return true
	}
	if top == "elf" && (strings.HasPrefix(rest, "dl-") || strings.HasPrefix(rest, "rtld.")) {
		return true
	}
	return strings.HasPrefix(f.Function, "__") || strings.HasPrefix(f.Function, "_IO_") || libcNames[f.Function]
}

// startupOwner knows the roots of threads and processes.
func startupOwner(function string) string {
	switch function {
	case "_start", "__libc_start_main", "__libc_start_call_main", "__libc_start_main_impl", "start_thread", "clone", "clone3",
		"__clone", "_dl_start_user", "_dl_init", "call_init", "_dl_start", "__libc_csu_init":
		return ownerLibc
	case "__restore_rt", "__kernel_rt_sigreturn":
		return ownerKernel
	}
	return ""
}

// libcNames are functions that sanitizers intercept or libc ends a process
// by, which a frame without file may show as its leaf.
var libcNames = map[string]bool{
	"malloc": true, "free": true, "calloc": true, "realloc": true, "reallocarray": true, "memalign": true, "aligned_alloc": true,
	"posix_memalign": true, "valloc": true, "pvalloc": true, "cfree": true, "malloc_usable_size": true, "abort": true, "raise": true,
	"memcpy": true, "memmove": true, "memset": true, "memcmp": true, "bcmp": true, "memchr": true, "strlen": true, "strnlen": true,
	"strcpy": true, "strncpy": true, "strcat": true, "strncat": true, "strcmp": true, "strncmp": true, "strcasecmp": true,
	"strchr": true, "strrchr": true, "strstr": true, "strdup": true, "strndup": true, "wcslen": true, "wcscpy": true,
	"printf": true, "fprintf": true, "sprintf": true, "snprintf": true, "vsnprintf": true, "vfprintf": true, "puts": true,
	"read": true, "write": true, "pread": true, "pwrite": true, "fread": true, "fwrite": true, "recv": true, "send": true,
	"qsort": true, "bsearch": true, "pthread_create": true, "pthread_join": true, "getline": true, "strtol": true, "atoi": true,
	"operator new(unsigned long)": true, "operator new[](unsigned long)": true,
}

// nameOwner judges by the name alone: the last resort, for frames of which
// neither file nor a telling module is known.
func nameOwner(f *model.Frame) string {
	function := f.Function
	switch {
	case function == "":
		return ""
	case hasAnyPrefix(function, "__asan::", "__sanitizer::", "__lsan::", "__ubsan::", "__tsan::", "__interception::", "__ubsan_", "__hwasan_", "__tsan_"):
		return ownerSanitizer
	case libcNames[function], hasAnyPrefix(function, "operator new", "operator delete"):
		return ownerSanitizer
	case hasAnyPrefix(function, "__libc_", "__GI_", "_IO_", "__pthread_"):
		return ownerLibc
	case hasAnyPrefix(function, "_Unwind_", "__cxa_", "__gxx_", "__cxxabi"):
		return ownerCPPLib
	case isCPythonName(function):
		return ownerCPython
	case function == "ffi_call", function == "ffi_call_int", function == "ffi_call_unix64", function == "ffi_closure_unix64":
		return ownerLibffi
	}
	return ""
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// IsSanitizerModule reports a shared runtime of a sanitizer, or its companion,
// by the name of its file.
func IsSanitizerModule(module string) bool { return moduleOwner(module) == ownerSanitizer }

// IsCompanionModule reports the companion of the sanitizers, by the name of its file.
func IsCompanionModule(module string) bool {
	return strings.HasPrefix(path.Base(module), companionPrefix)
}

const companionPrefix = "libffikit_agent."

// moduleOwner knows the modules that hold machinery only (a python executable
// excepted: see machineryOf) by the names of their files.
func moduleOwner(module string) string {
	base := path.Base(module)
	switch {
	case module == "":
		return ""
	case hasAnyPrefix(base, "libclang_rt.", "libasan.so", "liblsan.so", "libubsan.so", "libtsan.so", "libhwasan.so", "librustc-stable_rt.", "librustc-nightly_rt.", companionPrefix):
		return ownerSanitizer
	case hasAnyPrefix(base, "libc.so", "libc-2.", "libpthread.so", "libpthread-2.", "ld-linux", "ld-2.", "libdl.so", "libm.so", "ld-musl-", "libresolv.so", "librt.so"):
		return ownerLibc
	case hasAnyPrefix(base, "libffi.so", "libffi-"):
		return ownerLibffi
	case hasAnyPrefix(base, "libstdc++.so", "libgcc_s", "libc++.so", "libc++abi.so", "libunwind.so"):
		return ownerCPPLib
	case hasAnyPrefix(base, "linux-vdso.so", "linux-gate.so", "[vdso]", "[vsyscall]"):
		return ownerKernel
	case isPythonModule(module, base):
		return ownerCPython
	}
	return ""
}
