package procmaps_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// target is a program that loads libraries, prints where its functions lie
// ("NAME ADDRESS"), and waits for its standard input to end. A library named
// "memfd:PATH" is loaded from a copy in memory; "gone:PATH" is removed once it
// is loaded; "vdso:PATH" writes the vDSO there.
const target = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>
__attribute__((noinline)) int in_program(int n) { return n + 1; }
int data_of_program = 7;
static void tell(const char *name, void *at) { printf("%s %p\n", name, at); }
static void load(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library) { puts(dlerror()); exit(1); }
    tell("in_library", dlsym(library, "in_library"));
}
int main(int argc, char **argv) {
    tell("in_program", (void *)in_program);
    tell("data_of_program", &data_of_program);
    tell("heap", malloc(16));
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "memfd:", 6)) {
            char buffer[1 << 16], path[64];
            int from = open(argv[i] + 6, O_RDONLY), to = memfd_create("library", 0), n;
            while ((n = read(from, buffer, sizeof buffer)) > 0) if (write(to, buffer, n) != n) exit(2);
            snprintf(path, sizeof path, "/proc/self/fd/%d", to);
            load(path);
        } else if (!strncmp(argv[i], "gone:", 5)) {
            load(argv[i] + 5);
            unlink(argv[i] + 5);
        } else if (!strncmp(argv[i], "vdso:", 5)) {
            char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
            FILE *file = fopen(argv[i] + 5, "w");
            if (!file || fwrite(vdso, 4096, 1, file) != 1) exit(2);
            fwrite(vdso + 4096, 4096, 1, file);
            fclose(file);
            tell("vdso", vdso);
        } else load(argv[i]);
    }
    puts("ready 0x0");
    fflush(stdout);
    getchar();
    return in_program(data_of_program) == 0;
}
`

const library = "int in_library(int n) { return n * 3; }\n"

func compile(t testing.TB, text, out string, flags ...string) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "unit.c")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o644))
	run(t, append(append([]string{"gcc", "-g", "-O1", "-Wl,--build-id", "-o", out, source}, flags...), "-ldl")...)
	return out
}

func run(t testing.TB, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), out)
	return string(out)
}

// symbol is a symbol's value, by nm.
func symbol(t testing.TB, path, name string, flags ...string) model.VirtAddr {
	t.Helper()
	match := regexp.MustCompile(`(?m)^([0-9a-f]+) . ` + name + `(@.*)?$`).FindStringSubmatch(run(t, append(append([]string{"nm"}, flags...), path)...))
	require.NotEmpty(t, match, name)
	value, err := strconv.ParseUint(match[1], 16, 64)
	require.NoError(t, err)
	return model.VirtAddr(value)
}

func readBuildID(t testing.TB, path string) string {
	t.Helper()
	match := regexp.MustCompile(`Build ID: ([0-9a-f]+)`).FindStringSubmatch(run(t, "readelf", "-n", path))
	require.Len(t, match, 2)
	return match[1]
}

// running is a target that waits.
type running struct {
	pid   int
	addrs map[string]model.AbsAddr
}

func start(t testing.TB, command ...string) running {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	r := running{cmd.Process.Pid, map[string]model.AbsAddr{}}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		name, addr, _ := strings.Cut(lines.Text(), " 0x")
		value, err := strconv.ParseUint(addr, 16, 64)
		require.NoError(t, err, lines.Text())
		if name == "ready" {
			return r
		}
		r.addrs[name] = model.AbsAddr(value)
	}
	require.Fail(t, "the target ended early")
	return r
}
