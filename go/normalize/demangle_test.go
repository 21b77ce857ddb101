package normalize

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// Rust's two manglings against the crate rustc-demangle (testdata/rust).
func TestDemangleRust(t *testing.T) {
	text, err := os.ReadFile("testdata/rust/pairs.tsv")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Greater(t, len(lines), 30)
	legacy := 0
	for _, line := range lines {
		symbol, want, _ := strings.Cut(line, "\t")
		got, lang := Demangle(symbol)
		assert.Equal(t, want, got, symbol)
		assert.Equal(t, model.LanguageRust, lang, symbol)
		if strings.HasPrefix(symbol, "_ZN") {
			legacy++
		}
		for _, suffix := range []string{".llvm.1234567890", ".cold"} {
			got, _ := Demangle(symbol + suffix)
			assert.Equal(t, want, got, symbol+suffix)
		}
	}
	assert.Positive(t, legacy)
}

var mangledName = regexp.MustCompile(`\b_Z\w+`)

// C++ against llvm-cxxfilt on the dynamic symbols of libstdc++.
func TestDemangleAgreesWithLLVM(t *testing.T) {
	library, err := exec.Command("g++", "-print-file-name=libstdc++.so.6").Output()
	require.NoError(t, err)
	symbols, err := exec.Command("nm", "-D", strings.TrimSpace(string(library))).Output()
	require.NoError(t, err)
	var names []string
	for i, name := range mangledName.FindAllString(string(symbols), -1) {
		// llvm does not know transaction clones (GT).
		if i%3 == 0 && !strings.HasPrefix(name, "_ZGTt") {
			names = append(names, name)
		}
	}
	require.Greater(t, len(names), 1000)
	filter := exec.Command("llvm-cxxfilt-19")
	filter.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	answer, err := filter.Output()
	require.NoError(t, err)
	wants := strings.Split(strings.TrimSpace(string(answer)), "\n")
	require.Len(t, wants, len(names))
	for i, name := range names {
		got, lang := Demangle(name)
		assert.Equal(t, wants[i] != name, lang == model.LanguageCPP, name)
		// llvm leaves out the space that keeps an operator and its template
		// arguments apart.
		assert.Equal(t, wants[i], strings.ReplaceAll(got, "operator<< <", "operator<<<"), name)
	}
}

func TestDemangle(t *testing.T) {
	for _, test := range []struct {
		name, want string
		lang       model.Language
	}{
		{"peek", "peek", model.LanguageUnknown},
		{"", "", model.LanguageUnknown},
		{"main.(*reader[go.shape.uint8]).at", "main.(*reader[go.shape.uint8]).at", model.LanguageUnknown},
		{"_ZnwmSt11align_val_t", "operator new(unsigned long, std::align_val_t)", model.LanguageCPP},
		{"_ZN3foo3barEi.part.0.cold", "foo::bar(int)", model.LanguageCPP},
		{"_ZN3foo3barEi.isra.0.constprop.1", "foo::bar(int)", model.LanguageCPP},
		// What a C++ demangler leaves of Rust's legacy names (llvm-symbolizer).
		{"core::ptr::drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$::h0123456789abcdef", "core::ptr::drop_in_place<alloc::vec::Vec<u8>>", model.LanguageRust},
		{"_$LT$rvictim..Holder$u20$as$u20$core..ops..drop..Drop$GT$::drop::hfedcba9876543210", "<rvictim::Holder as core::ops::drop::Drop>::drop", model.LanguageRust},
		{"rvictim::rs_closure_read::_$u7b$$u7b$closure$u7d$$u7d$::h0123456789abcdef", "rvictim::rs_closure_read::{{closure}}", model.LanguageRust},
		{"rvictim::peek::h0123456789abcdef", "rvictim::peek", model.LanguageRust},
		{"foo::has_no_hash", "foo::has_no_hash", model.LanguageUnknown},
		{"a$b", "a$b", model.LanguageUnknown},
		{"price$LT", "price$LT", model.LanguageUnknown},
		{"x$u110000$y", "x$u110000$y", model.LanguageUnknown},
		{"_Z", "_Z", model.LanguageUnknown},
		{"_R", "_R", model.LanguageUnknown},
		{"_ZNvalid", "_ZNvalid", model.LanguageUnknown},
		{"_RNvC6_123foo3bar", "123foo::bar", model.LanguageRust},
		{"__pyx_pf_3cyv_36rsfreec", "cyv.rsfreec", model.LanguageCython},
		{"__pyx_f_3cyv_helper_read", "cyv.helper_read", model.LanguageCython},
		{"__pyx_pf_3pkg_3mod_5Class_2method", "pkg.mod.Class.method", model.LanguageCython},
	} {
		got, lang := Demangle(test.name)
		assert.Equal(t, test.want, got, test.name)
		assert.Equal(t, test.lang, lang, test.name)
	}
}

// Long names pass through; nested ones end within bounds.
func TestDemangleBounds(t *testing.T) {
	long := "_Z" + strings.Repeat("P", maxNameBytes)
	got, _ := Demangle(long)
	assert.True(t, got == long, "a longer name passes through")

	for _, unit := range []string{"P", "N1a", "I", "S_", "B_", "C1a", "Nv", "INv", "R", "T", "FK", "DN", "L_"} {
		for _, head := range []string{"_Z1f", "_R", "_RNvC1a", "_RINvC1a1b", "_ZN"} {
			got, _ := Demangle(head + strings.Repeat(unit, (maxNameBytes-16)/len(unit)))
			assert.LessOrEqual(t, len(got), 1<<(maxReadablePow2+1), head+unit)
		}
	}
	// Each backreference doubles what stands before it.
	doubling := "_RINvC1a1b" + strings.Repeat("TB_B_E", 2000) + "E"
	got, _ = Demangle(doubling)
	assert.LessOrEqual(t, len(got), 1<<(maxReadablePow2+1))
}

func TestDropCloneSuffixes(t *testing.T) {
	for name, want := range map[string]string{
		"f.cold": "f", "f.cold.3": "f", "f.part.0": "f", "f.isra.0.cold": "f", "f.constprop.12": "f", "f.llvm.123": "f",
		"f.lto_priv.0": "f", "f.abi0": "f", "f.part": "f.part", "f.other": "f.other", "f.1": "f.1", ".cold": ".cold", "": "", "f.": "f.", "f.llvm.x": "f.llvm.x",
	} {
		assert.Equal(t, want, dropCloneSuffixes(name), name)
	}
}

func FuzzDemangle(f *testing.F) {
	for _, file := range []string{"testdata/rust/pairs.tsv", "testdata/cython/pairs.tsv"} {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
			symbol, _, _ := bytes.Cut(line, []byte("\t"))
			f.Add(string(symbol))
		}
	}
	for _, seed := range []string{"_ZN3foo3barEi.cold", "core::x$LT$..$GT$::h0123456789abcdef", "_cgo_edd9ce9f9617_Cfunc_c_read", "main.(*r[go.shape.uint8]).at", "gopkg.in/yaml%2ev3.F", "_RINvC1a1bTB_B_EE"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, lang := Demangle(name)
		assert.LessOrEqual(t, len(got), max(len(name), 1<<(maxReadablePow2+1)))
		if utf8.ValidString(name) && lang == model.LanguageUnknown {
			assert.Equal(t, name, got, "a name that is not mangled comes back as it is")
		}
		frames := []model.Frame{{Function: name}, {Function: name, File: "/src/x.go"}, {LinkageName: name, File: "x.c"}}
		Frames(frames, Options{})
		assert.Len(t, frames, 3)
	})
}

func BenchmarkDemangle(b *testing.B) {
	for name, symbol := range map[string]string{
		"rust":   "_RINvMCsd7U9rWHuKO9_5namesINtB3_6HolderThReEE4eachNCNvB3_5entrys_0EB3_",
		"c++":    "_ZNSt6vectorIiSaIiEE9push_backERKi",
		"cython": "__pyx_pf_3pkg_3sub_3mod_5Class_8method_2",
		"plain":  "c_read",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(symbol)))
			for i := 0; i < b.N; i++ {
				Demangle(symbol)
			}
		})
	}
}
