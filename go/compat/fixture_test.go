package compat_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fixtures are built by the compilers when the tests run.

const sourceHeader = `
#ifndef STEP_H
#define STEP_H
static inline __attribute__((always_inline)) int step_twice(int x, volatile int *sink) {
    *sink += x;
    return x * 3 + *sink;
}
#endif
`

const sourceC = `
#include <stdlib.h>
#include <string.h>
#include "sub/step.h"

volatile int sink;
static int hidden_table[16] = {1, 2, 3};
const char visible_name[] = "visible";

static inline __attribute__((always_inline)) int middle(int x) {
    int once = step_twice(x, &sink);
    return once + step_twice(once + 1, &sink);
}

__attribute__((noinline)) int outer(int x) {
    int got = middle(x);
    if (__builtin_expect(got == 12345, 0)) {
        sink = hidden_table[x & 15];
        abort();
    }
    return got + middle(got);
}

__attribute__((noinline)) static int walk(int *pairs, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) { if (pairs[i] & 1) sum += outer(pairs[i]); else for (int j = 0; j < i; j++) sum ^= middle(j); }
    return sum;
}

int main(int argc, char **argv) {
    int *pairs = calloc(sizeof *pairs, (size_t)(argc + 3));
    memset(pairs, argc, sizeof *pairs * (size_t)(argc + 3));
    int sum = walk(pairs, argc + 3);
    free(pairs);
    return (sum + visible_name[argc & 3] + (argv == 0)) & 1;
}
`

const sourceCPP = `
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>
namespace shop {
template <typename T> struct Shelf {
    std::vector<T> items;
    void put(T item) { items.push_back(item); std::sort(items.begin(), items.end(), [](T a, T b) { return b < a; }); }
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

// sourceLocal has functions of internal linkage, for which gcc writes no linkage
// name.
const sourceLocal = `
#define ALONE __attribute__((noinline))
ALONE static int squared(int x) { volatile int y = x; return y * y; }
template <typename T> ALONE static T halved(T x) { volatile T y = x; return y / 2; }
namespace {
ALONE int nameless(int x) { volatile int y = x; return y + 7; }
struct Counter { ALONE int next(int x) { volatile int y = x; return y - 1; } };
}
template <bool, typename T> struct When { typedef T type; };
template <typename T> struct IsFine { static const bool value = true; };
template <typename T> ALONE typename When<IsFine<T>::value, T *>::type chosen(T *x, T *y) { return *x ? x : y; }
int main(int argc, char **) {
    struct Inner { ALONE static int local(int x) { volatile int y = x; return y; } };
    auto alone = [](int x) ALONE { volatile int y = x; return y; };
    return squared(argc) + halved(argc) + nameless(argc) + Counter().next(argc) + Inner::local(argc) + alone(argc) + *chosen(&argc, &argc);
}
`

const sourceRust = `
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
fn main() {
    let mut map = BTreeMap::new();
    for i in 0..std::env::args().count() as u64 + 20 {
        map.entry(i % 7).or_insert_with(|| store::Item { name: i.to_string(), count: 0 }).bump(i);
    }
    let labels: Vec<String> = map.values().map(|i| i.label()).collect();
    println!("{}", fold(&labels.iter().map(|l| l.len() as u32).collect::<Vec<u32>>()));
}
`

const sourceGo = `package main

import (
	"fmt"
	"os"
	"strings"
)

//go:noinline
func counted(words []string) map[string]int {
	counts := map[string]int{}
	for _, w := range words {
		counts[tidy(w)]++
	}
	return counts
}

func tidy(w string) string { return strings.TrimSpace(w) }

func main() { fmt.Println(counted(os.Args)) }
`

// sourceFree needs no headers, so that it builds for any machine.
const sourceFree = `
volatile int sink;
static inline __attribute__((always_inline)) int middle(int x) { sink += x; return x * 3; }
__attribute__((noinline)) int outer(int x) { for (int i = 0; i < x; i++) x ^= middle(x + i); return x; }
void _start(void) { for (;;) sink = outer(sink) + middle(3); }
`

var fixtures struct {
	sync.Mutex
	dir   string
	built map[string]bool
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "compat-fixtures-")
	if err != nil {
		panic(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		panic(err)
	}
	fixtures.dir, fixtures.built = dir, map[string]bool{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func run(t testing.TB, dir string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GO111MODULE=on", "CGO_ENABLED=0", "GOWORK=off")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), output)
}

// recipes say how each fixture is built; "out" is the result.
var recipes = map[string]struct {
	sources  map[string]string
	commands [][]string
}{
	"c-gcc":    {sources: sourcesC, commands: [][]string{{"gcc", "-g", "-O2", "-Wl,--build-id", "-o", "out", "src/main.c"}}},
	"c-clang":  {sources: sourcesC, commands: [][]string{{"clang-19", "-g", "-O2", "-fdebug-info-for-profiling", "-Wl,--build-id", "-o", "out", "src/main.c"}}},
	"c-clang4": {sources: sourcesC, commands: [][]string{{"clang-19", "-g", "-gdwarf-4", "-O2", "-Wl,--build-id", "-o", "out", "src/main.c"}}},
	"c-plain":  {sources: sourcesC, commands: [][]string{{"gcc", "-g", "-gdwarf-4", "-O0", "-Wl,--build-id", "-o", "out", "src/main.c"}}},
	// Compiled in a folder that is called "./home", as distributions do it.
	"c-mapped": {sources: sourcesC, commands: [][]string{{"sh", "-c", "cd src && gcc -g -O2 -ffile-prefix-map=$PWD=./home -o ../out main.c"}}},
	"c-symbols": {sources: sourcesC, commands: [][]string{
		{"gcc", "-O1", "-o", "out", "src/main.c"}}},
	"c-stripped": {sources: sourcesC, commands: [][]string{
		{"gcc", "-O1", "-rdynamic", "-o", "out", "src/main.c"}, {"strip", "out"}}},
	"c-separate": {sources: sourcesC, commands: [][]string{
		{"gcc", "-g", "-O2", "-rdynamic", "-Wl,--build-id", "-o", "out", "src/main.c"},
		{"objcopy", "--only-keep-debug", "out", "out.debug"},
		{"objcopy", "--strip-debug", "--add-gnu-debuglink=out.debug", "out"}}},
	// As distributions ship it: the module keeps its public names only.
	"c-split": {sources: sourcesC, commands: [][]string{
		{"gcc", "-g", "-O2", "-rdynamic", "-Wl,--build-id", "-o", "out", "src/main.c"},
		{"objcopy", "--only-keep-debug", "out", "out.debug"},
		{"objcopy", "--strip-all", "--add-gnu-debuglink=out.debug", "out"}}},
	"c++-local": {sources: map[string]string{"local.cc": sourceLocal}, commands: [][]string{{"g++", "-g", "-O1", "-o", "out", "local.cc"}}},
	"c++":       {sources: map[string]string{"shop.cc": sourceCPP}, commands: [][]string{{"g++", "-g", "-O2", "-o", "out", "shop.cc"}}},
	"rust":      {sources: map[string]string{"main.rs": sourceRust}, commands: [][]string{{"rustc", "-g", "-O", "-o", "out", "main.rs"}}},
	"rust-v0": {sources: map[string]string{"main.rs": sourceRust}, commands: [][]string{
		{"rustc", "-g", "-Csymbol-mangling-version=v0", "-o", "out", "main.rs"}}},
	"go": {sources: map[string]string{"main.go": sourceGo, "go.mod": "module words\n\ngo 1.25\n"}, commands: [][]string{{"go", "build", "-o", "out", "."}}},
	"i386": {sources: map[string]string{"free.c": sourceFree}, commands: [][]string{{"clang-19", "--target=i386-linux-gnu",
		"-fuse-ld=lld-19", "-nostdlib", "-ffreestanding", "-static", "-g", "-O2", "-o", "out", "free.c"}}},
}

var sourcesC = map[string]string{"src/main.c": sourceC, "src/sub/step.h": sourceHeader}

// fixture builds the fixture of that name, once, and returns its path. A tool
// that is missing fails the test.
func fixture(t testing.TB, name string) string {
	t.Helper()
	fixtures.Lock()
	defer fixtures.Unlock()
	dir := filepath.Join(fixtures.dir, name)
	out := filepath.Join(dir, "out")
	if fixtures.built[name] {
		return out
	}
	recipe, ok := recipes[name]
	require.True(t, ok, name)
	for file, text := range recipe.sources {
		path := filepath.Join(dir, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, command := range recipe.commands {
		run(t, dir, command...)
	}
	fixtures.built[name] = true
	return out
}

// code returns addresses spread over the file's code.
func code(t testing.TB, path string, count int) []uint64 {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	text := file.Section(".text")
	require.NotNil(t, text)
	step := max(1, text.Size/uint64(count))
	var addrs []uint64
	for offset := uint64(0); offset < text.Size; offset += step {
		addrs = append(addrs, text.Addr+offset)
	}
	return addrs
}

// lines writes addresses as input: each in hexadecimal with the prefix, a line
// each.
func lines(prefix string, addrs []uint64) string {
	var text strings.Builder
	for _, addr := range addrs {
		fmt.Fprintf(&text, "%s%#x\n", prefix, addr)
	}
	return text.String()
}

// symbolValue is the address of a symbol.
func symbolValue(t testing.TB, path, name string) uint64 {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	at := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
	require.GreaterOrEqual(t, at, 0, name)
	return symbols[at].Value
}
