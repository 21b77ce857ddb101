package pclntab_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// The fixtures are built by the Go releases themselves when the tests run. One
// package has all that lines and names can be like, a program and a library are
// made of it.

const fixtureWork = `package work

import (
	"sort"
	"strconv"
	"strings"
)

type number interface{ ~int | ~float64 }

type pair[K comparable, V any] struct {
	key   K
	value V
}

func (p pair[K, V]) first() K { return p.key }

func total[T number](xs []T) (sum T) {
	for _, x := range xs {
		sum += twice(x) // MARK: generic
	}
	return sum
}

func twice[T number](x T) T { return x + x }

type visitor struct{ seen map[string]int }

// One line holds all of innermost; middle and outer are inlined as well.
func innermost(s string) int { return len(s) * 3 } // MARK: innermost

func middle(s string) int { // MARK: middle declared
	if len(s) > 4 {
		return innermost(s[1:]) // MARK: middle
	}
	return innermost(s)
}

//go:noinline
func (v *visitor) visit(words []string) int { // MARK: visit declared
	sum := 0
	for _, w := range words {
		v.seen[w]++
		sum += middle(w) // MARK: visit
	}
	defer func() { v.seen["end"] = sum }()
	return sum + table[sum&3](sum)
}

var table = [4]func(int) int{abs, func(x int) int { return x * x }, abs, func(x int) int { return -x }}

//go:noinline
func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}

//go:noinline
func grammar(x int) string { // MARK: grammar declared
	text := strconv.Itoa(x)
//line grammar.y:7
	text += strings.Repeat("y", x&7)
//line work.go:1000
	return text + strings.ToUpper(text)
}

type shape interface{ area() float64 }
type square struct{ side float64 }

func (s square) area() float64 { return s.side * s.side }

func Run(words []string) int {
	v := &visitor{seen: map[string]int{}}
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	shapes := []shape{square{2}, &square{3}}
	sum := v.visit(words) + int(total([]float64{shapes[0].area(), shapes[1].area()})) + total([]int{1, 2})
	for i := 0; i < len(words); i++ {
		sum += len(grammar(sum)) + len(pair[string, int]{words[i], i}.first())
	}
	return sum
}
`

const fixtureProgram = `package main

import (
	"os"
	"words/work"
)

func main() { println(work.Run(os.Args)) }
`

const fixtureLibrary = `package main

// static int plain(int x) { return x * 7; }
import "C"

import "words/work"

//export WordsRun
func WordsRun(n C.int) C.int { return C.plain(C.int(work.Run(make([]string, int(n))))) }

func main() { println(WordsRun(3)) }
`

const fixtureServer = `package main

// #include <string.h>
// static int length(const char *s) { return (int)strlen(s); }
import "C"

import (
	"net/http"
	"os/user"
	"words/work"
)

func main() {
	who, err := user.Current()
	println(who, err, work.Run(nil), C.length(C.CString("words")))
	println(http.ListenAndServeTLS("127.0.0.1:0", "", "", nil))
}
`

// releases are the last ones of each minor release, the same that the walker in
// rust/ffikit-unwind is tested with. They come by the go command itself. "local"
// is what the tests run with.
var releases = []string{"go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.14", "go1.26.11"}

// fixtures holds what was built, by name.
var fixtures struct {
	sync.Mutex
	dir   string
	built map[string]string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pclntab-fixtures-")
	if err != nil {
		panic(err)
	}
	fixtures.dir, fixtures.built = dir, map[string]string{}
	for name, text := range map[string]string{
		"go.mod": "module words\n\ngo 1.21\n", "work/work.go": fixtureWork,
		"program/main.go": fixtureProgram, "library/main.go": fixtureLibrary, "server/main.go": fixtureServer,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// makeFixture runs a command in the fixtures' folder, once a name, with OUT replaced
// by the path of what it makes, which is returned. What is missing fails the
// test.
func makeFixture(t testing.TB, name string, env []string, command ...string) string {
	t.Helper()
	fixtures.Lock()
	defer fixtures.Unlock()
	if path, ok := fixtures.built[name]; ok {
		return path
	}
	path := filepath.Join(fixtures.dir, name)
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "OUT", path)
	}
	run(t, env, command...)
	fixtures.built[name] = path
	return path
}

func run(t testing.TB, env []string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = fixtures.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GO111MODULE=on", "GOWORK=off", "CGO_ENABLED=0")
	cmd.Env = append(cmd.Env, env...)
	var output, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &problems
	require.NoError(t, cmd.Run(), "%s %s\n%s%s", strings.Join(env, " "), strings.Join(command, " "), &output, &problems)
	return output.String()
}

// goBuild builds the program or the library with a release.
func goBuild(t testing.TB, release, kind, source string, env []string, flags ...string) string {
	t.Helper()
	if release != "local" {
		env = append([]string{"GOTOOLCHAIN=" + release}, env...)
		requireRelease(t, release)
	}
	command := append([]string{"go", "build", "-o", "OUT"}, flags...)
	return makeFixture(t, release+"-"+kind, env, append(command, "./"+source)...)
}

// present are the releases that are known to be there.
var present sync.Map

func requireRelease(t testing.TB, release string) {
	t.Helper()
	if _, ok := present.Load(release); ok {
		return
	}
	cmd := exec.Command("go", "version")
	cmd.Dir, cmd.Env = fixtures.dir, append(os.Environ(), "GOTOOLCHAIN="+release)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "Go %s is needed: `GOTOOLCHAIN=%s go version` fetches it\n%s", release, release, output)
	require.Contains(t, string(output), release)
	present.Store(release, true)
}

var withCgo = []string{"CGO_ENABLED=1"}

func program(t testing.TB, release string) string {
	return goBuild(t, release, "exe", "program", nil)
}

func positionIndependent(t testing.TB, release string) string {
	return goBuild(t, release, "pie", "program", nil, "-buildmode=pie")
}

func library(t testing.TB, release string) string {
	return goBuild(t, release, "shared", "library", withCgo, "-buildmode=c-shared")
}

func stripped(t testing.TB, path string) string {
	return makeFixture(t, filepath.Base(path)+"-stripped", nil, "strip", "--strip-all", "-o", "OUT", path)
}

// open opens the table of the file at path.
func open(t testing.TB, path string) *pclntab.Table {
	t.Helper()
	file, err := object.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	table, err := pclntab.Open(file)
	require.NoError(t, err)
	return table
}

// mark returns the number of the line of fixtureWork that holds the marker.
func mark(t testing.TB, marker string) int {
	t.Helper()
	at := strings.Index(fixtureWork, "MARK: "+marker+"\n")
	require.GreaterOrEqual(t, at, 0, "marker %q", marker)
	return 1 + strings.Count(fixtureWork[:at], "\n")
}
