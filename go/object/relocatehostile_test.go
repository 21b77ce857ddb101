package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

// relocatableImage is an object file that tests change: what its headers say,
// and where they lie.
type relocatableImage struct {
	content  []byte
	sections []*elf.Section
	headers  uint64
}

func newImage(t testing.TB) *relocatableImage {
	t.Helper()
	content, err := os.ReadFile(compileObject(t, relocatableSource, ".c", "gcc", "-O1", "-g"))
	require.NoError(t, err)
	return readImage(t, content)
}

func readImage(t testing.TB, content []byte) *relocatableImage {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	return &relocatableImage{content, file.Sections, binary.LittleEndian.Uint64(content[0x28:])}
}

// header is the section header of that name.
func (r *relocatableImage) header(t testing.TB, name string) []byte {
	t.Helper()
	for i, s := range r.sections {
		if s.Name == name {
			return r.content[r.headers+uint64(i)*64:][:64]
		}
	}
	require.Fail(t, "no section "+name)
	return nil
}

// entry is relocation i of .debug_info.
func (r *relocatableImage) entry(t testing.TB, i int) []byte {
	t.Helper()
	offset := binary.LittleEndian.Uint64(r.header(t, ".rela.debug_info")[0x18:])
	return r.content[offset+uint64(i)*24:][:24]
}

func (r *relocatableImage) open(t testing.TB) *object.File {
	t.Helper()
	file, err := object.NewFile("hostile", bytes.NewReader(r.content), int64(len(r.content)))
	require.NoError(t, err)
	return file
}

func TestUnknownRelocationSpoilsItsPlaceOnly(t *testing.T) {
	sound := newImage(t)
	view, err := sound.open(t).View(".debug_info")
	require.NoError(t, err)
	require.NoError(t, view.LoadAll())
	want := view.Buffer()

	for name, test := range map[string]struct {
		change func(entry []byte)
		says   string
	}{
		"type":   {func(e []byte) { binary.LittleEndian.PutUint32(e[8:], 199) }, "relocation type 199 of EM_X86_64"},
		"symbol": {func(e []byte) { binary.LittleEndian.PutUint32(e[12:], 1<<30) }, "symbol 1073741824 of"},
	} {
		image := readImage(t, bytes.Clone(sound.content))
		entry := image.entry(t, 5)
		place := int(binary.LittleEndian.Uint64(entry))
		test.change(entry)
		file := image.open(t)
		view, err := file.View(".debug_info")
		require.NoError(t, err, name)
		require.Greater(t, view.Len(), place+8)
		assert.NoError(t, view.Load(0, place), name)
		assert.NoError(t, view.Load(place+8, view.Len()), name)
		assert.Equal(t, want[:place], view.Buffer()[:place])
		assert.Equal(t, want[place+8:], view.Buffer()[place+8:])
		for _, err := range []error{view.Load(place, place+1), view.Load(0, 1<<30), view.LoadAll()} {
			assert.ErrorIs(t, err, object.ErrFormat, name)
			assert.ErrorContains(t, err, test.says)
			assert.ErrorContains(t, err, "hostile: offset 0x")
			assert.ErrorContains(t, err, ".debug_info, offset 0x")
		}
		_, err = file.Data(".debug_info")
		assert.ErrorContains(t, err, test.says)
		other, err := file.View(".debug_line")
		require.NoError(t, err)
		assert.NoError(t, other.LoadAll())
	}
}

func TestRelocationsOutsideOfTheirSectionAreErrors(t *testing.T) {
	sound, err := newImage(t).open(t).View(".debug_info")
	require.NoError(t, err)
	end := uint64(sound.Len())
	for _, place := range []uint64{end - 1, end, end + 1, 1 << 20, 1 << 40, 1 << 63, ^uint64(0), ^uint64(0) - 7} {
		image := newImage(t)
		binary.LittleEndian.PutUint64(image.entry(t, 3), place)
		view, err := image.open(t).View(".debug_info")
		require.NoError(t, err)
		assert.NoError(t, view.Load(0, 4))
		assert.ErrorIs(t, view.LoadAll(), object.ErrFormat)
		assert.Equal(t, make([]byte, object.Slack), view.Buffer()[view.Len():])
	}
}

func TestTooManyUnknownRelocationsSpoilTheSection(t *testing.T) {
	image := newImage(t)
	image.content = append(image.content, bytes.Repeat([]byte{0xee}, 24*2000)...)
	header := image.header(t, ".rela.debug_info")
	binary.LittleEndian.PutUint64(header[0x18:], uint64(len(image.content)-24*2000))
	binary.LittleEndian.PutUint64(header[0x20:], 24*2000)
	view, err := image.open(t).View(".debug_info")
	require.NoError(t, err)
	assert.ErrorIs(t, view.Load(0, 1), object.ErrFormat)
	assert.ErrorIs(t, view.LoadAll(), object.ErrFormat)
}

func TestHostileRelocatableObjects(t *testing.T) {
	put := func(offset int, value uint64, size int) func([]byte) {
		return func(header []byte) {
			switch size {
			case 4:
				binary.LittleEndian.PutUint32(header[offset:], uint32(value))
			case 8:
				binary.LittleEndian.PutUint64(header[offset:], value)
			}
		}
	}
	for _, test := range []struct {
		name, section string
		change        func(header []byte)
		want          error
	}{
		{"relocations far away", ".rela.debug_info", put(0x18, 1<<62, 8), object.ErrFormat},
		{"endless relocations", ".rela.debug_info", put(0x20, ^uint64(0), 8), object.ErrLimit},
		{"too long relocations", ".rela.debug_info", put(0x20, 1<<24, 8), object.ErrFormat},
		{"symbols in no section", ".rela.debug_info", put(0x28, 1<<31, 4), object.ErrFormat},
		{"symbols in code", ".rela.debug_info", put(0x28, 1, 4), object.ErrFormat},
		{"compact relocations", ".rela.debug_info", put(4, 0x40000014, 4), object.ErrFormat},
		{"symbols of one byte", ".symtab", put(0x38, 1, 8), object.ErrFormat},
		{"symbols far away", ".symtab", put(0x18, 1<<62, 8), object.ErrFormat},
		{"symbols named nowhere", ".symtab", put(0x28, 1<<31, 4), object.ErrFormat},
	} {
		image := newImage(t)
		test.change(image.header(t, test.section))
		within(t, 20*time.Second, test.name, func() {
			view, err := image.open(t).View(".debug_info")
			require.NoError(t, err, test.name)
			assert.ErrorIs(t, view.LoadAll(), test.want, test.name)
			assert.ErrorIs(t, view.Load(0, 1), test.want, test.name)
		})
	}
	for _, size := range []uint64{1 << 48, 1 << 63, ^uint64(0)} {
		image := newImage(t)
		binary.LittleEndian.PutUint64(image.header(t, ".tdata")[0x20:], size)
		_, err := object.NewFile("huge", bytes.NewReader(image.content), int64(len(image.content)))
		assert.ErrorIs(t, err, object.ErrLimit)
	}
	for _, align := range []uint64{3, 1 << 40, 1 << 63, ^uint64(0)} {
		image := newImage(t)
		binary.LittleEndian.PutUint64(image.header(t, ".text.other")[0x30:], align)
		base, _, ok := image.open(t).SectionBase(".text.other")
		assert.True(t, ok)
		assert.Less(t, uint64(base), uint64(1<<20))
	}
}

// Headers are cheap: many that name the same bytes must not multiply the work.
func TestSectionsThatShareBytesAreRefused(t *testing.T) {
	image := newImage(t)
	count := len(image.sections)
	var debug, table int
	for i, s := range image.sections {
		switch s.Name {
		case ".debug_info":
			debug = i
		case ".rela.debug_info":
			table = i
		}
	}
	for _, repeated := range []int{debug, table} {
		content := bytes.Clone(image.content)
		headers := bytes.Clone(content[image.headers:][:64*count])
		copied := bytes.Clone(headers[repeated*64:][:64])
		// Zeros are relocations that do nothing, and no debug information.
		const zeros = 4 << 20
		binary.LittleEndian.PutUint64(copied[0x18:], uint64(len(content)))
		binary.LittleEndian.PutUint64(copied[0x20:], zeros)
		content = append(content, make([]byte, zeros)...)
		const copies = 60000
		headers = append(headers, bytes.Repeat(copied, copies)...)
		binary.LittleEndian.PutUint64(content[0x28:], uint64(len(content)))
		binary.LittleEndian.PutUint16(content[0x3c:], uint16(count+copies))
		content = append(content, headers...)
		within(t, 60*time.Second, "shared bytes", func() {
			file, err := object.NewFile("shared", bytes.NewReader(content), int64(len(content)))
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			view, err := file.View(".debug_info")
			if err == nil {
				err = view.LoadAll()
			}
			runtime.ReadMemStats(&after)
			assert.Error(t, err)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
		})
	}
}

func TestRelocatableFileThatShrinksIsAnError(t *testing.T) {
	path := compileObject(t, relocatableSource, ".c", "gcc", "-O1", "-g")
	file := open(t, path)
	info, err := file.View(".debug_info")
	require.NoError(t, err)
	line, err := file.View(".debug_line")
	require.NoError(t, err)
	require.NoError(t, line.LoadAll())
	require.NoError(t, os.Truncate(path, 100))
	assert.ErrorIs(t, info.LoadAll(), object.ErrChanged)
	assert.NoError(t, line.LoadAll())
}

func TestOverlappingSectionsAreRefused(t *testing.T) {
	image := readImage(t, must(os.ReadFile(freestandingProgram(t))))
	names := []string{".debug_info", ".debug_line", ".debug_abbrev", ".debug_aranges"}
	for _, name := range names {
		header := image.header(t, name)
		binary.LittleEndian.PutUint64(header[0x18:], 0)
		binary.LittleEndian.PutUint64(header[0x20:], uint64(len(image.content)))
	}
	file, refused := image.open(t), 0
	for _, name := range names {
		if _, err := file.View(name); err != nil {
			assert.ErrorIs(t, err, object.ErrLimit)
			refused++
		}
	}
	assert.Equal(t, 2, refused)
}

func BenchmarkRelocate(b *testing.B) {
	content := must(os.ReadFile(compileObject(b, relocatableSource, ".c", "gcc", "-O1", "-g3")))
	b.ReportAllocs()
	for b.Loop() {
		file, err := object.NewFile("object", bytes.NewReader(content), int64(len(content)))
		require.NoError(b, err)
		view, err := file.View(".debug_info")
		require.NoError(b, err)
		require.NoError(b, view.LoadAll())
		b.SetBytes(int64(view.Len()))
	}
}
