package object_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const fixtureSource = `
#include <math.h>
int counter;
__attribute__((noinline)) double root(double x) { counter++; return sqrt(x); }
static __attribute__((noinline)) int hidden(int x) { return x * 3 + counter; }
int visible(int x) { return hidden(x) + (int)root(x); }
`

// freestanding is the smallest program with all that is read: for the fuzzer.
const freestanding = `
static inline __attribute__((always_inline)) int twice(int x) { return x * 2; }
__attribute__((noinline)) int outer(int x) { return twice(x) + 1; }
void _start(void) { for (;;) outer(3); }
`

// compile builds source in a folder of its own and returns the path of the
// result. A compiler that is missing fails the test.
func compile(t testing.TB, source string, command ...string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unit.c"), []byte(source), 0o644))
	run(t, dir, append(command, "-o", "out", "unit.c", "-lm")...)
	return filepath.Join(dir, "out")
}

func run(t testing.TB, dir string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), output)
	return string(output)
}

func sharedLibrary(t testing.TB) string {
	return compile(t, fixtureSource, "gcc", "-g", "-O1", "-shared", "-fPIC", "-Wl,--build-id",
		"-Wl,-soname,libunit.so.3", "-Wl,-rpath,$ORIGIN/lib:/opt/lib", "-Wl,-z,nodelete", "-Wl,--no-as-needed")
}

func freestandingProgram(t testing.TB, flags ...string) string {
	return compile(t, freestanding, append([]string{"gcc", "-nostdlib", "-static", "-O1", "-g", "-Wl,--build-id"}, flags...)...)
}
