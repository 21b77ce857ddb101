package normalize

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
)

// Python's names come from the interpreter: nothing is demangled or guessed,
// however they read.
func TestPythonFrames(t *testing.T) {
	for _, test := range []struct {
		function, file, owner string
	}{
		{"Keeper.run", "/app/keeper.py", ""},
		{"<module>", "/app/keeper.py", ""},
		{"fetch.<locals>.<lambda>", "/app/main.go.py", ""},
		{"__pyx_pf_3cyv_2f", "/app/gen.pyx", ""},
		{"_ZN3foo3barE", "<string>", ""},
		{"runtime.asmcgocall", "/app/runtime.go", ""},
		{"_PyEval_Helper", "/app/Python/ceval.c", ""},
		{"Thread.run", "/usr/lib/python3.11/threading.py", ""},
		{"_find_and_load", "<frozen importlib._bootstrap>", "CPython"},
		{"SourceLoader.exec_module", "<frozen importlib._bootstrap_external>", "CPython"},
		{"_run_module_as_main", "<frozen runpy>", "CPython"},
		{"load_module", "<frozen zipimport>", "CPython"},
		{"f", "<frozen mine>", ""},
	} {
		r := model.Report{Stacks: []model.Stack{{Role: model.RoleFault, Frames: []model.Frame{
			{Function: test.function, File: test.file, Line: 3, FunctionLine: 1, Language: model.LanguagePython},
		}}}}
		Report(&r, Options{PathMap: []PathMapping{{From: "/app", To: "/src"}}})
		f := r.Stacks[0].Frames[0]
		assert.Equal(t, test.function, f.Function)
		assert.Empty(t, f.LinkageName)
		assert.Equal(t, model.LanguagePython, f.Language)
		assert.Equal(t, test.owner, f.Machinery, test.function)
		assert.Equal(t, test.owner != "", f.Runtime)
		assert.NotContains(t, f.File, "/app/", "paths are mapped")
	}
}

// What is known to be whole is not said to be cut, whatever its last frame is.
func TestACompleteStackIsNotGuessedAt(t *testing.T) {
	cut := model.Stack{Role: model.RoleFault, Frames: []model.Frame{userC, asmcgo}}
	for _, complete := range []bool{true, false} {
		r := model.Report{Stacks: []model.Stack{{Role: cut.Role, Frames: append([]model.Frame(nil), cut.Frames...), Complete: complete}}}
		Report(&r, Options{})
		assert.Equal(t, !complete, r.Stacks[0].Truncated != "")
	}
}

func TestSanitizerModules(t *testing.T) {
	for module, want := range map[string]bool{
		"/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.so": true, "/lib/libasan.so.8": true,
		"/opt/ffikit/libffikit_agent.so": true, "/app/libstore.so": false, "": false, "/lib/libc.so.6": false,
	} {
		assert.Equal(t, want, IsSanitizerModule(module), module)
	}
}
