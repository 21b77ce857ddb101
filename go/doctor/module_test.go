package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The healthy recipe; each seeded fault leaves out or turns round one part.
const healthy = "-g -gdwarf-5 -O1 -fPIC -shared -fsanitize=address,undefined -fno-omit-frame-pointer " +
	"-fno-optimize-sibling-calls -shared-libasan -Wl,--build-id"

const librarySource = `
int __attribute__((noinline)) record_size(const int *record) { return record[0]; }
int record_twice(const int *record) { return record_size(record + 1); }
`

const programSource = `int main(void) { return 0; }`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func execute(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// compile builds one C source with the compiler and gives the product's path.
func compile(t *testing.T, compiler, source, flags string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "record.c", source)
	execute(t, dir, nil, compiler, append(strings.Fields(flags), "record.c", "-o", "record.so")...)
	return filepath.Join(dir, "record.so")
}

// buildGo builds a c-shared Go library, with -asan or without.
func buildGo(t *testing.T, asan bool) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.test/store\n\ngo 1.25\n")
	write(t, dir, "main.go", "package main\n\nimport \"C\"\n\n//export StoreSize\nfunc StoreSize() C.int { return 3 }\n\nfunc main() {}\n")
	args := []string{"build", "-buildmode=c-shared", "-o", "libstore.so"}
	cFlags, linkFlags := "-g -O1 -fno-omit-frame-pointer -fno-optimize-sibling-calls", "-g"
	if asan {
		args = append(args, "-asan")
		cFlags += " -fsanitize=address,undefined -fno-sanitize=function,vptr"
		linkFlags += " -fsanitize=address,undefined -shared-libasan"
	}
	env := []string{"CC=clang-19", "CGO_ENABLED=1", "GOFLAGS=", "CGO_CFLAGS=" + cFlags, "CGO_LDFLAGS=" + linkFlags}
	execute(t, dir, env, "go", append(args, ".")...)
	return filepath.Join(dir, "libstore.so")
}

func checks(findings []Finding) []Check {
	names := []Check{}
	for _, finding := range findings {
		names = append(names, finding.Check)
	}
	return names
}

func examine(t *testing.T, paths ...string) []Finding {
	t.Helper()
	modules, unread := FindModules(paths)
	require.Empty(t, unread)
	require.Len(t, modules, len(paths))
	return CheckModules(modules)
}

func TestHealthyModulesAreSilent(t *testing.T) {
	library := compile(t, "clang-19", librarySource, healthy)
	assert.Empty(t, examine(t, library, buildGo(t, true)))
}

func TestSeededModuleFaults(t *testing.T) {
	library := compile(t, "clang-19", librarySource, healthy)
	without := func(flag string) string { return strings.Replace(healthy, flag, "", 1) }
	program := strings.NewReplacer("-shared ", "", "-shared-libasan", "").Replace(healthy)
	for name, seed := range map[string]struct {
		want  []Check
		paths []string
	}{
		"static runtime in a program": {[]Check{CheckStaticRuntime},
			[]string{compile(t, "clang-19", programSource, program)}},
		"gcc's runtime beside clang's": {[]Check{CheckTwoRuntimes},
			[]string{library, compile(t, "gcc", librarySource, strings.Replace(without("-shared-libasan"), ",undefined", "", 1))}},
		"static and shared runtime": {[]Check{CheckStaticRuntime, CheckTwoRuntimes},
			[]string{compile(t, "clang-19", programSource, program), library}},
		"Go without -asan": {[]Check{CheckGoWithoutASan},
			[]string{library, buildGo(t, false)}},
		"C without -fsanitize beside one with": {[]Check{CheckNotInstrumented},
			[]string{library, compile(t, "clang-19", librarySource, without("-fsanitize=address,undefined"))}},
		"tail calls, clang": {[]Check{CheckTailCalls},
			[]string{compile(t, "clang-19", librarySource, strings.Replace(without("-fno-optimize-sibling-calls"), "-O1", "-O2", 1))}},
		"tail calls, gcc": {[]Check{CheckTailCalls},
			[]string{compile(t, "gcc", librarySource, "-g -O2 -fPIC -shared -Wl,--build-id")}},
		"no debug information": {[]Check{CheckNoDebugInfo},
			[]string{compile(t, "clang-19", librarySource, strings.Replace(without("-gdwarf-5"), "-g ", "", 1))}},
		"no build ID": {[]Check{CheckNoBuildID},
			[]string{compile(t, "clang-19", librarySource, strings.Replace(healthy, "--build-id", "--build-id=none", 1))}},
	} {
		t.Run(name, func(t *testing.T) {
			findings := examine(t, seed.paths...)
			assert.ElementsMatch(t, seed.want, checks(findings))
			for _, finding := range findings {
				assert.NotEmpty(t, finding.Remedy)
				assert.Contains(t, finding.String(), finding.Remedy)
				assert.Contains(t, finding.Subject, filepath.Dir(seed.paths[0])[:4])
			}
		})
	}
}

func TestFolderIsSearched(t *testing.T) {
	library := compile(t, "clang-19", librarySource, healthy)
	modules, unread := FindModules([]string{filepath.Dir(library)})
	assert.Empty(t, unread)
	require.Len(t, modules, 1, "record.c is no object file and is passed over")
	assert.Equal(t, library, modules[0].Path)
	assert.True(t, modules[0].Instrumented)
	assert.Equal(t, asanVersion, modules[0].ASanVersion)
}

func TestNamedFilesMustBeObjects(t *testing.T) {
	text := write(t, t.TempDir(), "notes.txt", "no object file")
	modules, unread := FindModules([]string{text, filepath.Join(t.TempDir(), "missing.so")})
	assert.Empty(t, modules)
	require.Len(t, unread, 2)
	assert.Equal(t, text, unread[0].File)
	assert.Contains(t, unread[0].Reason, "not an ELF file")
	assert.Equal(t, "missing.so", filepath.Base(unread[1].File))
	assert.Equal(t, "no such file or directory", unread[1].Reason, "the file's name stands beside it")
}

// A library that is cut off is no clean folder; a linker script named like one
// is of another format and is passed over.
func TestBrokenLibrariesOfAFolderAreTold(t *testing.T) {
	library := compile(t, "clang-19", librarySource, healthy)
	whole, err := os.ReadFile(library)
	require.NoError(t, err)
	dir := filepath.Dir(library)
	broken := write(t, dir, "libbroken.so", string(whole[:100]))
	write(t, dir, "libscript.so", "INPUT(-lrecord)\n")
	modules, unread := FindModules([]string{dir})
	require.Len(t, modules, 1)
	assert.Equal(t, library, modules[0].Path)
	require.Len(t, unread, 1)
	assert.Equal(t, broken, unread[0].File)
	assert.Contains(t, unread[0].Reason, "malformed ELF file")
	assert.NotContains(t, unread[0].Reason, broken)
}

func FuzzDeclaresTailCalls(f *testing.F) {
	f.Add([]byte{1, 0x48, 0, 0x82, 0x01, 0x19, 0, 0, 0})
	f.Add([]byte{1, 0x34, 0, 3, 0x21, 0x7f, 0, 0, 2, 0x48, 1, 0x95, 0x42, 0x19, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if declaresTailCalls(data) {
			assert.GreaterOrEqual(t, len(data), 4, "a tag, a flag and an attribute take four bytes")
		}
	})
}
