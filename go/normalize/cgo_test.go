package normalize

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
)

// Frames as a c-shared library of Go 1.26 has them (ci/suite, null_in_c): cgo
// wrote the literal, the user wrote none. The names are those of Go's own
// traceback of calls from such places.
func TestCgoClosure(t *testing.T) {
	file := "/src/go/main.go"
	stack := func(callee model.Frame, closure, caller string, line int) []model.Frame {
		return []model.Frame{
			{Function: "store_head_length", File: "/src/c/store.c", Line: 84},
			callee,
			{Function: closure, File: file, Line: line, Inlined: true},
			{Function: caller, File: file, Line: 77},
			{Function: "main.ServiceHeadLength", File: file, Line: 74, Inlined: true},
		}
	}
	call := model.Frame{Function: "main._Cfunc_store_head_length", File: "_cgo_gotypes.go", Line: 143}
	check := model.Frame{Function: "runtime.cgoCheckPointer", File: "/usr/local/go/src/runtime/cgocall.go", Line: 500}
	user := model.Frame{Function: "main.read", File: file, Line: 12}

	for name, test := range map[string]struct {
		frames []model.Frame
		glue   bool
	}{
		"around a call":             {stack(call, "main.headLength.func1", "main.headLength", 77), true},
		"in a generic function":     {stack(call, "main.head[...].func12", "main.head[...]", 77), true},
		"in a method":               {stack(call, "main.(*queue).head.func1", "main.(*queue).head", 77), true},
		"in a literal":              {stack(call, "main.lit.lit.func1.func2", "main.lit.func1", 77), true},
		"in a global's literal":     {stack(call, "main.init.func1.1", "main.init.func1", 77), true},
		"in a range function":       {stack(call, "main.r.r.func2.r-range1.func3", "main.r-range1", 77), true},
		"at the check":              {stack(check, "main.headLength.func1", "main.headLength", 77), true},
		"the user's own line":       {stack(call, "main.headLength.func1", "main.headLength", 78), false},
		"around the user's call":    {stack(user, "main.headLength.func1", "main.headLength", 77), false},
		"of another package":        {stack(call, "other.h.headLength.func1", "main.headLength", 77), false},
		"of a longer name":          {stack(call, "main.xheadLength.func1", "main.headLength", 77), false},
		"of another function":       {stack(call, "main.tail.func1", "main.headLength", 77), false},
		"a function of such a name": {stack(call, "main.headLength.funcs", "main.headLength", 77), false},
	} {
		t.Run(name, func(t *testing.T) {
			Frames(test.frames, Options{})
			closure := test.frames[2]
			assert.Equal(t, test.glue, closure.Runtime, closure.Function)
			assert.False(t, test.frames[3].Runtime, "its caller is the user's")
			if test.glue {
				assert.Equal(t, ownerCgo, closure.Machinery)
				assert.Equal(t, "go>c", test.frames[0].Boundary, "the crossing stays")
			}
		})
	}
}

func TestGoWrapper(t *testing.T) {
	for function, machinery := range map[string]bool{
		"main.ServiceSum.gowrap1":   true,
		"main.main.func1.gowrap12":  true,
		"main.close.deferwrap1":     true,
		"main.gowrap":               false,
		"main.gowrap1":              false,
		"main.(*box).gowrapper":     false,
		"example.com/gowrap1.Close": false,
	} {
		frames := []model.Frame{{Function: function, File: "/src/go/background.go", Line: 31, Language: model.LanguageGo}}
		Frames(frames, Options{})
		assert.Equal(t, machinery, frames[0].Runtime, function)
	}
}
