package arch

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/ffikit/ffikit/go"

// rooms says which packages of this module each package may import; a rule for
// "x/..." holds for all below x. A package without a rule fails the test: who
// makes a room decides what it may see.
var rooms = map[string][]string{
	"":      {"join", "merge", "model", "normalize", "report", "suppress", "symbolize", "trace"},
	"model": {},
	// Files of addresses.
	"object":    {"model"},
	"codemap":   {"model"},
	"dwarf":     {"codemap", "model", "object"},
	"symbolize": {"codemap", "model", "object", "ownfolder", "dwarf", "pclntab"},
	"pclntab":   {"codemap", "model", "object"},
	"compat":    {"dwarf", "model", "normalize", "object"},
	// Evidence.
	"report":            {"model", "report/asan", "report/lsan", "report/stackline", "report/ubsan"},
	"report/...":        {"model", "report/stackline"},
	"capture/preload":   {"object"},
	"capture/sanitizer": {"capture/preload", "object"},
	"capture/hunter":    {"capture/preload", "model", "object", "trace"},
	"capture/procmaps":  {"model", "object"},
	"debuginfod":        {"object", "ownfolder"},
	"trace":             {"model"},
	// Meaning.
	"normalize": {"model"},
	"merge":     {"model", "normalize"},
	"join":      {"model", "normalize", "trace"},
	"suppress":  {"model"},
	"samples":   {"merge", "model", "normalize", "symbolize", "trace"},
	"leak":      {"merge", "model", "normalize", "suppress"},
	// Showing.
	"render": {"model"},
	// Formats that libffikit does not write.
	"render/profile": {"model", "render"},
	"render/page":    {"model", "render"},
	"sources":        {},
	"ownfolder":      {},
	"handbook":       {},
	"doctor":         {"capture/sanitizer", "model", "object"},
	// Nobody imports commands: no list here names one.
	"cmd/ffikit":                    {"*"},
	"cmd/libffikit":                 {"", "model", "report", "object", "symbolize", "normalize", "merge", "render", "suppress", "trace", "cmd/libffikit/internal/handle"},
	"cmd/libffikit/internal/handle": {},
	// Tests only.
	"internal/...":            {},
	"internal/torture":        {"model"},
	"internal/torture/driver": {"codemap", "dwarf", "internal/torture", "model", "object", "pclntab", "symbolize"},
}

// foreign says which packages outside of this module and the standard library
// a room may import; all others none. "*" is any.
var foreign = map[string][]string{
	"compat":              {"github.com/ianlancetaylor/demangle"},
	"normalize":           {"github.com/ianlancetaylor/demangle"},
	"object":              {"github.com/klauspost/compress/*", "github.com/ulikunitz/xz"},
	"render/profile":      {"github.com/google/pprof/profile"},
	"cmd/ffikit":          {"*"},
	"internal/builtagent": {"github.com/stretchr/testify/require"},
	"internal/golden":     {"github.com/stretchr/testify/*"},
	// Bombs are packed by the libraries that unpack them.
	"internal/torture": {"github.com/klauspost/compress/*", "github.com/ulikunitz/xz"},
}

// neverLinked is what libffikit must not pull in, by whatever way: it lives in
// other people's processes.
var neverLinked = []string{"capture/hunter", "capture/preload", "capture/procmaps", "capture/sanitizer", "debuginfod", "doctor", "handbook", "render/page", "render/profile", "sources", "internal/golden"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
	CgoFiles   []string
	Error      *struct{ Err string }
}

// noteSources looks at every source file itself: go test keeps a passed result
// for as long as the files that the test looked at stay as they are, and does
// not know what `go list` has read.
func noteSources(t *testing.T) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			files++
			_, err = os.Stat(path)
		}
		return err
	}))
	require.Greater(t, files, 50)
}

func list(t *testing.T, env []string, args ...string) []listed {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,Deps,Standard,CgoFiles,Error"}, args...)...)
	command.Dir = "../.."
	command.Env = append(os.Environ(), env...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	require.NoError(t, err)
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if err == io.EOF {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}

func room(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// matches reports whether one of patterns ("a/b", "a/*", "*") fits name.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || wild && strings.HasPrefix(name, prefix)
	})
}

func ruleFor(name string) ([]string, bool) {
	if allowed, ok := rooms[name]; ok {
		return allowed, true
	}
	for parent := name; ; {
		slash := strings.LastIndexByte(parent, '/')
		if slash < 0 {
			return nil, false
		}
		parent = parent[:slash]
		if allowed, ok := rooms[parent+"/..."]; ok {
			return allowed, true
		}
	}
}

// violations gives every import that the rules do not allow, and every package
// without a rule.
func violations(packages []listed, standard map[string]bool) []string {
	var found []string
	for _, p := range packages {
		name, ok := room(p.ImportPath)
		if !ok {
			continue
		}
		allowed, ok := ruleFor(name)
		if !ok {
			found = append(found, "go/"+name+" has no rule: add one to go/internal/arch")
			continue
		}
		for _, imported := range p.Imports {
			other, own := room(imported)
			switch {
			case own && !matches(allowed, other), own && strings.HasPrefix(other, "cmd/") && !strings.HasPrefix(other, name+"/"):
				found = append(found, "go/"+name+" imports go/"+other)
			case !own && !standard[imported] && imported != "C" && !matches(foreign[name], imported):
				found = append(found, "go/"+name+" imports "+imported)
			}
		}
	}
	return found
}

func standardLibrary(t *testing.T) map[string]bool {
	t.Helper()
	standard := map[string]bool{}
	for _, p := range list(t, nil, "std") {
		standard[p.ImportPath] = true
	}
	require.Greater(t, len(standard), 100)
	return standard
}

func TestImports(t *testing.T) {
	noteSources(t)
	packages := list(t, nil, "./...")
	require.Greater(t, len(packages), 10)
	for _, p := range packages {
		assert.Nil(t, p.Error, p.ImportPath)
	}
	assert.Empty(t, violations(packages, standardLibrary(t)))
}

// The rules do refuse what they should.
func TestImportsAreRefused(t *testing.T) {
	standard := map[string]bool{"fmt": true}
	for _, bad := range []listed{
		{ImportPath: module + "/model", Imports: []string{module + "/object"}},
		{ImportPath: module + "/model", Imports: []string{"github.com/ianlancetaylor/demangle"}},
		{ImportPath: module + "/render", Imports: []string{module + "/normalize"}},
		{ImportPath: module + "/merge", Imports: []string{module + "/symbolize"}},
		{ImportPath: module + "/report/asan", Imports: []string{module + "/report"}},
		{ImportPath: module + "/doctor", Imports: []string{module + "/cmd/ffikit"}},
		{ImportPath: module + "/cmd/ffikit", Imports: []string{module + "/cmd/libffikit"}},
		{ImportPath: module + "/cmd/libffikit", Imports: []string{module + "/doctor"}},
		{ImportPath: module + "/new", Imports: []string{"fmt"}},
	} {
		assert.Len(t, violations([]listed{bad}, standard), 1, "%+v", bad)
	}
	assert.Empty(t, violations([]listed{
		{ImportPath: module + "/model", Imports: []string{"fmt"}},
		{ImportPath: module + "/cmd/ffikit", Imports: []string{module, module + "/doctor", "github.com/spf13/cobra", "fmt"}},
		{ImportPath: module + "/cmd/libffikit", Imports: []string{"C", module + "/cmd/libffikit/internal/handle"}},
		{ImportPath: "example.com/other", Imports: []string{"anything"}},
	}, standard))
}

// What libffikit links is small, through all that it imports.
func TestLibraryStaysSmall(t *testing.T) {
	packages := list(t, []string{"CGO_ENABLED=1"}, "./cmd/libffikit")
	require.Len(t, packages, 1)
	require.Contains(t, packages[0].Deps, module+"/model")
	for _, never := range neverLinked {
		assert.NotContains(t, packages[0].Deps, module+"/"+never)
	}
	assert.NotContains(t, packages[0].Deps, "net/http")
}

// Only cmd/libffikit is cgo; all else builds without, also for the systems
// that have pure-Go packages only.
func TestBuildsWithoutCgo(t *testing.T) {
	var pure []string
	for _, p := range list(t, []string{"CGO_ENABLED=1"}, "./...") {
		if name, _ := room(p.ImportPath); name != "cmd/libffikit" {
			assert.Empty(t, p.CgoFiles, p.ImportPath)
			pure = append(pure, p.ImportPath)
		}
	}
	require.Greater(t, len(pure), 10)
	for _, target := range []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"} {
		system, machine, _ := strings.Cut(target, "/")
		command := exec.Command("go", append([]string{"build"}, pure...)...)
		command.Dir = "../.."
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine, "GOFLAGS=-buildvcs=false")
		out, err := command.CombinedOutput()
		assert.NoError(t, err, "%s: %s", target, out)
	}
}
