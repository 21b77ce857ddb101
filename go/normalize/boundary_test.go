package normalize

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
)

// frame builders, as symbolized logs have them.
var (
	userC      = model.Frame{Function: "c_read", File: "/src/c/cvictim.c", Line: 12}
	inlineC    = model.Frame{Function: "peek", File: "/src/c/cvictim.c", Line: 11, Inlined: true}
	userGo     = model.Frame{Function: "main.GoCRead", File: "/src/go/main.go", Line: 40}
	userRust   = model.Frame{Function: "rvictim::release", File: "/src/rust/src/lib.rs", Line: 18}
	userPyx    = model.Frame{Function: "__pyx_pf_3cyv_36rsfreec", File: "/src/cy/cyv.c", Line: 5772}
	wrapPyx    = model.Frame{Function: "__pyx_pw_3cyv_37rsfreec", File: "/src/cy/cyv.c", Line: 5751}
	cgoCall    = model.Frame{Function: "_cgo_edd9ce9f9617_Cfunc_c_read", File: "/tmp/go-build/cgo-gcc-prolog", Line: 100}
	cgoExport  = model.Frame{Function: "_cgoexp_edd9ce9f9617_GoRead", File: "_cgo_gotypes.go", Line: 149}
	asmcgo     = model.Frame{Function: "runtime.asmcgocall.abi0", File: "/usr/local/go/src/runtime/asm_amd64.s", Line: 995}
	cgocall    = model.Frame{Function: "runtime.cgocall", File: "/usr/local/go/src/runtime/cgocall.go", Line: 95}
	callback   = model.Frame{Function: "runtime.cgocallback", File: "/usr/local/go/src/runtime/asm_amd64.s", Line: 1}
	crosscall  = model.Frame{Function: "crosscall2", File: "/usr/local/go/src/runtime/cgo/asm_amd64.s", Line: 43}
	eval       = model.Frame{Function: "_PyEval_EvalFrameDefault", File: "/build/Python-3.11.7/Python/ceval.c", Line: 4769}
	ctypes     = model.Frame{Function: "_ctypes_callproc", File: "/build/Python-3.11.7/Modules/_ctypes/callproc.c", Line: 1262}
	ffiCall    = model.Frame{Function: "ffi_call", Module: "/lib/x86_64-linux-gnu/libffi.so.8"}
	ffiClosure = model.Frame{Function: "ffi_closure_unix64", Module: "/lib/x86_64-linux-gnu/libffi.so.8"}
	start      = model.Frame{Function: "_start", Module: "/usr/bin/python3.11"}
	intercept  = model.Frame{Function: "free", Module: libasan}
	pyo3       = model.Frame{Function: "pyv::__pyfunction_free", File: "/src/pyo3/src/lib.rs", Line: 12}
	catch      = model.Frame{Function: "std::panicking::catch_unwind", File: "/rustc/e50aa6fba4e63ab34c72bf9acfd2c307c1155d1a/library/std/src/panicking.rs", Line: 1}
	stranger   = model.Frame{Module: "/src/out/unknown.so", VirtAddr: 0x10}
	goAsm      = model.Frame{Function: "main.sum", File: "/src/go/sum_amd64.s", Line: 3}
	userPy     = model.Frame{Function: "handle", File: "/src/app.py", Line: 3, Language: model.LanguagePython}
)

func TestBoundaries(t *testing.T) {
	for name, test := range map[string]struct {
		frames []model.Frame // leaf first
		want   string        // the boundaries, leaf first, "-" for none
	}{
		"go calls c, all that a log has":    {[]model.Frame{inlineC, userC, cgoCall, asmcgo}, "- go>c - -"},
		"without the wrapper":               {[]model.Frame{userC, asmcgo}, "go>c -"},
		"a whole stack":                     {[]model.Frame{inlineC, userC, cgoCall, asmcgo, cgocall, userGo, cgoExport, callback, crosscall, userPyx, wrapPyx, eval, start}, "- go>c - - - cython>go - - - python>cython - - -"},
		"python, cython, rust":              {[]model.Frame{intercept, userRust, userPyx, wrapPyx, eval, start}, "- cython>rust python>cython - - -"},
		"pyo3":                              {[]model.Frame{userRust, pyo3, catch, pyo3, eval, start}, "python>rust - - - - -"},
		"a callback from rust through std":  {[]model.Frame{userRust, catch, userRust, eval}, "- - python>rust -"},
		"ctypes":                            {[]model.Frame{userC, ffiCall, ctypes, eval, start}, "python>c - - - -"},
		"python's own frames":               {[]model.Frame{userC, eval, userPy, eval, start}, "python>c - - - -"},
		"a callback from c into python":     {[]model.Frame{userC, ffiCall, eval, userPy, eval, ffiClosure, userC, ffiCall, ctypes, eval, userPy, userPy, eval, start}, "python>c - - c>python - - python>c - - - - - - -"},
		"nothing below":                     {[]model.Frame{userC}, "-"},
		"one language":                      {[]model.Frame{inlineC, userC, start}, "- - -"},
		"a root in c":                       {[]model.Frame{userGo, cgoExport, callback, crosscall, userC, start}, "c>go - - - - -"},
		"go again":                          {[]model.Frame{userGo, cgoExport, callback, crosscall, userC, cgoCall, asmcgo, userGo}, "c>go - - - go>c - - -"},
		"a frame of unknown language hides": {[]model.Frame{userC, stranger, eval}, "- - -"},
		"go's own assembly is no boundary":  {[]model.Frame{goAsm, userGo}, "- -"},
		"and hides none":                    {[]model.Frame{userC, goAsm, userGo}, "go>c - -"},
		"no frames":                         {nil, ""},
	} {
		frames := append([]model.Frame(nil), test.frames...)
		Frames(frames, Options{})
		got := make([]string, len(frames))
		for i, f := range frames {
			got[i] = f.Boundary
			if got[i] == "" {
				got[i] = "-"
			}
		}
		assert.Equal(t, test.want, strings.Join(got, " "), name)
	}
}

// An inlined function of a header has the language of what it went into.
func TestInlinedHeaderTakesTheLanguageOfItsCaller(t *testing.T) {
	frames := []model.Frame{
		{Function: "span<int>::at", File: "/src/span.h", Line: 3, Inlined: true},
		{Function: "use(int)", File: "/src/use.cc", Line: 9},
	}
	Frames(frames, Options{})
	assert.Equal(t, model.LanguageCPP, frames[0].Language)
	assert.Empty(t, frames[0].Boundary)
}

func BenchmarkReport(b *testing.B) {
	stack := []model.Frame{inlineC, userC, cgoCall, asmcgo, cgocall, userGo, cgoExport, callback, crosscall, userPyx, wrapPyx, eval, ctypes, ffiCall, start}
	frames := make([]model.Frame, len(stack))
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		copy(frames, stack)
		Report(&model.Report{Stacks: []model.Stack{{Frames: frames}}}, Options{PathMap: []PathMapping{{"/src", "/home"}}})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(stack)), "ns/frame")
}
