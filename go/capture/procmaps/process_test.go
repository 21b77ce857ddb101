package procmaps_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/capture/procmaps"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

func space(t *testing.T, pid int) *procmaps.Space {
	t.Helper()
	s, err := procmaps.ReadProcess(pid)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Every kind of program: what the process prints of itself is what nm says.
func TestPrograms(t *testing.T) {
	for name, flags := range map[string][]string{
		"pie":           {"-pie", "-fPIE"},
		"fixed":         {"-no-pie", "-fno-pie"},
		"static":        {"-static", "-no-pie"},
		"static pie":    {"-static-pie", "-fPIE"},
		"lld":           {"-fuse-ld=lld-19", "-pie", "-fPIE"},
		"gold":          {"-fuse-ld=gold", "-pie", "-fPIE"},
		"one page each": {"-pie", "-fPIE", "-Wl,-z,noseparate-code"},
		"large pages":   {"-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"},
		"fixed at":      {"-no-pie", "-fno-pie", "-Wl,-Ttext-segment=0x10000000"},
	} {
		t.Run(name, func(t *testing.T) {
			// gcc finds linkers by the name ld.NAME on its path.
			tools := t.TempDir()
			if lld, err := exec.LookPath("ld.lld-19"); strings.Contains(name, "lld") {
				require.NoError(t, err, "run scripts/bootstrap")
				require.NoError(t, os.Symlink(lld, filepath.Join(tools, "ld.lld")))
				flags = append([]string{"-B" + tools, "-fuse-ld=lld"}, flags[1:]...)
			}
			program := compile(t, target, filepath.Join(t.TempDir(), "program"), flags...)
			p := start(t, program)
			s := space(t, p.pid)
			for _, name := range []string{"in_program", "data_of_program"} {
				module, virt, err := s.Locate(p.addrs[name])
				require.NoError(t, err, name)
				assert.Equal(t, symbol(t, program, name), virt, name)
				assert.Equal(t, program, module.Path)
				assert.Equal(t, program, module.OpenPath)
				assert.Equal(t, readBuildID(t, program), module.BuildID)
			}
			_, _, err := s.Locate(p.addrs["heap"])
			require.ErrorIs(t, err, procmaps.ErrNoFile)
			_, _, err = s.Locate(1)
			require.ErrorIs(t, err, procmaps.ErrUnmapped)
			_, _, err = s.Locate(1<<64 - 1)
			require.ErrorIs(t, err, procmaps.ErrUnmapped)
		})
	}
}

// sameBuild asserts that a module opens as a file with these contents.
func sameBuild(t *testing.T, module *procmaps.Module, buildID string) {
	t.Helper()
	assert.Equal(t, buildID, module.BuildID)
	file, err := object.Open(module.OpenPath)
	require.NoError(t, err)
	defer file.Close()
	assert.Equal(t, buildID, file.BuildID())
}

func TestLibraries(t *testing.T) {
	dir := t.TempDir()
	program := compile(t, target, filepath.Join(dir, "program"))
	for name, file := range map[string]string{
		"plain":     "libplain.so",
		"spaces":    "a lib (with) spaces .so",
		"line end":  "two\nlines.so",
		"backslash": `back\012slash.so`,
		"deleted":   "lib (deleted)",
	} {
		t.Run(name, func(t *testing.T) {
			path := compile(t, library, filepath.Join(t.TempDir(), file), "-shared", "-fPIC")
			p := start(t, program, path)
			module, virt, err := space(t, p.pid).Locate(p.addrs["in_library"])
			require.NoError(t, err)
			assert.Equal(t, symbol(t, path, "in_library"), virt)
			assert.Equal(t, path, module.OpenPath)
			sameBuild(t, module, readBuildID(t, path))
		})
	}
	path := compile(t, library, filepath.Join(dir, "lib.so"), "-shared", "-fPIC")
	buildID, virtAddr := readBuildID(t, path), symbol(t, path, "in_library")
	t.Run("memfd", func(t *testing.T) {
		p := start(t, program, "memfd:"+path)
		module, virt, err := space(t, p.pid).Locate(p.addrs["in_library"])
		require.NoError(t, err)
		assert.Equal(t, virtAddr, virt)
		assert.Equal(t, "/memfd:library", module.Path)
		sameBuild(t, module, buildID)
	})
	t.Run("gone", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "lib.so")
		run(t, "cp", path, copied)
		p := start(t, program, "gone:"+copied)
		module, virt, err := space(t, p.pid).Locate(p.addrs["in_library"])
		require.NoError(t, err)
		assert.Equal(t, virtAddr, virt)
		assert.Equal(t, copied, module.Path)
		// The mapping's own link opens for the privileged only; to all others
		// the build ID is known, which lies in memory.
		assert.Equal(t, buildID, module.BuildID)
	})
	t.Run("replaced", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "lib.so")
		run(t, "cp", path, copied)
		p := start(t, program, "gone:"+copied)
		other := compile(t, "int in_library(int n) { return n * 4; }\nint more;\n", copied, "-shared", "-fPIC")
		require.NotEqual(t, buildID, readBuildID(t, other))
		module, virt, err := space(t, p.pid).Locate(p.addrs["in_library"])
		require.NoError(t, err)
		assert.Equal(t, virtAddr, virt)
		assert.Equal(t, buildID, module.BuildID)
	})
	t.Run("program gone", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "program")
		run(t, "cp", program, copied)
		p := start(t, copied)
		require.NoError(t, os.Remove(copied))
		module, virt, err := space(t, p.pid).Locate(p.addrs["in_program"])
		require.NoError(t, err)
		assert.Equal(t, symbol(t, program, "in_program"), virt)
		assert.Equal(t, copied, module.Path)
		sameBuild(t, module, readBuildID(t, program))
	})
	t.Run("vdso", func(t *testing.T) {
		dump := filepath.Join(t.TempDir(), "vdso.so")
		p := start(t, program, "vdso:"+dump)
		value := symbol(t, dump, "__vdso_getcpu", "-D")
		module, virt, err := space(t, p.pid).Locate(p.addrs["vdso"] + model.AbsAddr(value))
		require.NoError(t, err)
		assert.Equal(t, value, virt)
		assert.Equal(t, "[vdso]", module.Path)
		sameBuild(t, module, readBuildID(t, dump))
	})
}

// A process with a root of its own has another file at a path that is here too.
func TestOtherRoot(t *testing.T) {
	here, err := exec.LookPath("env")
	require.NoError(t, err)
	here, err = filepath.EvalSymlinks(here)
	require.NoError(t, err)
	root := t.TempDir()
	put := func(from, path string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		run(t, "cp", "--dereference", from, filepath.Join(root, path))
	}
	program := compile(t, target, filepath.Join(t.TempDir(), "program"))
	put(program, "/program")
	for _, match := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(run(t, "ldd", program), -1) {
		put(match[1], match[1])
	}
	put(compile(t, library, filepath.Join(t.TempDir(), "lib.so"), "-shared", "-fPIC"), here)
	there := filepath.Join(root, here)

	// As a container is made: a file system of its own becomes the root.
	mount := t.TempDir()
	script := `mount -t tmpfs none "$1" && cp -a "$2/." "$1" && cd "$1" && mkdir old && pivot_root . old && exec /program "$3"`
	command := []string{"unshare", "--mount", "sh", "-c", script, "sh", mount, root, here}
	if os.Geteuid() != 0 {
		command = slices.Insert(command, 1, "--map-root-user")
	}
	p := start(t, command...)
	s := space(t, p.pid)
	module, virt, err := s.Locate(p.addrs["in_program"])
	require.NoError(t, err)
	assert.Equal(t, symbol(t, program, "in_program"), virt)
	sameBuild(t, module, readBuildID(t, program))

	module, virt, err = s.Locate(p.addrs["in_library"])
	require.NoError(t, err)
	assert.Equal(t, symbol(t, there, "in_library"), virt)
	assert.Equal(t, here, module.Path)
	assert.NotEqual(t, here, module.OpenPath)
	assert.True(t, strings.HasSuffix(module.OpenPath, "root"+here), module.OpenPath)
	sameBuild(t, module, readBuildID(t, there))
	assert.NotEqual(t, readBuildID(t, here), module.BuildID)
}

// An overlay of several file systems, as of containers, gives files another device
// than the maps name. The kernel's own handle tells which file it is, also of one
// without a build ID, and then its path does for who opens it.
func TestDeviceOfItsOwn(t *testing.T) {
	lower, mount := t.TempDir(), t.TempDir()
	program := compile(t, target, filepath.Join(lower, "program"), "-Wl,--build-id=none")
	path := compile(t, library, filepath.Join(lower, "lib.so"), "-shared", "-fPIC", "-Wl,--build-id=none")
	script := `mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" "$1/at" &&
		mount -t overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" overlay "$1/at" && cd "$1/at" && exec ./program "$1/at/lib.so"`
	command := []string{"unshare", "--mount", "sh", "-c", script, "sh", mount, lower}
	if os.Geteuid() != 0 {
		command = slices.Insert(command, 1, "--map-root-user")
	}
	p := start(t, command...)
	s := space(t, p.pid)
	module, virt, err := s.Locate(p.addrs["in_library"])
	if os.Geteuid() != 0 {
		require.ErrorIs(t, err, procmaps.ErrReplaced, "the kernel's handle is for the privileged")
		return
	}
	require.NoError(t, err)
	assert.Equal(t, symbol(t, path, "in_library"), virt)
	assert.True(t, strings.HasSuffix(module.OpenPath, "/root"+mount+"/at/lib.so"), module.OpenPath)
	module, virt, err = s.Locate(p.addrs["in_program"])
	require.NoError(t, err)
	assert.Equal(t, symbol(t, program, "in_program"), virt)
	assert.True(t, strings.HasSuffix(module.OpenPath, "/root"+mount+"/at/program"), module.OpenPath)
}

// What was replaced is found by the kernel's handle alone, whose device is told
// from that of the file in its place.
func TestReplacedWithoutBuildID(t *testing.T) {
	dir := t.TempDir()
	program := compile(t, target, filepath.Join(dir, "program"))
	path := compile(t, library, filepath.Join(dir, "lib.so"), "-shared", "-fPIC", "-Wl,--build-id=none")
	virtAddr := symbol(t, path, "in_library")
	p := start(t, program, path)
	other := compile(t, "int more(int n) { return n; }\nint in_library(int n) { return more(n) * 4; }\n", filepath.Join(dir, "other.so"), "-shared", "-fPIC", "-Wl,--build-id=none")
	require.NoError(t, os.Rename(other, path))
	require.NotEqual(t, virtAddr, symbol(t, path, "in_library"))
	module, virt, err := space(t, p.pid).Locate(p.addrs["in_library"])
	if os.Geteuid() != 0 {
		require.ErrorIs(t, err, procmaps.ErrReplaced)
		return
	}
	require.NoError(t, err)
	assert.Equal(t, virtAddr, virt)
	assert.Contains(t, module.OpenPath, "/map_files/")
}

// A process that ends leaves errors, and whoever gets its number is not it.
func TestEndedProcess(t *testing.T) {
	program := compile(t, target, filepath.Join(t.TempDir(), "program"), "-static")
	command := exec.Command(program)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = io.ReadFull(stdout, make([]byte, 1))
	require.NoError(t, err)
	s := space(t, command.Process.Pid)
	require.NotEmpty(t, s.Mappings())
	require.NoError(t, stdin.Close())
	_, _ = io.Copy(io.Discard, stdout)
	require.NoError(t, command.Wait())
	require.NoError(t, os.Remove(program))
	_, _, err = s.Locate(s.Mappings()[0].Start)
	require.Error(t, err)

	_, err = procmaps.ReadProcess(command.Process.Pid)
	require.ErrorIs(t, err, os.ErrNotExist)
}
