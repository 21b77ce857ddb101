package object_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// readEverything uses all of the interface; that it ends is what matters, and
// that two ways to the same thing agree.
func readEverything(t testing.TB, file *object.File) {
	_, _, _ = file.Dynamic()
	_, _, _ = file.DebugLink()
	_, _, _ = file.DebugAltLink()
	_, _ = file.Comments()
	_, _ = file.AddressSanitizer()
	if mini, err := file.OpenMiniDebug(); err == nil {
		_, _ = mini.FunctionSymbols()
	}
	sections := file.Sections()
	for i := range sections[:min(len(sections), 64)] {
		_, _ = file.SectionData(&sections[i])
		_, _, _ = file.SectionBase(sections[i].Name)
		readView(t, file, sections[i].Name)
	}
	readSymbols(t, file)
}

func readView(t testing.TB, file *object.File, name string) {
	view, err := file.View(name)
	if err != nil {
		return
	}
	middle := view.Len() / 2
	if view.Load(middle, middle+1) == nil && view.LoadAll() == nil {
		data, err := file.Data(name)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, view.Buffer()[:view.Len()]))
	}
	assert.Equal(t, make([]byte, object.Slack), view.Buffer()[view.Len():])
}

func readSymbols(t testing.TB, file *object.File) {
	var addrs []model.VirtAddr
	for _, r := range file.ExecRanges() {
		if addrs = append(addrs, r.Start, r.Start+(r.End-r.Start)/2, r.End-1); len(addrs) > 40 {
			break
		}
	}
	few, fewErr := file.FunctionSymbols()
	many, manyErr := file.FunctionSymbols()
	require.Equal(t, fewErr == nil, manyErr == nil)
	many.Len() // sorts
	if err := many.Each(addrs, func(int, object.Symbol) {}); err != nil {
		return // what may be scanned may be too much to be kept
	}
	for i, addr := range addrs {
		scanned, scannedOK := few.Lookup(addr)
		found, foundOK := many.Lookup(addr)
		if i < 16 {
			assert.Equal(t, found, scanned)
			assert.Equal(t, foundOK, scannedOK)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, flags := range [][]string{nil, {"-gz=zlib"}, {"-fPIE", "-static-pie"}} {
		f.Add(must(os.ReadFile(freestandingProgram(f, flags...))))
	}
	f.Add([]byte("\x7fELF"))
	stripped, _ := withMini(f, sharedLibrary(f))
	f.Add(must(os.ReadFile(stripped)))
	f.Fuzz(func(t *testing.T, content []byte) {
		if file, err := object.NewFile("fuzz", bytes.NewReader(content), int64(len(content))); err == nil {
			readEverything(t, file)
		}
	})
}

func FuzzRelocatable(f *testing.F) {
	for _, command := range [][]string{
		{"gcc", "-O1", "-g"},
		{"gcc", "-O1", "-g", "-gz=zlib"},
		{"clang-19", "--target=i686-linux-gnu", "-g"},
		{"clang-19", "--target=riscv64-linux-gnu", "-g"},
		{"clang-19", "--target=s390x-linux-gnu", "-g"},
		{"clang-19", "--target=armebv7-linux-gnueabihf", "-g"},
	} {
		f.Add(must(os.ReadFile(compileObject(f, relocatableSource, ".c", command...))))
	}
	f.Add(must(os.ReadFile(compileObject(f, relocatableClasses, ".cc", "g++", "-g", "-fdebug-types-section"))))
	f.Fuzz(func(t *testing.T, content []byte) {
		if file, err := object.NewFile("fuzz", bytes.NewReader(content), int64(len(content))); err == nil {
			readEverything(t, file)
		}
	})
}

// FuzzMiniDebug puts the bytes into a file as its .gnu_debugdata.
func FuzzMiniDebug(f *testing.F) {
	stripped, mini := withMini(f, sharedLibrary(f))
	whole := must(os.ReadFile(stripped))
	start := bytes.Index(whole, []byte("\xfd7zXZ\x00"))
	require.Positive(f, start)
	for _, options := range [][]string{{"-0"}, {"--block-size=2000"}, {"--check=none"}} {
		packed := filepath.Join(f.TempDir(), "mini")
		run(f, ".", "cp", mini, packed)
		run(f, ".", append(append([]string{"xz"}, options...), packed)...)
		f.Add(must(os.ReadFile(packed + ".xz")))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		content := bytes.Clone(whole)
		if len(packed) > len(content)-start {
			return
		}
		copy(content[start:], packed)
		file, err := object.NewFile("fuzz", bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		if found, err := file.OpenMiniDebug(); err == nil {
			readEverything(t, found)
		}
	})
}
