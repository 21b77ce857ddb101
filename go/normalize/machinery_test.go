package normalize

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
)

const (
	c, cpp, rust, golang, cython, asm, unknown = model.LanguageC, model.LanguageCPP, model.LanguageRust, model.LanguageGo,
		model.LanguageCython, model.LanguageAsm, model.LanguageUnknown
	libasan   = "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.so"
	libpython = "/opt/python3.11/lib/libpython3.11.so.1.0"
)

// Each frame as a log or debug information gives it, with whose machinery it
// is ("" is the user's) and its language.
var machineryCases = []struct {
	frame     model.Frame
	machinery string
	lang      model.Language
}{
	// Sanitizers.
	{model.Frame{Function: "malloc", Module: libasan}, ownerSanitizer, unknown},
	{model.Frame{Module: libasan}, ownerSanitizer, unknown},
	{model.Frame{Function: "operator new(unsigned long, std::align_val_t)", Module: libasan}, ownerSanitizer, cpp},
	{model.Frame{Function: "free", Module: "/lib/x86_64-linux-gnu/libasan.so.8"}, ownerSanitizer, unknown},
	{model.Frame{Function: "__interceptor_malloc", File: "../../../../src/libsanitizer/asan/asan_malloc_linux.cpp", Line: 69}, ownerSanitizer, cpp},
	{model.Frame{Function: "__asan_memcpy", Module: "/app/main"}, ownerSanitizer, unknown},
	{model.Frame{Function: "__asan::ReportGenericError(unsigned long)", Module: "/app/main"}, ownerSanitizer, cpp},
	{model.Frame{Function: "asan_thread_start(void*)", File: "asan_interceptors.cpp.o"}, ownerSanitizer, unknown},
	{model.Frame{Function: "malloc", Module: "/app/main"}, ownerSanitizer, unknown},
	{model.Frame{Function: "malloc", File: "/src/pool.c", Line: 4}, "", c},
	{model.Frame{Function: "__asan_default_options", File: "/src/options.c", Line: 1}, "", c},
	// libc.
	{model.Frame{Function: "__libc_start_main", File: "csu/../csu/libc-start.c", Line: 360}, ownerLibc, c},
	{model.Frame{Function: "__libc_start_call_main", File: "csu/../sysdeps/nptl/libc_start_call_main.h", Line: 58}, ownerLibc, c},
	{model.Frame{Function: "__memmove_avx_unaligned_erms", File: "../sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S", Line: 317}, ownerLibc, asm},
	{model.Frame{Function: "_start", Module: "/opt/python3.11/bin/python3.11"}, ownerLibc, c},
	{model.Frame{Function: "call_init", File: "elf/dl-init.c", Line: 74}, ownerLibc, c},
	{model.Frame{Function: "parse", File: "elf/parse.c", Line: 74}, "", c},
	{model.Frame{Function: "qsort", Module: "/lib/x86_64-linux-gnu/libc.so.6"}, ownerLibc, c},
	{model.Frame{Module: "/lib64/ld-linux-x86-64.so.2"}, ownerLibc, unknown},
	{model.Frame{Function: "format", File: "string/format.c", Line: 9}, "", c},
	{model.Frame{Function: "main", File: "/src/misc/main.c", Line: 9}, "", c},
	// CPython.
	{model.Frame{Function: "_PyEval_EvalFrameDefault", File: "/build/Python-3.11.7/Python/ceval.c", Line: 4769}, ownerCPython, c},
	{model.Frame{Function: "_PyObject_VectorcallTstate", File: "/build/Python-3.11.7/./Include/internal/pycore_call.h", Line: 92}, ownerCPython, c},
	{model.Frame{Function: "run_mod", File: "Python/pythonrun.c", Line: 1731}, ownerCPython, c},
	{model.Frame{Function: "method_vectorcall_O", File: "./build-static/../Objects/descrobject.c", Line: 1}, ownerCPython, c},
	{model.Frame{Function: "PyCFuncPtr_call", File: "/build/Python-3.11.7/Modules/_ctypes/_ctypes.c", Line: 4201}, ownerCPython, c},
	{model.Frame{Function: "Py_DECREF", File: "/opt/python3.12/include/python3.12/object.h", Line: 700}, ownerCPython, c},
	{model.Frame{Function: "PyObject_Vectorcall", Module: libpython}, ownerCPython, c},
	{model.Frame{Module: "/usr/bin/python3.13"}, ownerCPython, unknown},
	{model.Frame{Module: "/opt/bin/python3.13t"}, ownerCPython, unknown},
	{model.Frame{Function: "_PyEval_EvalFrameDefault", Module: "/app/embeds-python"}, ownerCPython, unknown},
	{model.Frame{Function: "slot_tp_call", Module: "/app/embeds-python"}, ownerCPython, unknown},
	{model.Frame{Function: "array_new", Module: "/opt/python3.11/lib/python3.11/lib-dynload/array.cpython-311-x86_64-linux-gnu.so"}, ownerCPython, c},
	// A user's, although the name looks like CPython's.
	{model.Frame{Function: "PyHelper_foo", File: "/src/victim/helper.c", Line: 3}, "", c},
	{model.Frame{Function: "PyObject_mine", File: "/src/victim/helper.c", Line: 3}, "", c},
	{model.Frame{Function: "PyHelper_foo", Module: "/src/out/helper.so"}, "", unknown},
	{model.Frame{Function: "helper", File: "/src/Python/bind.c", Line: 3}, "", c},
	{model.Frame{Function: "helper", File: "/src/embedded/helper.c", Line: 3, Module: "/usr/bin/python3.13"}, "", c},
	{model.Frame{Function: "main", Module: "/app/python-runner"}, "", unknown},
	// cgo.
	{model.Frame{Function: "_cgo_edd9ce9f9617_Cfunc_c_read", File: "/tmp/go-build/cgo-gcc-prolog", Line: 100}, ownerCgo, c},
	{model.Frame{Function: "_cgoexp_edd9ce9f9617_GoRead", File: "_cgo_gotypes.go", Line: 149}, ownerCgo, golang},
	{model.Frame{Function: "_cgo_e1a2bbf9c0f3_Cfunc__Cmalloc", File: "/tmp/go-build/_cgo_export.c", Line: 49}, ownerCgo, c},
	{model.Frame{Function: "main._Cfunc_c_read", File: "_cgo_gotypes.go", Line: 80}, ownerCgo, golang},
	{model.Frame{Function: "main._Cfunc_c_read", Module: "/src/libg.so"}, ownerCgo, golang},
	{model.Frame{Function: "GoRead", File: "/tmp/go-build/_cgo_export.c", Line: 30}, ownerCgo, c},
	{model.Frame{Function: "crosscall2", File: "/usr/local/go/src/runtime/cgo/asm_amd64.s", Line: 43}, ownerCgo, asm},
	{model.Frame{Function: "crosscall2.abi0", Module: "/src/libg.so"}, ownerCgo, unknown},
	{model.Frame{Function: "x_cgo_thread_start", File: "/usr/local/go/src/runtime/cgo/gcc_libinit.c", Line: 3}, ownerCgo, c},
	{model.Frame{Function: "threadentry", File: "/usr/local/go/src/runtime/cgo/gcc_linux_amd64.c", Line: 90}, ownerCgo, c},
	{model.Frame{Function: "cgo_preamble_read", File: "/src/victim/go/main.go", Line: 8}, "", c},
	{model.Frame{Function: "cgo_preamble_read", File: "/src/victim/go/main.go", Line: 8, Language: c}, "", c},
	// Go.
	{model.Frame{Function: "runtime.asmcgocall.abi0", File: "/usr/local/go/src/runtime/asm_amd64.s", Line: 995}, ownerGo, asm},
	{model.Frame{Function: "runtime.cgocall", File: "/usr/local/go/src/runtime/cgocall.go", Line: 1}, ownerGo, golang},
	{model.Frame{Function: "runtime.cgocallbackg1", Module: "/src/libg.so"}, ownerGo, golang},
	{model.Frame{Function: "runtime/cgo.Handle.Value", Language: golang}, ownerCgo, golang},
	{model.Frame{Function: "internal/bytealg.IndexByte", Language: golang}, ownerGo, golang},
	{model.Frame{Function: "type:.eq.main.T", Language: golang, File: "<autogenerated>", Line: 1}, ownerGo, golang},
	{model.Frame{Function: "main.T.M", File: "<autogenerated>", Line: 1}, ownerGo, golang},
	{model.Frame{Function: "main.small", File: "/src/victim/go/main.go", Line: 23}, "", golang},
	{model.Frame{Function: "example.com/app/internal/peek.F", File: "/src/peek.go", Line: 2}, "", golang},
	{model.Frame{Function: "example.com/runtime.F", File: "/src/x.go", Line: 2}, "", golang},
	{model.Frame{Function: "fmt.Fprintf", File: "/usr/local/go/src/fmt/print.go", Line: 2}, "", golang},
	// Rust.
	{model.Frame{Function: "<alloc::raw_vec::RawVecInner>::try_allocate_in", Module: "/src/librvictim.so"}, ownerRust, rust},
	{model.Frame{Function: "alloc::alloc::dealloc", File: "/rustc/e50aa6fba4e63ab34c72bf9acfd2c307c1155d1a/library/alloc/src/alloc.rs", Line: 121}, ownerRust, rust},
	{model.Frame{Function: "core::ptr::drop_glue::<rvictim::Holder<u8>>", Module: "/src/librvictim.so"}, ownerRust, rust},
	{model.Frame{Function: "<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem::<alloc::alloc::Global>", Module: "/x.so"}, ownerRust, rust},
	{model.Frame{Function: "std::panicking::catch_unwind", File: "/src/std/panicking.rs", Line: 1}, "", rust},
	{model.Frame{Function: "std::rt::lang_start", File: "/home/u/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/rt.rs", Line: 1}, ownerRust, rust},
	{model.Frame{Function: "__rust_try", File: "1wqdinf95h5eux6ykblsaa9zn"}, ownerRust, rust},
	{model.Frame{Function: "__rust_try 3l2jd606yrq1rze0cqefl557q"}, ownerRust, rust},
	{model.Frame{Function: "__rustc::__rust_dealloc", File: "/src/victim/t2/rust2/src/lib.rs", Line: 36}, ownerRustAlloc, rust},
	{model.Frame{Function: "<rvictim::NewDel as core::alloc::global::GlobalAlloc>::dealloc", File: "/src/rust2/src/lib.rs", Line: 34}, ownerRustAlloc, rust},
	{model.Frame{Function: "<ffikit_barrier::SanitizerAllocator as core::alloc::global::GlobalAlloc>::alloc", File: "/src/lib.rs", Line: 3}, ownerRustAlloc, rust},
	{model.Frame{Function: "<rvictim::Holder<u8>>::with_capacity", File: "/src/victim/rust/src/lib.rs", Line: 9}, "", rust},
	{model.Frame{Function: "<rvictim::Holder as core::ops::drop::Drop>::drop", Module: "/src/librvictim.so"}, "", rust},
	{model.Frame{Function: "<u8 as rvictim::Shape>::area", Module: "/src/librvictim.so"}, "", rust},
	{model.Frame{Function: "rs_free_c", File: "/src/victim/rust/src/lib.rs", Line: 19}, "", rust},
	// PyO3.
	{model.Frame{Function: "pyv::__pyfunction_free", File: "/src/victim/pyo3/src/lib.rs", Line: 12}, ownerPyO3, rust},
	{model.Frame{Function: "<pyv::free::MakeDef>::_PYO3_DEF::trampoline", File: "/src/victim/pyo3/src/lib.rs", Line: 12}, ownerPyO3, rust},
	{model.Frame{Function: "pyv::_::<impl pyv::Thing>::__pymethod_get__", File: "/src/lib.rs", Line: 12}, ownerPyO3, rust},
	{model.Frame{Function: "pyo3::impl_::trampoline::fastcall_with_keywords::{closure#0}", File: "/cargo/registry/src/x/pyo3-0.26.0/src/impl_/trampoline.rs", Line: 44}, ownerPyO3, rust},
	{model.Frame{Function: "pyo3::impl_::trampoline::trampoline", Module: "/x.so"}, ownerPyO3, rust},
	{model.Frame{Function: "pyv::free", File: "/src/victim/pyo3/src/lib.rs", Line: 12}, "", rust},
	{model.Frame{Function: "pyv::peek::<pyo3::Python>", File: "/src/victim/pyo3/src/lib.rs", Line: 12}, "", rust},
	// The rest.
	{model.Frame{Module: "/lib/x86_64-linux-gnu/libffi.so.8"}, ownerLibffi, unknown},
	{model.Frame{Function: "ffi_call", Module: "/lib/x86_64-linux-gnu/libffi.so.8"}, ownerLibffi, c},
	{model.Frame{Function: "__cxa_throw", Module: "/lib/x86_64-linux-gnu/libstdc++.so.6"}, ownerCPPLib, unknown},
	{model.Frame{Module: "linux-vdso.so.1"}, ownerKernel, unknown},
	{model.Frame{Function: "foo::bar(int)", File: "/src/foo.cc", Line: 1}, "", cpp},
	{model.Frame{Function: "peek", File: "/src/victim/c/cvictim.c", Line: 11}, "", c},
	{model.Frame{Function: "peek", File: "/src/victim/c/cvictim.h", Line: 11}, "", c},
	{model.Frame{Module: "/src/out/libcvictim.so"}, "", unknown},
	{model.Frame{Function: "handle", File: "/src/app.py", Line: 3}, "", model.LanguagePython},
	{model.Frame{}, "", unknown},
}

func TestMachineryAndLanguage(t *testing.T) {
	for _, test := range machineryCases {
		frames := []model.Frame{test.frame}
		Frames(frames, Options{})
		got := frames[0]
		assert.Equal(t, test.machinery, got.Machinery, "%+v", test.frame)
		assert.Equal(t, test.machinery != "", got.Runtime, "%+v", test.frame)
		assert.Equal(t, test.lang, got.Language, "%+v", test.frame)
		assert.Empty(t, got.Boundary, "a root has no boundary: %+v", test.frame)
		assert.Equal(t, test.frame.Line, got.Line)
	}
}

// What the evidence marked stays marked.
func TestRuntimeMarkStays(t *testing.T) {
	frames := []model.Frame{{Function: "peek", File: "/src/peek.c", Line: 3, Runtime: true, Machinery: "companion"}}
	Frames(frames, Options{})
	assert.True(t, frames[0].Runtime)
	assert.Equal(t, "companion", frames[0].Machinery)
}

func TestInterceptorsReadAsWhatTheyStandFor(t *testing.T) {
	for symbol, want := range map[string]string{"___interceptor_free": "free", "__interceptor_malloc": "malloc", "__interceptor_trampoline_memcpy": "memcpy"} {
		frames := []model.Frame{{Function: symbol, Module: libasan}}
		Frames(frames, Options{})
		assert.Equal(t, want, frames[0].Function)
		assert.Equal(t, symbol, frames[0].LinkageName)
		assert.Equal(t, ownerSanitizer, frames[0].Machinery)
	}
}

func TestCgoNamesLoseTheirHash(t *testing.T) {
	for symbol, want := range map[string]string{
		"_cgo_edd9ce9f9617_Cfunc_c_read": "_cgo_Cfunc_c_read", "_cgoexp_edd9ce9f9617_GoRead": "_cgoexp_GoRead",
		"_cgo_edd9ce9f9617_": "_cgo_edd9ce9f9617_", "_cgo_topofstack": "_cgo_topofstack", "_cgo_xyz_Cfunc_f": "_cgo_xyz_Cfunc_f",
	} {
		frames := []model.Frame{{Function: symbol, Language: model.LanguageC}}
		Frames(frames, Options{})
		assert.Equal(t, want, frames[0].Function)
		assert.True(t, frames[0].Runtime)
	}
}
