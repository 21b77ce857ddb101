package main

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bothPrograms is a folder with two sub-folders that hold llvm-symbolizer and
// addr2line: "real" the originals, "ours" links to our command.
func bothPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "", nil, "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "ffikit"), ".")
	for _, name := range []string{"real", "ours"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	for name, original := range map[string]string{"llvm-symbolizer": "llvm-symbolizer-19", "addr2line": "addr2line"} {
		path, err := exec.LookPath(original)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(dir, "real", name)))
		require.NoError(t, os.Symlink("../ffikit", filepath.Join(dir, "ours", name)))
	}
	return dir
}

// command runs a command that is to succeed and returns its standard output.
func command(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	out, errs, err := attempt(t, dir, env, args...)
	require.NoError(t, err, "%s\n%s%s", strings.Join(args, " "), out, errs)
	return out
}

// attempt runs a command with a cache of its own.
func attempt(t *testing.T, dir string, env []string, args ...string) (out, errs string, err error) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil {
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit), "%v", err)
	}
	return stdout.String(), stderr.String(), err
}

const faultSource = `#include <cstdlib>
#include <thread>
struct Shelf {
    int *items;
    __attribute__((noinline)) void fill(int n) {
        items = (int *)malloc(n * sizeof(int)); // MARK: allocated
        for (int i = 0; i < n; i++) items[i] = i;
    }
};
static inline __attribute__((always_inline)) void drop(Shelf &s) {
    free(s.items); // MARK: freed
}
template <typename T> __attribute__((noinline)) int use(T &s) {
    return s.items[3]; // MARK: used
}
int counter;
int table[10]; // MARK: table
static __attribute__((noinline)) void bump() {
    for (int i = 0; i < 1000; i++) counter++; // MARK: raced
}
int main(int argc, char **) {
    std::thread other(bump);
#ifdef RACE
    bump();
    other.join();
    return 0;
#elif defined OVERRUN
    other.join();
    return table[argc + 9];
#else
    other.join();
    Shelf s;
    s.fill(argc + 9);
    drop(s); // MARK: dropped
    return use(s);
#endif
}
`

func lineOfMark(t *testing.T, source, mark string) string {
	t.Helper()
	for i, line := range strings.Split(source, "\n") {
		if strings.HasSuffix(line, "MARK: "+mark) {
			return ":" + strconv.Itoa(i+1)
		}
	}
	require.Fail(t, "no mark "+mark)
	return ""
}

var (
	processes = regexp.MustCompile(`(==|pid=|tid=|\bT)\d+`)
	addresses = regexp.MustCompile(`\b(0x)?[0-9a-f]{8,16}\b`)
)

// steady is a report without what differs from run to run.
func steady(report string) string {
	return addresses.ReplaceAllString(processes.ReplaceAllString(report, "${1}N"), "ADDR")
}

// A sanitizer's runtime starts us, asks line by line while it holds the pipe,
// and prints the same report as with the original.
func TestSanitizersUseIt(t *testing.T) {
	dir := bothPrograms(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fault.cc"), []byte(faultSource), 0o644))
	used, freed, dropped := lineOfMark(t, faultSource, "used"), lineOfMark(t, faultSource, "freed"), lineOfMark(t, faultSource, "dropped")
	raced := lineOfMark(t, faultSource, "raced")
	for _, test := range []struct {
		name     string
		compile  []string
		program  string
		variable string // that takes the options
		options  string // a %s in them is the path of the program
		want     []string
	}{
		{"clang-llvm", []string{"clang++-19", "-fsanitize=address"}, "llvm-symbolizer", "ASAN_OPTIONS", "external_symbolizer_path=%s",
			[]string{"use<Shelf>(Shelf&)", "fault.cc" + used + ":", "fault.cc" + freed + ":", "fault.cc" + dropped + ":", "Shelf::fill(int)"}},
		{"gcc-llvm", []string{"g++", "-fsanitize=address"}, "llvm-symbolizer", "ASAN_OPTIONS", "external_symbolizer_path=%s",
			[]string{"use<Shelf>(Shelf&)", "fault.cc" + used, "fault.cc" + freed, "fault.cc" + dropped}},
		{"clang-addr2line", []string{"clang++-19", "-fsanitize=address"}, "addr2line", "ASAN_OPTIONS", "allow_addr2line=1:external_symbolizer_path=%s",
			[]string{"use<Shelf>(Shelf&)", "fault.cc" + used, "fault.cc" + freed, "fault.cc" + dropped}},
		{"gcc-addr2line", []string{"g++", "-fsanitize=address"}, "addr2line", "ASAN_OPTIONS", "allow_addr2line=1:external_symbolizer_path=%s",
			[]string{"fault.cc" + used, "fault.cc" + freed, "fault.cc" + dropped}},
		// These ask for data too.
		{"clang-global", []string{"clang++-19", "-fsanitize=address", "-DOVERRUN"}, "llvm-symbolizer", "ASAN_OPTIONS", "external_symbolizer_path=%s",
			[]string{"global variable 'table' defined in", "fault.cc" + lineOfMark(t, faultSource, "table") + "'"}},
		{"clang-tsan", []string{"clang++-19", "-fsanitize=thread", "-DRACE"}, "llvm-symbolizer", "TSAN_OPTIONS", "external_symbolizer_path=%s",
			[]string{"Location is global 'counter' of size 4", "bump()", "fault.cc" + raced + ":"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			binary := filepath.Join(dir, test.name)
			command(t, dir, nil, append(test.compile, "-g", "-O1", "-pthread", "-o", binary, "fault.cc")...)
			reports := map[string]string{}
			for _, whose := range []string{"real", "ours"} {
				program := filepath.Join(dir, whose, test.program)
				env := []string{"XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "ASAN_SYMBOLIZER_PATH=" + program,
					test.variable + "=color=never:" + strings.ReplaceAll(test.options, "%s", program)}
				// TSan wants its memory where it is without randomization.
				_, report, err := attempt(t, dir, env, "setarch", "-R", binary)
				require.Error(t, err, "no fault was found")
				reports[whose] = steady(report)
			}
			for _, want := range test.want {
				assert.Contains(t, reports["ours"], want)
			}
			if strings.Contains(test.variable, "TSAN") {
				// Which of the threads it is that meets the race changes.
				reports["real"], reports["ours"] = ownFrames(reports["real"]), ownFrames(reports["ours"])
			}
			if test.program == "addr2line" {
				// binutils names the file of a caller in libc by the wrong table.
				reports["real"], reports["ours"] = withoutStart(reports["real"]), withoutStart(reports["ours"])
			}
			assert.Equal(t, reports["real"], reports["ours"])
		})
	}
}

var startFrames = regexp.MustCompile(`(?m)^.*(__libc_start_|start_thread|clone|csu/).*$`)

func withoutStart(report string) string { return startFrames.ReplaceAllString(report, "(libc)") }

// ownFrames are the different frames of our own source, and the data.
func ownFrames(report string) string {
	own := map[string]bool{}
	for line := range strings.Lines(report) {
		if _, frame, ok := strings.Cut(line, "#"); ok && strings.Contains(frame, "fault.cc") {
			own[frame[1:]] = true
		}
		if strings.Contains(line, "Location is") {
			own[line] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(own)), "")
}

const busySource = `#include <stdio.h>
volatile unsigned sink;
static inline __attribute__((always_inline)) unsigned mix(unsigned x) {
    x ^= x << 13;
    x ^= x >> 17;
    return sink = x ^ x << 5; // MARK: mixed
}
__attribute__((noinline)) unsigned churn(unsigned n) {
    unsigned s = 1;
    for (unsigned i = 0; i < n; i++) s += mix(s + i);
    return s;
}
int main(void) {
    unsigned t = 0;
    for (unsigned i = 0; i < 100; i++) t ^= churn(1000000) + i; // MARK: called
    printf("%u\n", t);
    return 0;
}
`

// perf starts addr2line from PATH, once for each object, and asks line by line.
func TestPerfUsesIt(t *testing.T) {
	dir := bothPrograms(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "busy.c"), []byte(busySource), 0o644))
	command(t, dir, nil, "gcc", "-g", "-O2", "-fno-omit-frame-pointer", "-o", "busy", "busy.c")
	env := func(whose string) []string {
		return []string{"HOME=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"),
			"PATH=" + filepath.Join(dir, whose) + ":" + os.Getenv("PATH")}
	}
	for _, graph := range []string{"fp", "dwarf"} {
		data := "perf." + graph
		out, errs, err := attempt(t, dir, env("real"), "perf", "record", "-q", "-o", data, "-F", "500", "-e", "cpu-clock", "--call-graph", graph, "./busy")
		if err != nil && strings.Contains(errs, "perf_event_paranoid") {
			t.Skipf("THE KERNEL LETS NOBODY RECORD HERE: perf script is not tested with our addr2line: %s%s", out, errs)
		}
		require.NoError(t, err, errs)
		scripts := map[string]string{}
		for _, whose := range []string{"real", "ours"} {
			text := command(t, dir, env(whose), "perf", "script", "-i", data, "-F", "ip,sym,srcline")
			scripts[whose] = ownLines(text)
		}
		assert.Contains(t, scripts["ours"], "busy.c"+lineOfMark(t, busySource, "mixed"), graph)
		if graph == "dwarf" { // a leaf has no frame pointer: its caller is lost
			assert.Contains(t, scripts["ours"], "busy.c"+lineOfMark(t, busySource, "called"))
		}
		assert.Equal(t, scripts["real"], scripts["ours"], graph)
	}
}

// ownLines are those about our own source: of libc's lines binutils gets the
// file wrong, see above.
func ownLines(script string) string {
	var own []string
	for line := range strings.Lines(script) {
		if strings.Contains(line, "busy.c") || strings.HasSuffix(line, " churn\n") || strings.HasSuffix(line, " main\n") {
			own = append(own, line)
		}
	}
	return strings.Join(own, "")
}

// Scripts start us by the path that an environment variable names.
func TestAsanSymbolizeUsesIt(t *testing.T) {
	dir := bothPrograms(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fault.cc"), []byte(faultSource), 0o644))
	command(t, dir, nil, "clang++-19", "-fsanitize=address", "-g", "-O1", "-pthread", "-o", "fault", "fault.cc")
	_, raw, err := attempt(t, dir, []string{"ASAN_OPTIONS=symbolize=0:color=never"}, "./fault")
	require.Error(t, err)
	require.NotContains(t, raw, "fault.cc")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "log"), []byte(raw), 0o644))
	texts := map[string]string{}
	for _, whose := range []string{"real", "ours"} {
		env := []string{"LLVM_SYMBOLIZER_PATH=" + filepath.Join(dir, whose, "llvm-symbolizer"), "XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
		texts[whose] = command(t, dir, env, "asan_symbolize-19", "-d", "-l", "log")
	}
	assert.Contains(t, texts["ours"], "fault.cc"+lineOfMark(t, faultSource, "used"))
	assert.Equal(t, texts["real"], texts["ours"])
}

// The option does what the name does.
func TestCompatOption(t *testing.T) {
	dir := bothPrograms(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "busy.c"), []byte(busySource), 0o644))
	command(t, dir, nil, "gcc", "-g", "-O0", "-o", "busy", "busy.c")
	ffikit := filepath.Join(dir, "ffikit")
	env := []string{"XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
	want := command(t, dir, env, filepath.Join(dir, "real", "addr2line"), "-fe", "busy", "main", "churn+4")
	require.Contains(t, want, "busy.c:")
	assert.Equal(t, want, command(t, dir, env, ffikit, "symbolize", "--compat=addr2line", "-fe", "busy", "main", "churn+4"))
	assert.Equal(t, want, command(t, dir, env, ffikit, "symbolize", "--compat", "llvm-addr2line", "-fe", "busy", "main", "churn+4"))
	want = command(t, dir, env, filepath.Join(dir, "real", "llvm-symbolizer"), "--obj=busy", "main", "0x1139")
	assert.Equal(t, want, command(t, dir, env, ffikit, "symbolize", "--compat=llvm-symbolizer", "--obj=busy", "main", "0x1139"))
	_, errs, err := attempt(t, dir, env, ffikit, "symbolize", "--compat=objdump", "x")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, exitUsage, exit.ExitCode())
	assert.Contains(t, errs, "--compat wants llvm-symbolizer, llvm-addr2line or addr2line")
}
