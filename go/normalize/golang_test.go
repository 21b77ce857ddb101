package normalize

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

type box[T any] struct{ v T }

//go:noinline
func (b *box[T]) caller() string {
	pc, _, _, _ := runtime.Caller(0)
	return runtime.FuncForPC(pc).Name()
}

//go:noinline
func generic[K comparable, V any](map[K]V) (string, string) {
	pc, _, _, _ := runtime.Caller(0)
	inner := func() string {
		pc, _, _, _ := runtime.Caller(0)
		return runtime.FuncForPC(pc).Name()
	}
	return runtime.FuncForPC(pc).Name(), inner()
}

// The runtime elides type arguments in its own way of printing; ours agrees.
func TestGoGenericsReadAsTheRuntimePrintsThem(t *testing.T) {
	outer, inner := generic(map[string][]struct{ a [2]int }{})
	for _, test := range []struct{ symbol, want string }{
		{"github.com/ffikit/ffikit/go/normalize.(*box[go.shape.[]uint8]).caller", (&box[[]byte]{}).caller()},
		{"github.com/ffikit/ffikit/go/normalize.generic[go.shape.string,go.shape.[]struct { a [2]int }]", outer},
		{"github.com/ffikit/ffikit/go/normalize.generic[go.shape.string,go.shape.[]struct { a [2]int }].func1", inner},
	} {
		require.Contains(t, test.want, "[...]")
		assert.Equal(t, test.want, goName(test.symbol))
	}
}

func TestGoNames(t *testing.T) {
	for name, want := range map[string]string{
		"main.(*reader[go.shape.uint8]).at": "main.(*reader[...]).at",
		"runtime.asmcgocall.abi0":           "runtime.asmcgocall",
		"runtime.memmove.abiinternal":       "runtime.memmove",
		"main.main.func1.2":                 "main.main.func1.2",
		"main.T.cold":                       "main.T.cold",
		"gopkg.in/yaml%2ev3.Unmarshal":      "gopkg.in/yaml.v3.Unmarshal",
		"example.com/a%25b.F":               "example.com/a%b.F",
		"main.F[int":                        "main.F[int",
		"main.F]x[":                         "main.F]x[",
		"main.100%":                         "main.100%",
		"main.%zz":                          "main.%zz",
	} {
		frames := []model.Frame{{Function: name, Language: model.LanguageGo}}
		Frames(frames, Options{})
		assert.Equal(t, want, frames[0].Function)
		if want != name {
			assert.Equal(t, name, frames[0].LinkageName)
		}
	}
}

func TestGoPackage(t *testing.T) {
	for name, want := range map[string]string{
		"main.main": "main", "runtime/cgo.Handle.Value": "runtime/cgo", "gopkg.in/yaml.v3.F": "gopkg.in/yaml", "a.io/b/c.(*T).M": "a.io/b/c",
		"main.F[a.io/b.T]": "main", "nodot": "", "": "",
	} {
		assert.Equal(t, want, goPackage(name), name)
	}
}

// In a `.go` file stand Go's functions and those of a cgo preamble; a name
// with a package is Go's.
func TestLanguagesOfGoFiles(t *testing.T) {
	for name, want := range map[string]model.Language{
		"main.small": model.LanguageGo, "main.GoRead": model.LanguageGo, "github.com/x/y.(*T).m": model.LanguageGo,
		"cgo_preamble_read": model.LanguageC, "cgo_preamble_read.part.0": model.LanguageC, "": model.LanguageUnknown,
	} {
		frames := []model.Frame{{Function: name, File: "/src/victim/go/main.go", Line: 8}}
		Frames(frames, Options{})
		assert.Equal(t, want, frames[0].Language, name)
		assert.False(t, frames[0].Runtime, name)
		assert.False(t, strings.Contains(frames[0].Function, ".part"), name)
	}
	assembly := []model.Frame{{Function: "main.sum", File: "/src/sum_amd64.s", Line: 3, Language: model.LanguageGo}}
	Frames(assembly, Options{})
	assert.Equal(t, model.LanguageAsm, assembly[0].Language)
	assert.False(t, assembly[0].Runtime, "a user's own assembly")
}
