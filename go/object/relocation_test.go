package object_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

const pointers = `
static int numbers[64];
int *first = numbers, *last = numbers + 63;
int *all[] = { numbers + 1, numbers + 2, numbers + 3 };
`

// readelf is the independent reference.
func TestRelativeRelocations(t *testing.T) {
	path := compile(t, pointers, "gcc", "-shared", "-fPIC", "-nostdlib")
	file := open(t, path)
	want := map[model.VirtAddr]model.VirtAddr{}
	line := regexp.MustCompile(`(?m)^([0-9a-f]+)\s+[0-9a-f]+ R_X86_64_RELATIVE\s+([0-9a-f]+)$`)
	for _, match := range line.FindAllStringSubmatch(run(t, filepath.Dir(path), "readelf", "-rW", "out"), -1) {
		place, err := strconv.ParseUint(match[1], 16, 64)
		require.NoError(t, err)
		value, err := strconv.ParseUint(match[2], 16, 64)
		require.NoError(t, err)
		want[model.VirtAddr(place)] = model.VirtAddr(value)
	}
	require.GreaterOrEqual(t, len(want), 5)
	got := map[model.VirtAddr]model.VirtAddr{}
	require.NoError(t, file.EachRelative(func(place, value model.VirtAddr) bool {
		got[place] = value
		return true
	}))
	assert.Equal(t, want, got)
	calls := 0
	require.NoError(t, file.EachRelative(func(_, _ model.VirtAddr) bool { calls++; return false }))
	assert.Equal(t, 1, calls, "visit returned false")
}

func TestPackedAndStaticFilesHaveNoAddends(t *testing.T) {
	for _, path := range []string{
		compile(t, pointers, "clang-19", "-fuse-ld=lld-19", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,pack-relative-relocs"),
		freestandingProgram(t),
	} {
		require.NoError(t, open(t, path).EachRelative(func(place, _ model.VirtAddr) bool {
			return assert.Fail(t, "visited", "%v", place)
		}))
	}
}

func TestRelocationsOutsideOfTheFileAreRefused(t *testing.T) {
	content, err := os.ReadFile(compile(t, pointers, "gcc", "-shared", "-fPIC", "-nostdlib"))
	require.NoError(t, err)
	tag := []byte{7, 0, 0, 0, 0, 0, 0, 0} // DT_RELA
	at := bytes.LastIndex(content, tag)
	require.Positive(t, at)
	copy(content[at+8:], []byte{0, 0, 0, 0, 0, 0, 0, 0x70})
	file, err := object.NewFile("hostile", bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	err = file.EachRelative(func(_, _ model.VirtAddr) bool { return true })
	assert.ErrorIs(t, err, object.ErrFormat)
	assert.ErrorContains(t, err, "hostile")
}

func TestReadAt(t *testing.T) {
	path := freestandingProgram(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	file := open(t, path)
	whole, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<40))
	require.NoError(t, err)
	assert.Equal(t, content, whole)
	_, err = file.ReadAt(make([]byte, 1), -1)
	assert.ErrorIs(t, err, io.EOF)
	require.NoError(t, os.Truncate(path, 512))
	_, err = file.ReadAt(make([]byte, 1024), 0)
	assert.ErrorIs(t, err, object.ErrChanged)
}
