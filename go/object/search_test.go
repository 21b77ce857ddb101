package object_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

// place puts a copy of file at path, and makes the folders.
func place(t *testing.T, file string, path ...string) string {
	t.Helper()
	to := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	run(t, ".", "cp", file, to)
	return to
}

func link(t *testing.T, target string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.Symlink(target, name))
}

func TestPathsAreLookedUpBelowTheRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	program := freestandingProgram(t)
	inside := place(t, program, root, "usr/bin/prog")
	secret := place(t, sharedLibrary(t), outside, "secret")
	relative, err := filepath.Rel(root, secret)
	require.NoError(t, err)
	link(t, "usr/bin", root, "bin")
	link(t, "/usr/bin/prog", root, "absolute")
	link(t, "../../../../../../../../usr/bin/prog", root, "a/b/climbs")
	link(t, "/a/b", root, "folder")
	link(t, secret, root, "escape")
	link(t, relative, root, "creep")
	link(t, "loop", root, "loop")
	link(t, "/ping", root, "pong")
	link(t, "/pong", root, "ping")
	link(t, "/dev/zero", root, "zero")
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644))

	search := &object.Search{Root: root}
	for _, path := range []string{
		"/usr/bin/prog", "usr/bin/prog", "/bin/prog", "//bin/./prog", "/absolute", "/a/b/climbs", "/folder/climbs",
		"/../../usr/bin/prog", "/usr/../../bin/prog", "/folder/../../usr/bin/prog", "/bin/../bin/prog",
	} {
		file, err := search.Open(path)
		if assert.NoError(t, err, path) {
			assert.Equal(t, int64(len(must(os.ReadFile(inside)))), file.SizeBytes())
			assert.Equal(t, filepath.Join(root, filepath.Join("/", path)), file.Path())
			assert.NoError(t, file.Close())
		}
	}
	deep := strings.Repeat("d/", 5000)
	for path, want := range map[string]error{
		"/escape": fs.ErrNotExist, "/creep": fs.ErrNotExist, secret: fs.ErrNotExist, "/../" + relative: fs.ErrNotExist,
		"/zero": fs.ErrNotExist, "/dev/zero": fs.ErrNotExist, "/loop": syscall.ELOOP, "/ping": syscall.ELOOP,
		"/fifo": object.ErrNotRegular, "/usr": object.ErrNotRegular, "/": object.ErrNotRegular, "": object.ErrNotRegular,
		"/usr/bin/prog/x": syscall.ENOTDIR, deep: syscall.ENAMETOOLONG, "/" + strings.Repeat("n", 300): syscall.ENAMETOOLONG,
		"/usr/bin/prog\x00": syscall.EINVAL,
	} {
		within(t, 20*time.Second, path, func() {
			_, err := search.Open(path)
			assert.ErrorIs(t, err, want, path)
		})
	}
	_, err = (&object.Search{Root: filepath.Join(root, "none")}).Open("/usr/bin/prog")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	file, err := (&object.Search{}).Open(inside)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestTreesOfDebugFiles(t *testing.T) {
	path := sharedLibrary(t)
	id := open(t, path).BuildID()
	for _, form := range []string{
		filepath.Join(".build-id", id[:2], id[2:]+".debug"), filepath.Join(id[:2], id[2:]+".debug"),
		filepath.Join(id[:2], id[2:], "debuginfo"), filepath.Join(id, "debuginfo"),
	} {
		tree := t.TempDir()
		debug := filepath.Join(tree, form)
		file := open(t, split(t, path, t.TempDir(), debug))
		for _, find := range []func() (*object.File, error){
			func() (*object.File, error) { return file.OpenDebugFile([]string{tree}) },
			func() (*object.File, error) { return object.OpenByBuildID(id, []string{t.TempDir(), tree}) },
			func() (*object.File, error) { return (&object.Search{DebugDirs: []string{tree}}).OpenDebugFile(file) },
		} {
			found, err := find()
			require.NoError(t, err, form)
			assert.Equal(t, debug, found.Path())
			assert.NoError(t, found.Close())
		}
	}
}

func TestDebugFilesBelowTheRoot(t *testing.T) {
	path := sharedLibrary(t)
	id := open(t, path).BuildID()
	for _, at := range []string{
		"usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug",
		"opt/prog.dbg", "opt/.debug/prog.dbg", "usr/lib/debug/opt/prog.dbg",
	} {
		root := t.TempDir()
		debug := filepath.Join(root, at)
		require.NoError(t, os.MkdirAll(filepath.Join(root, "opt"), 0o755))
		split(t, path, filepath.Join(root, "opt"), debug)
		link(t, "/opt", root, "elsewhere/link")
		search := &object.Search{Root: root}
		for _, name := range []string{"/opt/prog", "/elsewhere/link/prog"} {
			file, err := search.Open(name)
			require.NoError(t, err)
			found, err := search.OpenDebugFile(file)
			if assert.NoError(t, err, at) {
				assert.Equal(t, debug, found.Path())
				assert.NoError(t, found.Close())
			}
			assert.NoError(t, file.Close())
		}
		// The user's own trees are not below the root; those in it are not asked.
		file, err := search.Open("/opt/prog")
		require.NoError(t, err)
		_, err = (&object.Search{Root: root, DebugDirs: []string{"/usr/lib/debug"}}).OpenByBuildID(id)
		assert.ErrorIs(t, err, object.ErrNoDebugFile)
		assert.NoError(t, file.Close())
	}
}

func TestHostileThingsInTheTreesArePassedBy(t *testing.T) {
	path := sharedLibrary(t)
	id := open(t, path).BuildID()
	tree := t.TempDir()
	first := filepath.Join(tree, ".build-id", id[:2], id[2:]+".debug")
	debug := filepath.Join(tree, id, "debuginfo")
	file := open(t, split(t, path, t.TempDir(), debug))
	for name, make := range map[string]func() error{
		"FIFO":          func() error { return syscall.Mkfifo(first, 0o644) },
		"folder":        func() error { return os.Mkdir(first, 0o755) },
		"loop":          func() error { return os.Symlink(first, first) },
		"device":        func() error { return os.Symlink("/dev/zero", first) },
		"empty":         func() error { return os.WriteFile(first, nil, 0o644) },
		"other build":   func() error { return os.Symlink(freestandingProgram(t), first) },
		"dangling link": func() error { return os.Symlink("/no/such/file", first) },
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(first), 0o755))
		require.NoError(t, make())
		within(t, 20*time.Second, name, func() {
			found, err := file.OpenDebugFile([]string{tree})
			if assert.NoError(t, err, name) {
				assert.Equal(t, debug, found.Path(), name)
				assert.NoError(t, found.Close())
			}
		})
		require.NoError(t, os.RemoveAll(first))
	}
}

// dwzPair makes two programs whose common debug information dwz moved to the
// file alternate, which they name as told.
func dwzPair(t *testing.T, dir, alternate, as string) (program string) {
	t.Helper()
	source := filepath.Join(dir, "unit.c")
	text := &strings.Builder{}
	for _, name := range []string{"north", "south", "west", "east"} {
		text.WriteString("struct " + name + " { struct " + name + " *next; long first, second; char name[17]; };\n" +
			"long of_" + name + "(struct " + name + " *x) { return x->next->first + x->second; }\n")
	}
	text.WriteString("int main(void) { return PART; }\n")
	require.NoError(t, os.WriteFile(source, []byte(text.String()), 0o644))
	for _, part := range []string{"one", "two"} {
		run(t, dir, "gcc", "-g", "-DPART="+strings.Repeat("1", len(part)), "-Wl,--build-id", "-o", part, "unit.c")
	}
	run(t, dir, "dwz", "-m", alternate, "-M", as, "one", "two")
	return filepath.Join(dir, "one")
}

func TestAlternateDebugFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".dwz"), 0o755))
	alternate := filepath.Join(dir, ".dwz", "common")
	program := dwzPair(t, filepath.Join(dir, "bin"), alternate, "../.dwz/common")
	file := open(t, program)
	got, ok, err := file.DebugAltLink()
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, "../.dwz/common", got.Path)
	assert.Equal(t, open(t, alternate).BuildID(), got.BuildID)
	assert.Contains(t, run(t, ".", "readelf", "-n", alternate), got.BuildID)

	expect := func(at string, found *object.File, err error) {
		t.Helper()
		require.NoError(t, err)
		assert.Equal(t, got.BuildID, found.BuildID())
		assert.True(t, found.HasDebugInfo())
		assert.True(t, strings.HasSuffix(filepath.Clean(found.Path()), at), found.Path())
		assert.NoError(t, found.Close())
	}
	found, err := file.OpenAltFile([]string{})
	expect("/.dwz/common", found, err)

	// Reached by a link, the path is relative to where the file really is.
	link(t, program, dir, "build/id/tree/program.debug")
	found, err = open(t, filepath.Join(dir, "build/id/tree/program.debug")).OpenAltFile([]string{})
	expect("/.dwz/common", found, err)

	// Below a root.
	search := &object.Search{Root: dir}
	below, err := search.Open("/bin/one")
	require.NoError(t, err)
	found, err = search.OpenAltFile(below)
	expect("/.dwz/common", found, err)
	require.NoError(t, below.Close())

	// By build ID.
	tree := t.TempDir()
	place(t, alternate, tree, ".build-id", got.BuildID[:2], got.BuildID[2:]+".debug")
	require.NoError(t, os.Remove(alternate))
	found, err = file.OpenAltFile([]string{tree})
	expect(got.BuildID[2:]+".debug", found, err)
	_, err = file.OpenAltFile([]string{})
	assert.ErrorIs(t, err, object.ErrNoDebugFile)

	// Another build in its place is not taken.
	place(t, sharedLibrary(t), alternate)
	_, err = file.OpenAltFile([]string{})
	assert.ErrorIs(t, err, object.ErrNoDebugFile)

	_, ok, err = open(t, freestandingProgram(t)).DebugAltLink()
	require.NoError(t, err)
	assert.False(t, ok)
	_, err = open(t, freestandingProgram(t)).OpenAltFile(nil)
	assert.ErrorIs(t, err, object.ErrNoDebugFile)
}

func TestHostileAlternateLinks(t *testing.T) {
	root := t.TempDir()
	program := place(t, freestandingProgram(t), root, "prog")
	for name, data := range map[string]string{
		"no end": "path", "no path": "\x00id", "no ID": "path\x00", "long ID": "path\x00" + strings.Repeat("i", 500),
		"long": strings.Repeat("p", 20000) + "\x00id",
	} {
		raw := filepath.Join(t.TempDir(), "raw")
		require.NoError(t, os.WriteFile(raw, []byte(data), 0o644))
		bad := filepath.Join(t.TempDir(), "bad")
		run(t, ".", "objcopy", "--add-section=.gnu_debugaltlink="+raw, program, bad)
		_, _, err := open(t, bad).DebugAltLink()
		assert.Error(t, err, name)
		_, err = open(t, bad).OpenAltFile([]string{})
		assert.ErrorContains(t, err, bad, name)
	}
	// What a path below a root leads to is below it too.
	outside := place(t, sharedLibrary(t), t.TempDir(), "outside")
	id := open(t, outside).BuildID()
	binary := make([]byte, 0, len(id)/2)
	for i := 0; i < len(id); i += 2 {
		high, low := strings.IndexByte("0123456789abcdef", id[i]), strings.IndexByte("0123456789abcdef", id[i+1])
		binary = append(binary, byte(high<<4|low))
	}
	raw := filepath.Join(t.TempDir(), "raw")
	for _, path := range []string{outside, "../../../../../../../.." + outside} {
		require.NoError(t, os.WriteFile(raw, append([]byte(path+"\x00"), binary...), 0o644))
		run(t, ".", "objcopy", "--add-section=.gnu_debugaltlink="+raw, program, filepath.Join(root, "leads"))
		search := &object.Search{Root: root}
		file, err := search.Open("/leads")
		require.NoError(t, err)
		_, err = search.OpenAltFile(file)
		assert.ErrorIs(t, err, object.ErrNoDebugFile)
		require.NoError(t, file.Close())
		found, err := open(t, filepath.Join(root, "leads")).OpenAltFile([]string{})
		require.NoError(t, err, "without a root it is found")
		require.NoError(t, found.Close())
	}
}
