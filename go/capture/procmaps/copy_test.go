package procmaps_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/capture/procmaps"
)

func copyOf(t *testing.T, text string, options procmaps.CopyOptions) *procmaps.Space {
	t.Helper()
	s, err := procmaps.ReadCopy(strings.NewReader(text), "saved", options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSavedCopy(t *testing.T) {
	program := compile(t, target, filepath.Join(t.TempDir(), "program"))
	p := start(t, program)
	saved, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.pid))
	require.NoError(t, err)
	want := symbol(t, program, "in_program")

	module, virt, err := copyOf(t, string(saved), procmaps.CopyOptions{}).Locate(p.addrs["in_program"])
	require.NoError(t, err)
	assert.Equal(t, want, virt)
	assert.Equal(t, readBuildID(t, program), module.BuildID)

	// Another file at the path is refused, unless paths are trusted.
	other := program + ".other"
	run(t, "cp", program, other)
	require.NoError(t, os.Rename(other, program))
	_, _, err = copyOf(t, string(saved), procmaps.CopyOptions{}).Locate(p.addrs["in_program"])
	require.ErrorIs(t, err, procmaps.ErrReplaced)
	assert.ErrorContains(t, err, "saved:", "the line is named")
	assert.ErrorContains(t, err, "--trust-paths")
	_, virt, err = copyOf(t, string(saved), procmaps.CopyOptions{TrustPaths: true}).Locate(p.addrs["in_program"])
	require.NoError(t, err)
	assert.Equal(t, want, virt)

	// A copy of another machine, whose files lie below a folder here.
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(program)), 0o755))
	require.NoError(t, os.Rename(program, filepath.Join(root, program)))
	module, virt, err = copyOf(t, string(saved), procmaps.CopyOptions{Root: root, TrustPaths: true}).Locate(p.addrs["in_program"])
	require.NoError(t, err)
	assert.Equal(t, want, virt)
	assert.Equal(t, program, module.Path)
	assert.Equal(t, program, module.OpenPath, "below the root")

	_, _, err = copyOf(t, string(saved), procmaps.CopyOptions{TrustPaths: true}).Locate(p.addrs["in_program"])
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestHostileCopies(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	run(t, "mkfifo", fifo)
	for name, path := range map[string]string{"device": "/dev/zero", "fifo": fifo, "folder": "/", "up": "/../../../dev/zero", "text": "/etc/passwd"} {
		s := copyOf(t, "1000-2000 r-xp 00000000 08:01 1   "+path+"\n", procmaps.CopyOptions{TrustPaths: true})
		_, _, err := s.Locate(0x1800)
		assert.Error(t, err, name)
	}
	// The root is not left.
	s := copyOf(t, "1000-2000 r-xp 00000000 08:01 1   /../../../../../../../../bin/true\n", procmaps.CopyOptions{TrustPaths: true, Root: t.TempDir()})
	_, _, err := s.Locate(0x1800)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestParse(t *testing.T) {
	mappings, err := procmaps.Parse(strings.NewReader(strings.Join([]string{
		`00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/a program (deleted)`,
		``,
		`e03000-e24000 rw-p 00000000 00:00 0           [heap]`,
		`7f0000000000-7f0000001000 rwxs 00000000 fd:100000 18446744073709551615 /x\012y `,
		`7fff00000000-7fff00001000 ---p 00000000 00:00 0 `,
		`ffffffffff600000-ffffffffffffffff --xp 00000000 00:00 0                  [vsyscall]`,
	}, "\n")), "maps")
	require.NoError(t, err)
	require.Len(t, mappings, 5)
	assert.Equal(t, procmaps.Mapping{
		Start: 0x400000, End: 0x452000, FileOffset: 0x1000, Major: 8, Minor: 2, Inode: 173521, Executable: true,
		Path: "/usr/bin/a program (deleted)", Line: 1,
	}, mappings[0])
	assert.Equal(t, "/usr/bin/a program", mappings[0].DisplayPath())
	assert.Equal(t, "[heap]", mappings[1].Path)
	assert.Equal(t, 3, mappings[1].Line)
	assert.Equal(t, "/x\ny ", mappings[2].DisplayPath(), "a space at a path's end is its own")
	assert.EqualValues(t, 0x100000, mappings[2].Minor)
	assert.Equal(t, uint64(1<<64-1), mappings[2].Inode)
	assert.Empty(t, mappings[3].Path)
	assert.False(t, mappings[3].Executable)
}

func TestParseRefuses(t *testing.T) {
	const good = "1000-2000 r-xp 00000000 08:01 1 /a\n"
	for _, test := range []struct{ text, says string }{
		{"", ""},
		{good + "hello\n", "maps:2: \"hello\" is no range"},
		{good + "3000-2000 r-xp 0 0:0 0\n", "maps:2: the mapping at 0x3000 has no bytes"},
		{good + "3000-3000 r-xp 0 0:0 0\n", "no bytes"},
		{good + "1800-2800 r-xp 0 0:0 0\n", "maps:2: the mapping at 0x1800 begins before"},
		{good + good, "maps:2"},
		{"10000000000000000-20000000000000000 r-xp 0 0:0 0\n", "64 bits"},
		{"-1000-2000 r-xp 0 0:0 0\n", "maps:1"},
		{"1_0-20 r-xp 0 0:0 0\n", "hexadecimal"},
		{"0x10-0x20 r-xp 0 0:0 0\n", "hexadecimal"},
		{"10-20 r-x 0 0:0 0\n", "permissions"},
		{"10-20 r-xp zz 0:0 0\n", "hexadecimal"},
		{"10-20 r-xp 0 0 0\n", "hexadecimal"},
		{"10-20 r-xp 0 0:123456789 0\n", "32 bits"},
		{"10-20 r-xp 0 0:0 0x1\n", "inode"},
		{"10-20 r-xp 0 0:0\n", "inode"},
		{"10-20 r-xp ffffffffffffffff 0:0 0\n", "past every file's end"},
		{good + "3000-4000 r-xp 0 0:0 0 /" + strings.Repeat("x", 1<<17), "maps:2: the line is longer"},
	} {
		_, err := procmaps.Parse(strings.NewReader(test.text), "maps")
		if test.says == "" {
			assert.NoError(t, err)
			continue
		}
		require.Error(t, err, "%.60q", test.text)
		assert.ErrorContains(t, err, test.says)
		var parseErr *procmaps.ParseError
		assert.ErrorAs(t, err, &parseErr)
	}
}

// endless is maps without end, of different long paths.
type endless struct{ lines, bytes int }

func (e *endless) Read(into []byte) (int, error) {
	line := fmt.Sprintf("%x-%x r-xp 0 0:0 1 /%d/%s\n", e.lines*16, e.lines*16+16, e.lines, strings.Repeat("x", e.bytes))
	if e.lines++; len(line) > len(into) {
		return 0, fmt.Errorf("the buffer is small: %d", len(into))
	}
	return copy(into, line), nil
}

func TestParseIsBounded(t *testing.T) {
	_, err := procmaps.Parse(&endless{bytes: 1}, "maps")
	require.ErrorContains(t, err, "more than 1048576 mappings")
	_, err = procmaps.Parse(&endless{bytes: 4000}, "maps")
	require.ErrorContains(t, err, "longer than 67108864 bytes together")
}

func FuzzParse(f *testing.F) {
	own, err := os.ReadFile("/proc/self/maps")
	require.NoError(f, err)
	f.Add(string(own))
	f.Add("00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/a (deleted)\n")
	f.Add("7f00-7f01 rw-p 00000000 00:01 12 /memfd:x (deleted)\n7f02-7f03 r-xp 00000000 00:00 0 [vdso]\n")
	f.Add("1-2 ---p 0 0:0 0 /a\\012b\n\n2-3 r-xs ffffffffff 0:0 0\n")
	f.Add("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]")
	f.Fuzz(func(t *testing.T, text string) {
		mappings, err := procmaps.Parse(strings.NewReader(text), "maps")
		if err != nil {
			var parseErr *procmaps.ParseError
			require.ErrorAs(t, err, &parseErr)
			require.LessOrEqual(t, parseErr.Line, strings.Count(text, "\n")+1)
			return
		}
		require.LessOrEqual(t, len(mappings), strings.Count(text, "\n")+1)
		for i, m := range mappings {
			require.Less(t, m.Start, m.End)
			require.True(t, i == 0 || mappings[i-1].End <= m.Start)
			require.Contains(t, text, m.Path)
		}
		// Nothing of it is opened without having the mapping's identity.
		s, err := procmaps.ReadCopy(strings.NewReader(text), "maps", procmaps.CopyOptions{Root: "/proc/nowhere"})
		require.NoError(t, err)
		for _, m := range mappings[:min(len(mappings), 16)] {
			_, _, err := s.Locate(m.Start)
			require.Error(t, err)
		}
		require.NoError(t, s.Close())
	})
}
