package render_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// useAfterFree is the report of the suite's main job: Python, Cython, Go, C
// and Rust in one process, as merge leaves it.
func useAfterFree() model.Report {
	address := model.AbsAddr(0x5060002b7c63)
	python := []model.Frame{
		{Function: "cyv.rsfreec", LinkageName: "__pyx_pw_3cyv_37rsfreec", Language: model.LanguageCython, File: "/src/victim/cy/cyv.pyx", Line: 50, Runtime: true, Machinery: "Cython"},
		{Function: "PyObject_Vectorcall", Language: model.LanguageC, File: "/build/Python-3.11.7/Objects/call.c", Line: 299, Column: 12, Runtime: true, Machinery: "CPython"},
		{Function: "_PyEval_EvalFrameDefault", Language: model.LanguageC, File: "/build/Python-3.11.7/Python/ceval.c", Line: 4769, Column: 23, Runtime: true, Machinery: "CPython"},
		{Function: "__libc_start_main", Language: model.LanguageC, File: "csu/libc-start.c", Line: 360, Runtime: true, Machinery: "libc"},
	}
	return model.Report{
		Tool: "AddressSanitizer", Kind: "heap-use-after-free", PID: 16959,
		Message: "heap-use-after-free on address 0x5060002b7c63 at pc 0x7f2364186691 bp 0x7ffe9ea36d30 sp 0x7ffe9ea36d28",
		AbsAddr: &address, Access: &model.Access{Type: "read", SizeBytes: 1},
		Details: []string{"0x5060002b7c63 is located 3 bytes inside of 64-byte region [0x5060002b7c60,0x5060002b7ca0)"},
		Stacks: []model.Stack{
			{Role: model.RoleFault, Name: "READ of size 1 at 0x5060002b7c63 thread T0", Truncated: "the runtime's own unwinder stops at Go's stack switch", Frames: []model.Frame{
				{Function: "peek", Language: model.LanguageC, File: "/src/victim/c/cvictim.c", Line: 3, Column: 61, FunctionLine: 3, Inlined: true, Module: "/src/victim/out/libcvictim.so", BuildID: "16d906538c3a4e3c2efa21414f4b77a9c3348d07", VirtAddr: 0x2690, AbsAddr: 0x7f2364186690},
				{Function: "c_read", Language: model.LanguageC, File: "/src/victim/c/cvictim.c", Line: 4, Column: 49, Boundary: "go>c", AbsAddr: 0x7f2364186690},
				{Function: "_cgo_Cfunc_c_read", LinkageName: "_cgo_edd9ce9f9617_Cfunc_c_read", Language: model.LanguageC, File: "/tmp/go-build/cgo-gcc-prolog", Line: 100, Column: 11, Runtime: true, Machinery: "cgo"},
				{Function: "runtime.asmcgocall", Language: model.LanguageAsm, File: "/usr/local/go/src/runtime/asm_amd64.s", Line: 995, Runtime: true, Machinery: "Go runtime"},
			}},
			{Role: model.RoleFree, Name: "freed by thread T0 here:", Frames: append([]model.Frame{
				{Function: "free", Module: "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.so", VirtAddr: 0x1097b6, Runtime: true, Machinery: "sanitizer"},
				{Function: "rvictim::inner::c_release", LinkageName: "_RNvNtC7rvictim5inner9c_release", Language: model.LanguageRust, File: "/src/victim/rust/src/lib.rs", Line: 18, Column: 51},
				{Function: "rs_free_c", Language: model.LanguageRust, File: "/src/victim/rust/src/lib.rs", Line: 19, Column: 63, Boundary: "cython>rust"},
				{Function: "cyv.rsfreec", LinkageName: "__pyx_pf_3cyv_36rsfreec", Language: model.LanguageCython, File: "/src/victim/cy/cyv.pyx", Line: 50, Column: 3, Inlined: true, Boundary: "python>cython"},
			}, python...)},
			{Role: model.RoleAllocation, Name: "previously allocated by thread T0 here:", Frames: append([]model.Frame{
				{Function: "malloc", Module: "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.so", VirtAddr: 0x109a4f, Runtime: true, Machinery: "sanitizer"},
				{Function: "<rvictim::Holder<alloc::vec::Vec<alloc::string::String>>>::with_capacity_and_a_long_name::<rvictim::entry::{closure#0}>", Language: model.LanguageRust, File: "/src/victim/rust/src/a/rather/deep/folder/of/modules/lib.rs", Line: 5, Column: 16, Boundary: "python>rust"},
			}, python[1:]...)},
		},
		Blame:       &model.Blame{Stack: 0, Frame: 0, Role: model.RoleFault, Reason: "the first frame of the fault stack that is no language's own machinery and lies below the source root /src/victim"},
		Related:     []model.Blame{{Stack: 1, Frame: 1, Role: model.RoleFree, Reason: "freed here: the first frame that is no machinery"}, {Stack: 2, Frame: 1, Role: model.RoleAllocation, Reason: "allocated here: the first frame that is no machinery"}},
		Fingerprint: "1:b256abd98888156b2b48ab2ade93b42e", Count: 3,
		Source: model.Location{File: "/tmp/logs/asan.16959", OffsetBytes: 66},
	}
}

func leak() model.Report {
	return model.Report{
		Tool: "LeakSanitizer", Kind: "direct-leak", Message: "Direct leak of 2331 byte(s) in 3 object(s) allocated from:", Leaked: &model.Leaked{SizeBytes: 2331, ObjectsCount: 3}, PID: 395,
		Stacks: []model.Stack{{Role: model.RoleAllocation, Name: "Direct leak of 2331 byte(s) in 3 object(s) allocated from:", Frames: []model.Frame{
			{Module: "/src/victim/out/libcvictim.so", VirtAddr: 0x2730},
			{AbsAddr: 0x7f24849e39c0},
		}}},
		Blame:       &model.Blame{Stack: 0, Frame: 0, Role: model.RoleAllocation, Reason: "the first frame of the allocation stack whose module lies in no system folder: it is not symbolized"},
		Fingerprint: "1:0123456789abcdef0123456789abcdef", Count: 1, Source: model.Location{File: "log", OffsetBytes: 128},
	}
}

// machineryOnly is a report of which no frame is a user's.
func machineryOnly() model.Report {
	frame := func(name string) model.Frame {
		return model.Frame{Function: name, Language: model.LanguageC, File: "/build/Python-3.11.7/Objects/bytesobject.c", Line: 142, Runtime: true, Machinery: "CPython"}
	}
	return model.Report{Tool: "AddressSanitizer", Kind: "SEGV", Count: 1, Stacks: []model.Stack{
		{Role: model.RoleFault, Frames: []model.Frame{frame("memcpy"), frame("PyBytes_FromStringAndSize"), frame("string_at"), frame("ffi_call"), frame("_PyEval_EvalFrameDefault")}},
		{Role: model.RoleOther, Name: "a stack without frames"},
	}}
}

// sources is what cvictim.c holds.
type sources map[int]string

func (s sources) Line(file string, line int) (string, bool) {
	text, ok := s[line]
	return text, ok && file == "/src/victim/c/cvictim.c"
}

var cvictim = sources{
	1: "#include <stdint.h>",
	2: "/* a\ttab, and \x1b[31mred\x1b[0m */",
	3: "static inline int peek(const uint8_t *p, size_t i) {\treturn p[i]; }",
	4: "int c_read(const uint8_t *p, size_t i) { return peek(p, i); }",
}

func documents() map[string]*render.Document {
	return map[string]*render.Document{
		"reports": {
			ReportSet: model.ReportSet{
				Reports: []model.Report{useAfterFree(), leak(), machineryOnly()},
				Partial: []model.Partial{{File: "/src/victim/out/libcvictim.so", OffsetBytes: 64, Reason: "not the build that the log names: build ID 16d9, the file has 2222; its frames stay unsymbolized"}, {Reason: "a reason alone"}},
			},
			Command: &render.Command{Args: []string{"python3", "run1.py"}, ExitStatus: 134, Signal: "SIGABRT"},
		},
		"addresses": {Addresses: []model.AddressFrames{
			{VirtAddr: 0x26ff, Frames: useAfterFree().Stacks[0].Frames[:2]},
			{VirtAddr: 0x1},
			{AbsAddr: 0x7f2364186691, Module: "/src/victim/out/libcvictim.so", VirtAddr: 0x2691, Frames: useAfterFree().Stacks[0].Frames[:1]},
			{AbsAddr: 0x5060002b7c63},
		}},
		"empty": {},
	}
}

func text(t *testing.T, doc *render.Document, opts render.TextOptions) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, render.Text(&out, doc, opts))
	return out.String()
}

func jsonText(t *testing.T, doc *render.Document) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, render.JSON(&out, doc))
	return out.Bytes()
}

// fill sets every field below v to something that is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	default:
		panic("a kind of field that this test does not know: " + v.Kind().String())
	}
}
