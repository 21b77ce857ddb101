package debuginfod_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/debuginfod"
)

// fixture is a program and its debug file, of one build.
type fixture struct {
	program, debug string
	buildID        string // as readelf has it
	bytes          []byte // of debug
}

// build compiles a program and takes its debug information into a file of its
// own. Different texts make different builds.
func build(t testing.TB, text string) fixture {
	t.Helper()
	dir := t.TempDir()
	f := fixture{program: filepath.Join(dir, "program"), debug: filepath.Join(dir, "program.debug")}
	source := filepath.Join(dir, "unit.c")
	require.NoError(t, os.WriteFile(source, []byte("const char *text = \""+text+"\";\nint main(void) { return text[0]; }\n"), 0o644))
	run(t, "gcc", "-g", "-Wl,--build-id", "-o", f.program, source)
	run(t, "objcopy", "--only-keep-debug", f.program, f.debug)
	run(t, "strip", f.program)
	f.buildID = readBuildID(t, f.debug)
	var err error
	f.bytes, err = os.ReadFile(f.debug)
	require.NoError(t, err)
	return f
}

func readBuildID(t testing.TB, path string) string {
	t.Helper()
	match := regexp.MustCompile(`Build ID: ([0-9a-f]{40})`).FindStringSubmatch(run(t, "readelf", "-n", path))
	require.Len(t, match, 2)
	return match[1]
}

func run(t testing.TB, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), out)
	return string(out)
}

// client makes one with a cache of its own, unless opts name one.
func client(t testing.TB, opts debuginfod.Options) *debuginfod.Client {
	t.Helper()
	if opts.Folder == "" {
		opts.Folder = filepath.Join(t.TempDir(), "cache")
	}
	c, err := debuginfod.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// files lists what lies in a cache, by path from its folder.
func files(t testing.TB, folder string) []string {
	t.Helper()
	found := []string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(folder, path)
			found = append(found, name)
		}
		return err
	}))
	return found
}
