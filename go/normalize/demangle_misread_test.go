package normalize

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sourceUnresolved has functions whose types depend on values of templates.
const sourceUnresolved = `
namespace std { template <bool, class T = void> struct enable_if {}; template <class T> struct enable_if<true, T> { typedef T type; }; }
struct Foo {};
struct Own { template <class U> struct deep { static const bool value = true; template <class V> struct deep2 { static const bool value = true; }; }; };
template <class T> struct is_ok { static const bool value = true; };
template <class T> constexpr bool isr = true;
namespace ns { template <class T> struct in { template <class U> struct deep { static const bool value = true; }; }; }
template <class T> typename std::enable_if<is_ok<T>::value, T *>::type pick(T *a, T *b) { return a ? a : b; }
template <class T> typename std::enable_if<!is_ok<T>::value || is_ok<T *>::value, T *>::type two(std::enable_if<true, T> *, T *a, T *b) { return a ? a : b; }
template <class T> typename std::enable_if<ns::in<T>::template deep<T *>::value, T *>::type nested(T *a, T *b) { return a ? a : b; }
template <class T> typename std::enable_if<T::template deep<T *>::value, Foo *>::type member(T *, T *) { return 0; }
template <class T> typename std::enable_if<T::template deep<T *>::template deep2<T>::value, Foo *>::type members(T *, T *) { return 0; }
template <class T> typename std::enable_if<isr<T>, T *>::type plain(T *a, T *b) { return a ? a : b; }
template <class T> struct timer_isr {};
namespace of_isr { template <class T> int handle(timer_isr<T> *, timer_isr<T> *) { return 0; } }
int main() {
    Foo f; Own o; timer_isr<Foo> t;
    pick(&f, &f), two((std::enable_if<true, Foo> *)0, &f, &f), nested(&f, &f), member(&o, &o), members(&o, &o), plain(&f, &f), of_isr::handle(&t, &t);
}
`

// Names with unresolved names in them are read right or not at all: of the
// compilers' output, and of a large library.
func TestUnresolvedNamesAreNeverWrong(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "names.cc"), []byte(sourceUnresolved), 0o644))
	library, err := exec.Command("clang-19", "-print-file-name=libclang-cpp.so.19.1").Output()
	require.NoError(t, err)
	objects := []string{strings.TrimSpace(string(library))}
	for _, compiler := range []string{"g++", "clang++-19"} {
		object := filepath.Join(dir, compiler+".o")
		output, err := exec.Command(compiler, "-std=c++17", "-c", "-o", object, filepath.Join(dir, "names.cc")).CombinedOutput()
		require.NoError(t, err, string(output))
		objects = append(objects, object)
	}
	misread, readable := 0, 0
	for i, object := range objects {
		args := []string{"--format=posix", object}
		if i == 0 {
			args = slices.Insert(args, 0, "-D")
		}
		symbols, err := exec.Command("nm", args...).Output()
		require.NoError(t, err)
		names := regexp.MustCompile(`(?m)^_Z\w*sr\w*`).FindAllString(string(symbols), -1)
		require.NotEmpty(t, names, object)
		slices.Sort(names)
		names = slices.Compact(names)
		for j, want := range filtered(t, "llvm-cxxfilt-19", names) {
			got, _ := Demangle(names[j])
			switch {
			case Misread(names[j]):
				misread++
				assert.Equal(t, names[j], got)
			case got != names[j] && want != names[j]:
				readable++
				assert.Equal(t, want, strings.ReplaceAll(got, "operator<< <", "operator<<<"), names[j])
			}
		}
	}
	assert.Greater(t, misread, 30)
	assert.Greater(t, readable, 30)
}

// filtered are the names as a demangling filter reads them.
func filtered(t *testing.T, filter string, names []string) []string {
	t.Helper()
	cmd := exec.Command(filter)
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	answer, err := cmd.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	require.Len(t, lines, len(names))
	return lines
}

func TestMisread(t *testing.T) {
	for name, want := range map[string]bool{
		"_Z4pickI3FooENSt9enable_ifIXsr5is_okIT_EE5valueEPS2_E4typeES3_S3_":                             true,
		"_Z5pick4I3OwnENSt9enable_ifIXsrNT_4deepIPS2_EE5valueEP3FooE4typeES3_S3_":                       true,
		"_Z5pick3I3FooENSt9enable_ifIXsr2ns2inIT_E4deepIPS2_EE5valueES3_E4typeES3_S3_":                  true,
		"_ZN4llvm10checkedAddIlEENSt9enable_ifIXsr3stdE11is_signed_vIT_EESt8optionalIS2_EE4typeES2_S2_": false, // no arguments in the scope
		"_Z1fI3FooENSt9enable_ifIXsr5is_okIT_EE5valueEiE4typeEi":                                        false, // nothing refers back
		"_ZN6of_isr9timer_isrI3FooE6handleEPS1_S2_":                                                     false, // identifiers
		"_ZN9timer_isr5abcdeI3FooEEvPS1_S2_":                                                            false,
		"":                                                                                              false,
		"sr":                                                                                            false,
		"_Zsr":                                                                                          false, "_ZsrN": false, "_Zsr9": false, "S_sr1": false, "sr99999999999999999999S_": false, "sr1S_": false, "sr1II_S_": true,
	} {
		assert.Equal(t, want, Misread(name), name)
	}
}
