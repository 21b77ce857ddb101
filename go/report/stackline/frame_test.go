package stackline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

func TestFrame(t *testing.T) {
	for name, test := range map[string]struct {
		line  string
		index int
		want  model.Frame
	}{
		"raw": {
			"    #3 0x7f41185592c1  (/src/out/librvictim.so+0xb2c1) (BuildId: EE5847ef17ba)", 3,
			model.Frame{AbsAddr: 0x7f41185592c1, Module: "/src/out/librvictim.so", VirtAddr: 0xb2c1, BuildID: "ee5847ef17ba"},
		},
		"raw of gcc": {
			"    #0 0x4011f6  (/src/out/a.out+0x4011f6)", 0,
			model.Frame{AbsAddr: 0x4011f6, Module: "/src/out/a.out", VirtAddr: 0x4011f6},
		},
		"raw with one space": {
			"    #0 0x4011f6 (/src/out/a.out+0x4011f6)", 0,
			model.Frame{AbsAddr: 0x4011f6, Module: "/src/out/a.out", VirtAddr: 0x4011f6},
		},
		"no module": {
			"    #1 0x7fa9c50  (<unknown module>)", 1, model.Frame{AbsAddr: 0x7fa9c50},
		},
		"no build ID": {
			"    #3 0x10 (/src/a.so+0x1) (BuildId: <none>)", 3,
			model.Frame{AbsAddr: 0x10, Module: "/src/a.so", VirtAddr: 1},
		},
		"address only": {"    #1 0x7fa9c50", 1, model.Frame{AbsAddr: 0x7fa9c50}},
		"symbol without lines": {
			"    #0 0x10 in free (/usr/lib/libclang_rt.asan-x86_64.so+0x1097b6) (BuildId: 93aab1c9)", 0,
			model.Frame{AbsAddr: 0x10, Function: "free", Module: "/usr/lib/libclang_rt.asan-x86_64.so", VirtAddr: 0x1097b6, BuildID: "93aab1c9"},
		},
		"operator without lines": {
			"    #0 0x10 in operator delete(void*, unsigned long) (/usr/lib/libasan.so.8+0x1) (BuildId: 93)", 0,
			model.Frame{AbsAddr: 0x10, Function: "operator delete(void*, unsigned long)", Module: "/usr/lib/libasan.so.8", VirtAddr: 1, BuildID: "93"},
		},
		"module with spaces and parentheses": {
			"    #0 0x10 in f(int) (/src/my (old) dir/lib (2).so+0x1f)", 0,
			model.Frame{AbsAddr: 0x10, Function: "f(int)", Module: "/src/my (old) dir/lib (2).so", VirtAddr: 0x1f},
		},
		"module with an open parenthesis": {
			"    #0 0x10 in f (/src/a)b/lib.so+0x1f)", 0,
			model.Frame{AbsAddr: 0x10, Function: "f", Module: "/src/a)b/lib.so", VirtAddr: 0x1f},
		},
		"module of Darwin": {
			"    #0 0x10 in f (libfoo.dylib:arm64+0x1f)", 0,
			model.Frame{AbsAddr: 0x10, Function: "f", Module: "libfoo.dylib", VirtAddr: 0x1f},
		},
		"C": {
			"    #2 0x7f8d8c3045e6 in c_alloc /src/victim/c/cvictim.c:9:37", 2,
			model.Frame{AbsAddr: 0x7f8d8c3045e6, Function: "c_alloc", File: "/src/victim/c/cvictim.c", Line: 9, Column: 37},
		},
		"C of gcc": {
			"    #2 0x10 in c_alloc /src/c.c:9", 2,
			model.Frame{AbsAddr: 0x10, Function: "c_alloc", File: "/src/c.c", Line: 9},
		},
		"C++ method": {
			"    #2 0x10 in shapes::Box<char>::operator()(int) const /src/faults.cpp:18:64", 2,
			model.Frame{AbsAddr: 0x10, Function: "shapes::Box<char>::operator()(int) const", File: "/src/faults.cpp", Line: 18, Column: 64},
		},
		"C++ method in a relative file": {
			"    #2 0x10 in a::f(b, c) const FILE:1:2", 2,
			model.Frame{AbsAddr: 0x10, Function: "a::f(b, c) const", File: "FILE", Line: 1, Column: 2},
		},
		"C++ template with return type": {
			"    #2 0x10 in void run<int, char const*>(int, char const*) /src/a b/c.cpp:1:2", 2,
			model.Frame{AbsAddr: 0x10, Function: "void run<int, char const*>(int, char const*)", File: "/src/a b/c.cpp", Line: 1, Column: 2},
		},
		"C++ shift": {
			"    #2 0x10 in std::ostream& operator<<<int>(std::ostream&, int) /src/c.cpp:1:2", 2,
			model.Frame{AbsAddr: 0x10, Function: "std::ostream& operator<<<int>(std::ostream&, int)", File: "/src/c.cpp", Line: 1, Column: 2},
		},
		"C++ arrow": {
			"    #2 0x10 in ptr<T>::operator->() const c.cpp:1:2", 2,
			model.Frame{AbsAddr: 0x10, Function: "ptr<T>::operator->() const", File: "c.cpp", Line: 1, Column: 2},
		},
		"C++ operator new": {
			"    #0 0x10 in operator new(unsigned long) asan_new_delete.cpp:95:3", 0,
			model.Frame{AbsAddr: 0x10, Function: "operator new(unsigned long)", File: "asan_new_delete.cpp", Line: 95, Column: 3},
		},
		"C++ lambda": {
			"    #0 0x10 in main::$_0::operator()(int) const::{lambda(int)#1}::operator()(int) const /src/l.cpp:3:4", 0,
			model.Frame{AbsAddr: 0x10, Function: "main::$_0::operator()(int) const::{lambda(int)#1}::operator()(int) const", File: "/src/l.cpp", Line: 3, Column: 4},
		},
		"anonymous namespace": {
			"    #0 0x10 in (anonymous namespace)::f(int) /src/l.cpp:3:4", 0,
			model.Frame{AbsAddr: 0x10, Function: "(anonymous namespace)::f(int)", File: "/src/l.cpp", Line: 3, Column: 4},
		},
		"Rust impl": {
			"    #1 0x10 in <rvictim::NewDel as core::alloc::global::GlobalAlloc>::dealloc /src/rust/src/lib.rs:34:55", 1,
			model.Frame{AbsAddr: 0x10, Function: "<rvictim::NewDel as core::alloc::global::GlobalAlloc>::dealloc", File: "/src/rust/src/lib.rs", Line: 34, Column: 55},
		},
		"Rust closure type": {
			"    #1 0x10 in core::ops::function::impls::<impl core::ops::function::FnOnce<A> for &dyn Fn(&str) -> bool>::call_once lib.rs:34:55", 1,
			model.Frame{AbsAddr: 0x10, Function: "core::ops::function::impls::<impl core::ops::function::FnOnce<A> for &dyn Fn(&str) -> bool>::call_once", File: "lib.rs", Line: 34, Column: 55},
		},
		"Go method": {
			"    #1 0x10 in main.(*T).M /src/go/main.go:23", 1,
			model.Frame{AbsAddr: 0x10, Function: "main.(*T).M", File: "/src/go/main.go", Line: 23},
		},
		"Go method in a relative file": {
			"    #1 0x10 in main.(*T).M _cgo_gotypes.go:149", 1,
			model.Frame{AbsAddr: 0x10, Function: "main.(*T).M", File: "_cgo_gotypes.go", Line: 149},
		},
		"Go generics": {
			"    #1 0x10 in main.Map[go.shape.int,go.shape.string] /src/go/main.go:23", 1,
			model.Frame{AbsAddr: 0x10, Function: "main.Map[go.shape.int,go.shape.string]", File: "/src/go/main.go", Line: 23},
		},
		"relative file": {
			"    #22 0x10 in __libc_start_call_main csu/../sysdeps/nptl/libc_start_call_main.h:58:16", 22,
			model.Frame{AbsAddr: 0x10, Function: "__libc_start_call_main", File: "csu/../sysdeps/nptl/libc_start_call_main.h", Line: 58, Column: 16},
		},
		"relative file with a space": {
			"    #22 0x10 in plain my dir/a.c:58:16", 22,
			model.Frame{AbsAddr: 0x10, Function: "plain", File: "my dir/a.c", Line: 58, Column: 16},
		},
		"file without a line": {
			"    #1 0x10 in asan_thread_start(void*) asan_interceptors.cpp.o", 1,
			model.Frame{AbsAddr: 0x10, Function: "asan_thread_start(void*)", File: "asan_interceptors.cpp.o"},
		},
		"absolute file without a line": {
			"    #1 0x10 in _GLOBAL__sub_I_odr.cpp /src/odr.cpp", 1,
			model.Frame{AbsAddr: 0x10, Function: "_GLOBAL__sub_I_odr.cpp", File: "/src/odr.cpp"},
		},
		"path with spaces, colons and parentheses": {
			"    #1 0x10 in f /src/a b (c):1/d:2.c:3:4", 1,
			model.Frame{AbsAddr: 0x10, Function: "f", File: "/src/a b (c):1/d:2.c", Line: 3, Column: 4},
		},
		"path of Windows": {
			`    #1 0x10 in f(int) C:\src\a b\c.cpp:3`, 1,
			model.Frame{AbsAddr: 0x10, Function: "f(int)", File: `C:\src\a b\c.cpp`, Line: 3},
		},
		"unknown place":    {"    #1 0x10 in f ??:0", 1, model.Frame{AbsAddr: 0x10, Function: "f"}},
		"unknown function": {"    #1 0x10 in ?? ??:0", 1, model.Frame{AbsAddr: 0x10}},
		"function only":    {"    #1 0x10 in my function(int) const", 1, model.Frame{AbsAddr: 0x10, Function: "my function(int) const"}},
		"brackets that never close": {
			"    #1 0x10 in void f<a<b(int) /src/a.c:3", 1,
			model.Frame{AbsAddr: 0x10, Function: "void f<a<b(int)", File: "/src/a.c", Line: 3},
		},
		"foreign text before": {
			"progress 10%    #1 0x10 in f /src/a.c:3", 1,
			model.Frame{AbsAddr: 0x10, Function: "f", File: "/src/a.c", Line: 3},
		},
		"no margin": {"#1 0x10 in f /src/a.c:3", 1, model.Frame{AbsAddr: 0x10, Function: "f", File: "/src/a.c", Line: 3}},
		"invalid UTF-8": {
			"    #1 0x10 in f\xff /src/\xfe.c:3", 1,
			model.Frame{AbsAddr: 0x10, Function: "f\uFFFD", File: "/src/\uFFFD.c", Line: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mark, ok := Find(Line{Text: []byte(test.line)})
			require.True(t, ok)
			assert.Equal(t, test.index, mark.Index)
			assert.Equal(t, test.want, mark.Frame(&Strings{}))
		})
	}
}

func TestNoFrame(t *testing.T) {
	for _, line := range []string{
		"", "#", "# 0x10", "#1", "    #1 10 in f", "    #1 0x in f", "    #1 0x10in f", "#0 /srv/index.php(3): f()",
		"#0  0x00007f1 in f () at a.c:3", "    #9999999 0x10 in f", "    #1 0x11112222333344445 in f", "issue #1 0x10",
	} {
		_, ok := Find(Line{Text: []byte(line)})
		assert.False(t, ok, line)
	}
}

// What the log's end cut off may have been half a number or half a word.
func TestCutFrameIsNotGuessed(t *testing.T) {
	whole := "    #3 0x7f84dead in foo(int) /src/a.c:360:15"
	want := model.Frame{AbsAddr: 0x7f84dead, Function: "foo(int)", File: "/src/a.c", Line: 360, Column: 15}
	for length := range len(whole) {
		mark, ok := Find(Line{Text: []byte(whole[:length]), Unterminated: true})
		if !ok {
			continue
		}
		frame := mark.Frame(&Strings{})
		assert.Equal(t, want.AbsAddr, frame.AbsAddr, whole[:length])
		assert.Contains(t, []string{"", want.Function}, frame.Function, whole[:length])
		assert.Contains(t, []string{"", want.File}, frame.File, whole[:length])
		assert.Contains(t, []int{0, want.Line}, frame.Line, whole[:length])
		assert.Zero(t, frame.Column, whole[:length])
	}
	whole = "    #3 0x7f84dead in free (/src/lib a.so+0x1097b6) (BuildId: 93aab1c9)"
	for length := range len(whole) {
		mark, ok := Find(Line{Text: []byte(whole[:length]), Unterminated: true})
		if !ok {
			continue
		}
		frame := mark.Frame(&Strings{})
		assert.Contains(t, []model.VirtAddr{0, 0x1097b6}, frame.VirtAddr, whole[:length])
		assert.Contains(t, []string{"", "/src/lib a.so"}, frame.Module, whole[:length])
		assert.Empty(t, frame.BuildID, whole[:length])
	}
}

func TestHexAndDecimalRefuseWhatTheyCannotHold(t *testing.T) {
	value, length := Hex([]byte("0xFFffFFffFFffFFff)"))
	assert.Equal(t, uint64(1<<64-1), value)
	assert.Equal(t, 18, length)
	_, length = Hex([]byte("0x1ffffffffffffffff"))
	assert.Zero(t, length)
	_, length = Decimal([]byte("99999999999999999999"))
	assert.Zero(t, length)
}

func TestInlinedFrames(t *testing.T) {
	frame := func(abs model.AbsAddr, function string) model.Frame {
		return model.Frame{AbsAddr: abs, Function: function}
	}
	inlined := func(frames []model.Frame) []bool {
		markInlined(frames)
		var marks []bool
		for _, f := range frames {
			marks = append(marks, f.Inlined)
		}
		return marks
	}
	assert.Equal(t, []bool{true, true, false, false},
		inlined([]model.Frame{frame(1, "a"), frame(1, "b"), frame(1, "c"), frame(2, "d")}))
	assert.Equal(t, []bool{false, false, false},
		inlined([]model.Frame{frame(1, "f"), frame(1, "f"), frame(1, "f")}), "a recursion")
	assert.Equal(t, []bool{true, false, true, false},
		inlined([]model.Frame{frame(1, "a"), frame(1, "f"), frame(1, "a"), frame(1, "f")}), "a recursion with an inlined call")
	assert.Equal(t, []bool{false, false}, inlined([]model.Frame{frame(0, "a"), frame(0, "b")}), "no addresses")
}

func TestStringsAreBounded(t *testing.T) {
	var s Strings
	kept := 0
	for i := range 100 {
		kept += len(s.String([]byte(strings.Repeat("x", 60000) + string(rune('a'+i)))))
	}
	assert.LessOrEqual(t, kept, textLimitBytes)
	assert.True(t, s.Full())
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		"    #0 0x7f41160fcab9  (/src/out/libgvictim.so+0xb0ab9) (BuildId: 7e9dbbde)",
		"    #1 0x10 in <a as b>::c(d, e) const /src/a b (c):1/d.rs:3:4", "#1 0x10 in ?? ??:0",
		"    #2 0x10 in std::ostream& operator<<<int>(std::ostream&, int) c.cpp:1:2", "    #1 0x7fa9c50  (<unknown module>)",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut bool) {
		mark, ok := Find(Line{Text: text, Unterminated: cut})
		if !ok {
			return
		}
		frame := mark.Frame(&Strings{})
		for _, s := range []string{frame.Function, frame.File, frame.Module, frame.BuildID} {
			assert.True(t, utf8.ValidString(s))
			assert.LessOrEqual(t, len(s), 3*len(text))
		}
		assert.GreaterOrEqual(t, frame.Line, 0)
		assert.GreaterOrEqual(t, frame.Column, 0)
	})
}
