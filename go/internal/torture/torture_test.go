package torture_test

import (
	"bytes"
	"debug/elf"
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

	"github.com/ffikit/ffikit/go/internal/torture"
)

// program is a small file with debug information, built by the compiler.
func program(t *testing.T, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source := "static int twice(int x) { return x * 2; }\nvoid _start(void) { for (volatile int i = 0;; i++) twice(i); }\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unit.c"), []byte(source), 0o600))
	command := exec.Command("clang-19", append(flags, "-nostdlib", "-static", "-g", "-O1", "-o", "out", "unit.c")...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	content, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(t, err)
	return content
}

func TestAimsAreTheTablesAndDebugSections(t *testing.T) {
	for _, flags := range [][]string{nil, {"--target=mips-linux-gnu", "-fuse-ld=lld-19"}} {
		content := program(t, flags...)
		file, err := elf.NewFile(bytes.NewReader(content))
		require.NoError(t, err)
		found := map[string]torture.Aim{}
		for _, aim := range torture.Aims(content) {
			assert.Less(t, aim.Start, aim.End, aim.Name)
			assert.LessOrEqual(t, aim.End, len(content), aim.Name)
			assert.Positive(t, aim.Weight, aim.Name)
			found[aim.Name] = aim
		}
		for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_line", ".symtab"} {
			section := file.Section(name)
			require.Contains(t, found, name)
			assert.Equal(t, [2]int{int(section.Offset), int(section.Offset + section.Size)}, [2]int{found[name].Start, found[name].End})
		}
		// Where readelf says that the section headers are.
		table := found["the section headers"]
		assert.Equal(t, len(file.Sections)*table.Step, table.End-table.Start)
		assert.Equal(t, sectionHeadersOf(t, content), table.Start)
		assert.NotContains(t, found, ".text")
	}
	assert.NotEmpty(t, torture.Aims([]byte("no object file at all")))
}

// sectionHeadersOf is where the section headers start, as readelf has it.
func sectionHeadersOf(t *testing.T, content []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	output, err := exec.Command("readelf", "-h", path).Output()
	require.NoError(t, err)
	match := regexp.MustCompile(`Start of section headers:\s+(\d+)`).FindSubmatch(output)
	require.NotNil(t, match)
	start, err := strconv.Atoi(string(match[1]))
	require.NoError(t, err)
	return start
}

func TestMutantsAreTheSameForASeed(t *testing.T) {
	content := program(t)
	aims := torture.Aims(content)
	original := bytes.Clone(content)
	kinds, places, different := map[torture.Kind]int{}, map[string]int{}, map[string]bool{}
	for seed := range uint64(3000) {
		edits := torture.Plan(content, aims, seed)
		require.Equal(t, edits, torture.Plan(content, aims, seed))
		require.NotEmpty(t, edits)
		require.LessOrEqual(t, len(edits), 16)
		mutant := torture.Apply(content, edits)
		require.Equal(t, mutant, torture.Apply(content, edits))
		different[string(mutant)] = true
		for _, edit := range edits {
			kinds[edit.Kind]++
			places[edit.Where]++
			require.NotEmpty(t, edit.String())
		}
	}
	assert.Equal(t, original, content, "the original is left alone")
	assert.Len(t, kinds, 8, "every kind of edit is met")
	assert.Greater(t, len(different), 2900)
	for _, aim := range aims {
		assert.Positive(t, places[aim.Name], aim.Name)
	}
}

// Edits stay what they are when an earlier one made the file shorter.
func TestEditsPastTheEndDoNothing(t *testing.T) {
	for kind := range torture.Kind(8) {
		for offset := range 12 {
			edit := torture.Edit{Kind: kind, Offset: offset, Length: 8, From: 11 - offset, Value: 3}
			assert.NotPanics(t, func() {
				mutant := torture.Apply([]byte("12345678"), []torture.Edit{edit})
				if offset >= 8 {
					assert.Equal(t, "12345678", string(mutant))
				}
			})
		}
	}
}

func TestBombsAreObjectFiles(t *testing.T) {
	var names []string
	for _, bomb := range torture.Bombs() {
		assert.NotContains(t, names, bomb.Name)
		names = append(names, bomb.Name)
		for name, content := range bomb.Files() {
			assert.Less(t, len(content), 48<<20, bomb.Name)
			file, err := elf.NewFile(bytes.NewReader(content))
			if !assert.NoError(t, err, "%s: %s", bomb.Name, name) {
				continue
			}
			assert.NotNil(t, file.Section(".text"), bomb.Name)
			if strings.HasPrefix(bomb.Name, "claim-z") && bomb.Name != "claim-zstd-frame" && bomb.Name != "claim-zdebug" {
				assert.EqualValues(t, 1<<40, file.Section(".debug_info").Size, bomb.Name)
			}
		}
	}
	assert.Greater(t, len(names), 50)
	assert.True(t, slices.ContainsFunc(torture.Bombs(), func(b torture.Bomb) bool { return b.Claims }))
}

// The tool that unpacks such files believes the claim.
func TestXZClaimIsOne(t *testing.T) {
	bombs := torture.Bombs()
	i := slices.IndexFunc(bombs, func(b torture.Bomb) bool { return b.Name == "claim-xz" })
	require.GreaterOrEqual(t, i, 0)
	file, err := elf.NewFile(bytes.NewReader(bombs[i].Files()["main"]))
	require.NoError(t, err)
	packed, err := file.Section(".gnu_debugdata").Data()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "claim.xz")
	require.NoError(t, os.WriteFile(path, packed, 0o600))
	output, err := exec.Command("xz", "--robot", "--list", path).CombinedOutput()
	require.NoError(t, err, "%s", output)
	assert.Contains(t, string(output), "\t1099511627776\t")
}
