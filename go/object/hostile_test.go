package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/object"
)

// within fails the test where work hangs.
func within(t testing.TB, limit time.Duration, what string, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); work() }()
	select {
	case <-done:
	case <-time.After(limit):
		require.FailNow(t, what+" hangs")
	}
}

func TestOnlyRegularELFFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o644))
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))
	secret := write("secret", "\x7fELF")
	require.NoError(t, os.Chmod(secret, 0))

	for _, test := range []struct {
		path, says string
		want       error
	}{
		{fifo, "FIFO", object.ErrNotRegular},
		{dir, "directory", object.ErrNotRegular},
		{"/dev/zero", "device", object.ErrNotRegular},
		{"/dev/null", "device", object.ErrNotRegular},
		{filepath.Join(dir, "missing"), "missing", fs.ErrNotExist},
		{loop, "loop", syscall.ELOOP},
		{write("empty", ""), "empty", object.ErrNotELF},
		{write("pe", "MZ\x90\x00"), "PE (Windows)", object.ErrNotELF},
		{write("macho", "\xcf\xfa\xed\xfe\x07"), "Mach-O", object.ErrNotELF},
		{write("fat", "\xca\xfe\xba\xbe\x00"), "Mach-O", object.ErrNotELF},
		{write("archive", "!<arch>\n"), "ar archive", object.ErrNotELF},
		{write("script", "#!/bin/sh\n"), "script", object.ErrNotELF},
		{write("text", "hello"), "no ELF magic", object.ErrNotELF},
		{write("short", "\x7fELF\x02\x01"), "cut off", object.ErrFormat},
		{write("class", "\x7fELF\x07\x01"+string(make([]byte, 60))), "class", object.ErrFormat},
	} {
		within(t, 20*time.Second, test.path, func() {
			_, err := object.Open(test.path)
			assert.ErrorIs(t, err, test.want, test.path)
			assert.ErrorContains(t, err, test.path)
			assert.ErrorContains(t, err, test.says)
			var located *object.Error
			assert.True(t, errors.As(err, &located), test.path)
		})
	}
	if os.Getuid() != 0 {
		_, err := object.Open(secret)
		assert.ErrorIs(t, err, fs.ErrPermission)
	}
}

func TestTruncatedAtEveryLength(t *testing.T) {
	content, err := os.ReadFile(freestandingProgram(t))
	require.NoError(t, err)
	for size := 0; size < len(content); size += 13 {
		file, err := object.NewFile("cut", bytes.NewReader(content[:size]), int64(size))
		if err != nil {
			assert.True(t, errors.Is(err, object.ErrFormat) || errors.Is(err, object.ErrNotELF), err)
			continue
		}
		_, _ = file.FunctionSymbols()
	}
	_, err = object.NewFile("whole", bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
}

func TestFileThatShrinksIsAnError(t *testing.T) {
	path := freestandingProgram(t)
	file := open(t, path)
	_, err := open(t, path).FunctionSymbols()
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 512))
	_, err = file.FunctionSymbols()
	assert.ErrorIs(t, err, object.ErrChanged)
	_, err = file.Data(".debug_info")
	assert.ErrorIs(t, err, object.ErrChanged)
}

// bomb replaces the contents of .debug_info by a compressed section that
// claims to be size bytes.
func bomb(t *testing.T, kind elf.CompressionType, size uint64) *object.File {
	t.Helper()
	content, err := os.ReadFile(freestandingProgram(t))
	require.NoError(t, err)
	reference, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	section := reference.Section(".debug_info")
	header := content[section.Offset:]
	binary.LittleEndian.PutUint32(header, uint32(kind))
	binary.LittleEndian.PutUint64(header[8:], size)
	copy(header[24:], "\x78\x9c") // what zlib starts with
	table := binary.LittleEndian.Uint64(content[0x28:])
	for i, s := range reference.Sections {
		if s == section {
			flags := content[table+uint64(i)*64+8:]
			binary.LittleEndian.PutUint64(flags, uint64(elf.SHF_COMPRESSED))
		}
	}
	file, err := object.NewFile("bomb", bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	return file
}

func TestBombIsRefusedByItsClaim(t *testing.T) {
	for _, kind := range []elf.CompressionType{elf.COMPRESS_ZLIB, elf.COMPRESS_ZSTD} {
		for _, size := range []uint64{1 << 40, 1 << 63, ^uint64(0), 1 << 29} {
			file := bomb(t, kind, size)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := file.Data(".debug_info")
			runtime.ReadMemStats(&after)
			assert.ErrorIs(t, err, object.ErrLimit)
			assert.ErrorContains(t, err, "bomb: offset 0x")
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		}
	}
	nothing, err := bomb(t, elf.COMPRESS_ZLIB, 0).Data(".debug_info")
	require.NoError(t, err)
	assert.Empty(t, nothing)
	_, err = bomb(t, elf.COMPRESS_ZLIB, 5000).Data(".debug_info")
	assert.ErrorIs(t, err, object.ErrFormat, "no zlib stream")
	_, err = bomb(t, 77, 100).Data(".debug_info")
	assert.ErrorContains(t, err, "unknown compression 77")
}

func TestHostileCountsAreRefused(t *testing.T) {
	content, err := os.ReadFile(freestandingProgram(t))
	require.NoError(t, err)
	for _, test := range []struct {
		name   string
		offset int
		bytes  []byte
	}{
		{"section headers far away", 0x28, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		{"program headers far away", 0x20, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"65,534 program headers", 0x38, []byte{0xfe, 0xff}},
		{"65,000 section headers", 0x3c, []byte{0xe8, 0xfd}},
		{"names in section 65,000", 0x3e, []byte{0xe8, 0xfd}},
		{"tiny section headers", 0x3a, []byte{1, 0}},
		{"tiny program headers", 0x36, []byte{1, 0}},
		{"core file", 0x10, []byte{4, 0}},
	} {
		hostile := bytes.Clone(content)
		copy(hostile[test.offset:], test.bytes)
		_, err := object.NewFile("hostile", bytes.NewReader(hostile), int64(len(hostile)))
		var located *object.Error
		assert.True(t, errors.As(err, &located), "%s: %v", test.name, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	path := sharedLibrary(b)
	b.ReportAllocs()
	for b.Loop() {
		file, err := object.Open(path)
		require.NoError(b, err)
		_, err = file.FunctionSymbols()
		require.NoError(b, err)
		_ = io.Closer(file).Close()
	}
}
