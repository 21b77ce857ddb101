package normalize

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// numbered takes Cython's counters off the names it gives to what has none.
var numbered = regexp.MustCompile(`<(generator|lambda)[0-9]+>`)

type cythonPair struct{ symbol, wrapper, name string }

// cythonPairs reads what Cython called the functions of testdata/cython, with
// the names that their source gives (see make-pairs there).
func cythonPairs(t *testing.T) []cythonPair {
	t.Helper()
	text, err := os.ReadFile("testdata/cython/pairs.tsv")
	require.NoError(t, err)
	var pairs []cythonPair
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, "\t")
		require.Len(t, fields, 3, line)
		pairs = append(pairs, cythonPair{fields[0], fields[1], fields[2]})
	}
	require.Greater(t, len(pairs), 40)
	return pairs
}

// In a stack the wrapper stands below the body, and then each symbol has one
// reading: the source's.
func TestCythonNamesInStacks(t *testing.T) {
	for _, pair := range cythonPairs(t) {
		frames := []model.Frame{{Function: pair.symbol, Language: model.LanguageC, Module: "/venv/pkg/sub/mod.cpython-311-x86_64-linux-gnu.so"}}
		if pair.wrapper != "-" {
			frames = append(frames, model.Frame{Function: pair.wrapper, Language: model.LanguageC})
		}
		Frames(frames, Options{})
		assert.Equal(t, pair.name, numbered.ReplaceAllString(frames[0].Function, "<$1>"), pair.symbol)
		assert.Equal(t, pair.symbol, frames[0].LinkageName)
		assert.Equal(t, model.LanguageCython, frames[0].Language)
		assert.False(t, frames[0].Runtime, pair.symbol)
		if len(frames) == 2 && !strings.HasPrefix(pair.symbol, "__pyx_gb_") {
			assert.True(t, frames[1].Runtime, pair.wrapper)
			assert.Equal(t, "Cython", frames[1].Machinery)
			assert.Equal(t, frames[0].Function, frames[1].Function, pair.wrapper)
		}
	}
}

// Alone, a symbol may be read wrongly, but only where it has two readings.
func TestCythonNamesAlone(t *testing.T) {
	ambiguous := map[string]bool{
		"__pyx_lambda_funcdef_lambda":                 true, // its function is not in its symbol
		"__pyx_pf_3pkg_3sub_3mod_2ab_x":               true, // the function ab_x, or x of the class ab
		"__pyx_pf_3pkg_3sub_3mod_5outer_4deep_deeper": true,
	}
	for _, pair := range cythonPairs(t) {
		got, lang := Demangle(pair.symbol)
		assert.Equal(t, model.LanguageCython, lang, pair.symbol)
		if !ambiguous[pair.symbol] {
			assert.Equal(t, pair.name, numbered.ReplaceAllString(got, "<$1>"), pair.symbol)
		}
	}
}

func TestCythonMachinery(t *testing.T) {
	for symbol, machinery := range map[string]string{
		"__pyx_pw_3cyv_37rsfreec":                                "Cython",
		"__Pyx_PyObject_FastCallDict":                            "Cython",
		"__Pyx__PyObject_CallOneArg":                             "Cython",
		"__pyx_pymod_create":                                     "Cython",
		"__pyx_tp_dealloc_3cyv_Class":                            "Cython",
		"__pyx_getprop_3pkg_3sub_3mod_5Class_prop":               "Cython",
		"__pyx_pf_3pkg_3sub_3mod_2ab_4__reduce_cython__":         "Cython",
		"__pyx_f_3pkg_3sub_3mod___pyx_unpickle_ab__set_state":    "Cython",
		"__pyx_pf_3pkg_3sub_3mod_42__pyx_unpickle_ab":            "Cython",
		"__pyx_pf_3cyv_36rsfreec":                                "",
		"__pyx_gb_3cyv_14generator2":                             "",
		"__pyx_fuse_1__pyx_f_3cyv_fused_c":                       "",
		"__pyx_pymod_exec_cyv":                                   "",
		"__pyx_fuse_0_1__pyx_pw_3pkg_3sub_3mod_45fused_def.cold": "Cython",
		"__pyx_pf_3cyv_36rsfreec.constprop.0":                    "",
		"__pyx_f_3cyv_helper_read.isra.0":                        "",
		"__pyx_FusedFunction_call":                               "Cython",
	} {
		frames := []model.Frame{{Function: symbol, File: "/src/cyv.c", Line: 3}}
		Frames(frames, Options{})
		assert.Equal(t, machinery, frames[0].Machinery, symbol)
		assert.Equal(t, machinery != "", frames[0].Runtime, symbol)
		assert.Equal(t, model.LanguageCython, frames[0].Language, symbol)
	}
}

func TestCythonByFile(t *testing.T) {
	for _, file := range []string{"/src/cyv.pyx", "cyv.pxd", "inc/part.pxi"} {
		frames := []model.Frame{{Function: "inline_helper", Language: model.LanguageC, File: file, Line: 1}}
		Frames(frames, Options{})
		assert.Equal(t, model.LanguageCython, frames[0].Language, file)
		assert.False(t, frames[0].Runtime)
	}
}

// What looks like a Cython symbol and is none stays as it is.
func TestNotCythonNames(t *testing.T) {
	for _, symbol := range []string{
		"__pyx_pf_", "__pyx_pf_3", "__pyx_pf_3cyv", "__pyx_pf_3cyv_", "__pyx_pf_99999999999999999999cyv_f", "__pyx_pf_03cyv_f", "__pyx_f_cyv",
		"__pyx_fuse_", "__pyx_U", "__pyx_Upf_", "__pyx_Upf_3mod_f_~~", "__pyx_Upf_3mod_f_99999999999999", "__pyx_pymod_exec_", "__pyx_lambda_funcdef_",
		"__pyx_pf_" + strings.Repeat("1a_", 4000) + "f",
	} {
		got, lang := Demangle(symbol)
		assert.Equal(t, symbol, got)
		assert.Equal(t, model.LanguageUnknown, lang)
	}
}
