package merge_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/symbolize"
)

// victim has three faults, two of them in one function, behind calls that an
// optimizing compiler inlines and others that it must not.
const victim = `#include <stdlib.h>
/* above */
static int peek(const volatile char *p, int i) {
	return p[i];
}
static int look(const volatile char *p, int i) { return peek(p, i) + 1; }
__attribute__((noinline)) int faults(volatile char *p, int which) {
	int sum = 0;
	if (which == 0)
		sum += look(p, 3); /* fault 0 */
	if (which == 1)
		sum += look(p, 3) * 2; /* fault 1 */
	if (which == 2)
		p[4] = 1; /* fault 2 */
	return sum;
}
__attribute__((noinline)) void release(char *p) { free(p); }
int main(int argc, char **argv) {
	char *p = malloc(64);
	release(p);
	int sum = faults(p, argc - 1);
	(void)argv;
	return sum & 1;
}
`

// split has a function that gcc cuts in two from -O2 on: its test is inlined,
// its rest is called (heavy.part.0).
const split = `#include <stdlib.h>
#include <stdio.h>
int heavy(volatile char *p, int n) {
	if (n == 0)
		return 0;
	int s = 0;
	for (int i = 0; i < n; i++) {
		s += p[i] * 3; /* fault */
		if (s > 1000000) { puts("x"); puts("y"); puts("z"); s = getchar(); }
		puts("a");
	}
	for (int i = 0; i < n; i++) {
		s += p[i] * 5;
		if (s > 1000000) { puts("x"); puts("y"); puts("z"); s = getchar(); }
		puts("b");
	}
	return s;
}
__attribute__((noinline)) int a(volatile char *p, int n) { return heavy(p, n) + 1; }
__attribute__((noinline)) int b(volatile char *p, int n) { return heavy(p, n) + 2; }
__attribute__((noinline)) int c(volatile char *p, int n) { return heavy(p, n) + 3; }
int main(int argc, char **argv) {
	char *p = malloc(8);
	(void)argv;
	free(p);
	return a(p, argc) + b(p, 0) + c(p, 0);
}
`

type build struct {
	folder   string
	source   string
	compiler string // clang-19 where empty
	flags    []string
}

// run builds the victim and gives the one report of its fault.
func (b build) run(t *testing.T, fault int) model.Report {
	t.Helper()
	source := filepath.Join(b.folder, "victim.c")
	program := filepath.Join(b.folder, "victim"+strings.Join(b.flags, ""))
	if _, err := os.Stat(program); err != nil {
		require.NoError(t, os.MkdirAll(b.folder, 0o755))
		require.NoError(t, os.WriteFile(source, []byte(b.source), 0o644))
		args := append([]string{"-fsanitize=address", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-Wl,--build-id", "-o", program, source}, b.flags...)
		compiler := b.compiler
		if compiler == "" {
			compiler = "clang-19"
		}
		out, err := exec.Command(compiler, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	command := exec.Command(program, make([]string, fault)...)
	command.Env = append(os.Environ(), "ASAN_OPTIONS=symbolize=0:detect_leaks=0")
	log, err := command.CombinedOutput()
	require.Error(t, err, "the fault must be caught")
	// gcc's runtime names no build IDs; the program is our own.
	opts := ffikit.Options{Symbolize: symbolize.Options{TrustPaths: b.compiler != ""}}
	set, err := ffikit.Read(opts, ffikit.Log{Name: "log", Reader: bytes.NewReader(log)})
	require.NoError(t, err)
	require.Len(t, set.Reports, 1, "%s", log)
	return set.Reports[0]
}

// A fingerprint survives another folder, a line inserted above, and another
// optimization level; the three faults never share one.
func TestFingerprintsOfRealBuilds(t *testing.T) {
	folder := t.TempDir()
	inserted := strings.Replace(victim, "/* above */", "/* above */\nint unrelated;\n\n", 1)
	builds := map[string]build{
		"as it is":       {folder: filepath.Join(folder, "a"), source: victim, flags: []string{"-O1"}},
		"another folder": {folder: filepath.Join(folder, "b/deeper"), source: victim, flags: []string{"-O1"}},
		"lines inserted": {folder: filepath.Join(folder, "c"), source: inserted, flags: []string{"-O1"}},
		"not inlined":    {folder: filepath.Join(folder, "d"), source: victim, flags: []string{"-O1", "-fno-inline"}},
		"optimized":      {folder: filepath.Join(folder, "e"), source: victim, flags: []string{"-O2"}},
	}
	marked := strings.Split(victim, "\n")
	prints := map[string]int{}
	for fault := 0; fault < 3; fault++ {
		first := builds["as it is"].run(t, fault)
		for name, b := range builds {
			again := b.run(t, fault)
			assert.Equal(t, first.Fingerprint, again.Fingerprint, "fault %d: %s: %s", fault, name, functions(again))
			require.NotNil(t, again.Blame, name)
		}
		if other, ok := prints[first.Fingerprint]; ok {
			t.Errorf("faults %d and %d share a fingerprint", fault, other)
		}
		prints[first.Fingerprint] = fault
		frame := callerIn(t, first, "faults")
		assert.Contains(t, marked[frame.Line-1], "fault "+string(rune('0'+fault)))
	}
	inlined := builds["optimized"].run(t, 0)
	plain := builds["not inlined"].run(t, 0)
	assert.NotEqual(t, inlinedFrames(inlined), inlinedFrames(plain), "the builds must differ in inlining, or this test shows nothing")
}

// gcc splits a function at one level and not at another: that, too, is a
// difference in inlining alone.
func TestFingerprintOfASplitFunction(t *testing.T) {
	folder := t.TempDir()
	whole := build{folder: folder, source: split, compiler: "gcc", flags: []string{"-O1"}}.run(t, 0)
	cut := build{folder: folder, source: split, compiler: "gcc", flags: []string{"-O2"}}.run(t, 0)
	assert.Equal(t, 1, strings.Count(functions(whole), "heavy"), functions(whole))
	assert.Equal(t, 2, strings.Count(functions(cut), "heavy"), "gcc has not split it, this shows nothing: %s", functions(cut))
	assert.Equal(t, whole.Fingerprint, cut.Fingerprint)
}

func callerIn(t *testing.T, r model.Report, function string) model.Frame {
	t.Helper()
	for _, f := range r.Stacks[r.Blame.Stack].Frames {
		if f.Function == function {
			return f
		}
	}
	require.Fail(t, "no frame of "+function, functions(r))
	return model.Frame{}
}

func inlinedFrames(r model.Report) int {
	n := 0
	for _, f := range r.Stacks[0].Frames {
		if f.Inlined {
			n++
		}
	}
	return n
}

func functions(r model.Report) string {
	var names []string
	for _, s := range r.Stacks {
		for _, f := range s.Frames {
			names = append(names, f.Function)
		}
		names = append(names, "|")
	}
	return strings.Join(names, " ")
}
