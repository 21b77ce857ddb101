package normalize

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// markCgoClosures marks the function literals that cgo puts around calls whose
// arguments hold pointers (cmd/cgo, rewriteCall: `func() { _cgo0 := p;
// _cgoCheckPointer(_cgo0, nil); _Cfunc_f(_cgo0) }()`). Their names are those of
// the user's own literals, `main.f.func1`; what tells is their place: directly
// below the call's Go half or the pointer check, and directly above the
// function that they lie in, at one and the same line.
func markCgoClosures(frames []model.Frame) {
	for i := 1; i+1 < len(frames); i++ {
		f, callee, caller := &frames[i], &frames[i-1], &frames[i+1]
		if f.Runtime || f.Language != model.LanguageGo || !isLiteralOf(f.Function, caller.Function) {
			continue
		}
		if isCgoCall(callee) && f.File == caller.File && f.Line == caller.Line && f.Line != 0 {
			f.Runtime, f.Machinery = true, ownerCgo
		}
	}
}

// isLiteralOf: `main.f.func1` is a literal of `main.f`, `main.f.func1.1` one of
// `main.f.func1`; where f was inlined into g, it is called `main.g.f.func1`.
func isLiteralOf(function, outer string) bool {
	end := strings.LastIndexByte(function, '.')
	if end < 0 {
		return false
	}
	stem, number := function[:end], strings.TrimPrefix(function[end+1:], "func")
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return false
	}
	if stem == outer {
		return true
	}
	slash := strings.LastIndexByte(outer, '/') + 1
	dot := strings.IndexByte(outer[slash:], '.')
	return dot >= 0 && strings.HasPrefix(stem, outer[:slash+dot+1]) && strings.HasSuffix(stem, outer[slash+dot:])
}

// isCgoCall is the Go half of a call into C (`main._Cfunc_f`), or the check of
// its pointers.
func isCgoCall(f *model.Frame) bool {
	switch f.Machinery {
	case ownerCgo:
		return strings.Contains(f.Function, "._Cfunc_")
	case ownerGo:
		return strings.HasPrefix(f.Function, "runtime.cgoCheckPointer")
	}
	return false
}

// isGoWrapper: the compiler wraps `go f(x)` and `defer f(x)` into functions
// without arguments, which it names after the function around them
// (cmd/compile/internal/ir/func.go, closureName): `main.f.gowrap1`. Go's own
// tracebacks leave them out.
func isGoWrapper(symbol string) bool {
	for _, mark := range []string{".gowrap", ".deferwrap"} {
		outer, number, ok := strings.Cut(symbol[strings.LastIndexByte(symbol, '/')+1:], mark)
		if ok && strings.Contains(outer, ".") && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}
