package symbolize_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fixtures are built by the compilers themselves when the tests run: no
// binary is kept, and each compiler's newest habits are met.

// The C sources have functions that are inlined two deep, also out of a
// header, a cold part, a nested static, and lines that tests look for by their
// marker comments.
const fixtureHeader = `
#ifndef STEP_H
#define STEP_H
static inline __attribute__((always_inline)) int step_twice(int x, volatile int *sink) {
    *sink += x;      /* MARK: header */
    return x * 3 + *sink;
}
#endif
`

const fixtureC = `
#include <stdlib.h>
#include <string.h>
#include "sub/step.h"

volatile int sink;
struct pair { int a, b; };
enum colour { RED, GREEN, BLUE };

static inline __attribute__((always_inline)) int middle(int x) {
    int once = step_twice(x, &sink);  /* MARK: middle */
    return once + step_twice(once + 1, &sink);
}

__attribute__((noinline)) int outer(int x) {
    int got = middle(x);              /* MARK: outer */
    if (__builtin_expect(got == 12345, 0)) {
        sink = 7;
        abort();
    }
    return got + middle(got);
}

__attribute__((noinline)) static int walk(struct pair *pairs, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
        switch (pairs[i].a % 3) {
        case RED: sum += pairs[i].b; break;
        case GREEN: sum -= outer(pairs[i].b); break;
        default: sum ^= middle(i); break;
        }
    }
    return sum;
}

int entry(int argc) {
    struct pair *pairs = malloc(sizeof *pairs * (size_t)(argc + 3));
    memset(pairs, argc, sizeof *pairs * (size_t)(argc + 3));
    int sum = walk(pairs, argc + 3);  /* MARK: entry */
    free(pairs);
    return sum;
}

int main(int argc, char **argv) { (void)argv; return entry(argc) & 1; }
`

const fixtureCPP = `
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>
namespace shop {
template <typename T> struct Shelf {
    std::vector<T> items;
    void put(T item) { items.push_back(item); std::sort(items.begin(), items.end()); }
    T top() const { return items.empty() ? T{} : items.back(); }
};
struct Till { virtual ~Till() = default; virtual int ring(int) = 0; };
struct Loud : Till { std::map<std::string, int> seen; int ring(int x) override { return seen[std::to_string(x)]++ + x; } };
}
int main(int argc, char **) {
    shop::Shelf<int> shelf;
    for (int i = 0; i < argc + 9; i++) shelf.put(i ^ 5);
    shop::Loud till;
    auto add = [&](int x) { return till.ring(x) + shelf.top(); };
    std::printf("%d\n", add(argc));
}
`

const fixtureRust = `
use std::collections::BTreeMap;
pub mod store {
    #[derive(Debug, Clone)]
    pub struct Item { pub name: String, pub count: u64 }
    impl Item {
        #[inline(always)] pub fn bump(&mut self, by: u64) { self.count += by; }
        #[inline(never)] pub fn label(&self) -> String { format!("{}:{}", self.name, self.count) }
    }
}
#[inline(never)]
fn fold<T: Into<u64> + Copy>(xs: &[T]) -> u64 { xs.iter().map(|x| (*x).into()).filter(|x| x % 2 == 0).sum() }
#[no_mangle] pub extern "C" fn rs_entry(n: u64) -> u64 {
    let mut map = BTreeMap::new();
    for i in 0..n {
        let item = map.entry(i % 7).or_insert_with(|| store::Item { name: i.to_string(), count: 0 });
        item.bump(i); // MARK: rust
    }
    let labels: Vec<String> = map.values().map(|i| i.label()).collect();
    fold(&labels.iter().map(|l| l.len() as u32).collect::<Vec<u32>>())
}
fn main() { println!("{}", rs_entry(std::env::args().count() as u64 + 20)); }
`

const fixtureGo = `package main

import (
	"fmt"
	"os"
	"sort"
)

type number interface{ ~int | ~float64 }

func total[T number](xs []T) (sum T) {
	for _, x := range xs {
		sum += x
	}
	return sum
}

//go:noinline
func counted(words []string) map[string]int {
	counts := map[string]int{}
	for _, w := range words {
		counts[tidy(w)]++ // MARK: go
	}
	return counts
}

func tidy(w string) string { // MARK: inlined
	if len(w) > 3 {
		return w[:3]
	}
	return w
}

func main() {
	counts := counted(os.Args)
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	fmt.Println(keys, total([]int{1, 2, len(keys)}), total([]float64{1, 2}))
}
`

// fixtureBridge makes a library of it, in C and Go.
const fixtureBridge = `package main

/*
static int sink;
static __attribute__((noinline)) int plain(int x) {
    return sink += x; // MARK: c
}
*/
import "C"

//export Count
func Count(n C.int) C.int { return C.plain(C.int(len(counted(make([]string, int(n)))))) }
`

// fixtureFree needs no system headers, so that it builds for any machine.
const fixtureFree = `
#include "sub/step.h"
volatile int sink;
static inline __attribute__((always_inline)) int middle(int x) { return step_twice(x, &sink) + 1; }
__attribute__((noinline)) int outer(int x) {
    int got = middle(x);
    for (int i = 0; i < x; i++) got ^= middle(got + i);
    return got;
}
void _start(void) {
    for (;;) sink = outer(sink) + middle(3);
}
`

// fixtures holds what was built, by name.
var fixtures struct {
	sync.Mutex
	dir   string
	built map[string]string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "symbolize-fixtures-")
	if err != nil {
		panic(err)
	}
	fixtures.dir, fixtures.built = dir, map[string]string{}
	// What no test gives a cache answers without one, whoever runs the tests.
	if err := os.Setenv("FFIKIT_CACHE_DIR", "/dev/null/no-cache"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build writes the sources into a folder of their own, once a name, runs the
// command there, and returns the path of the file "out". A tool that is
// missing fails the test.
func build(t testing.TB, name string, sources map[string]string, command ...string) string {
	t.Helper()
	fixtures.Lock()
	defer fixtures.Unlock()
	if path, ok := fixtures.built[name]; ok {
		return path
	}
	dir := filepath.Join(fixtures.dir, name)
	for file, text := range sources {
		path := filepath.Join(dir, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	run(t, dir, command...)
	fixtures.built[name] = filepath.Join(dir, "out")
	return fixtures.built[name]
}

func run(t testing.TB, dir string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GO111MODULE=on", "CGO_ENABLED=0", "GOWORK=off")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), output)
}

var sourcesC = map[string]string{"src/main.c": fixtureC, "src/sub/step.h": fixtureHeader}

func buildC(t testing.TB, name, compiler string, flags ...string) string {
	command := append([]string{compiler, "-Wl,--build-id", "-o", "out"}, flags...)
	return build(t, name, sourcesC, append(command, "src/main.c")...)
}

// buildFor cross-compiles without headers, libraries and start files.
func buildFor(t testing.TB, target string, flags ...string) string {
	command := append([]string{"clang-19", "--target=" + target, "-fuse-ld=lld-19", "-nostdlib", "-ffreestanding",
		"-static", "-O2", "-Wl,--build-id", "-o", "out"}, flags...)
	return build(t, target, map[string]string{"free.c": fixtureFree, "sub/step.h": fixtureHeader}, append(command, "free.c")...)
}

func buildCPP(t testing.TB, name, compiler string, flags ...string) string {
	command := append([]string{compiler, "-Wl,--build-id", "-o", "out"}, flags...)
	return build(t, name, map[string]string{"shop.cc": fixtureCPP}, append(command, "shop.cc")...)
}

func buildRust(t testing.TB, name string, flags ...string) string {
	command := append([]string{"rustc", "-g", "-o", "out", "-Clink-arg=-Wl,--build-id"}, flags...)
	return build(t, name, map[string]string{"src/main.rs": fixtureRust}, append(command, "src/main.rs")...)
}

func buildGo(t testing.TB, name string, flags ...string) string {
	command := append([]string{"go", "build", "-o", "out"}, flags...)
	return build(t, name, map[string]string{"main.go": fixtureGo, "go.mod": "module words\n\ngo 1.25\n"}, append(command, ".")...)
}

func buildGoLibrary(t testing.TB) string {
	return build(t, "go-library", map[string]string{"main.go": fixtureGo, "bridge.go": fixtureBridge, "go.mod": "module words\n\ngo 1.25\n"},
		"env", "CGO_ENABLED=1", "CGO_CFLAGS=-g -O1", "go", "build", "-buildmode=c-shared", "-ldflags=-extldflags=-Wl,--build-id", "-o", "out", ".")
}

// smallC is the fixture for all that is not about one compiler.
func smallC(t testing.TB) string { return buildC(t, "small", "gcc", "-g", "-O2") }

// mark returns the number of the line of source that holds the marker.
func mark(t testing.TB, source, marker string) int {
	t.Helper()
	at := bytes.Index([]byte(source), []byte("MARK: "+marker))
	require.GreaterOrEqual(t, at, 0, "marker %q", marker)
	return 1 + strings.Count(source[:at], "\n")
}
