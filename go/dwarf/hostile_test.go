package dwarf_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

const fixtureSource = `
volatile int sink;
enum kind { A, B };
struct pair { int first; enum kind second; };
static inline __attribute__((always_inline)) int twice(int x) { sink += x; return x * 2; }
static inline __attribute__((always_inline)) int middle(int x) { return twice(x) + twice(x + 1); }
__attribute__((noinline)) int outer(struct pair *p) { return middle(p->first) + p->second; }
void _start(void) { struct pair p = { 3, B }; for (;;) sink = outer(&p) + middle(sink); }
`

// program builds the fixture without libraries, so that it is a few kilobytes.
// A compiler that is missing fails the test.
func program(t testing.TB, command ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unit.c"), []byte(fixtureSource), 0o644))
	cmd := exec.Command(command[0], append(command[1:], "-nostdlib", "-static", "-o", "out", "unit.c")...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	content, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(t, err)
	return content
}

// programs are of both compilers and all shapes of DWARF.
func programs(t testing.TB) [][]byte {
	return [][]byte{
		program(t, "gcc", "-gdwarf-5", "-O2"),
		program(t, "gcc", "-gdwarf-4", "-O2", "-ffunction-sections"),
		program(t, "gcc", "-gdwarf-5", "-gdwarf64", "-O1"),
		program(t, "gcc", "-gdwarf-3", "-O1", "-gz=zlib"),
		program(t, "clang-19", "-gdwarf-5", "-O2"),
		program(t, "clang-19", "-gdwarf-4", "-O1", "-ffunction-sections"),
		program(t, "clang-19", "-gdwarf-5", "-O2", "--target=mips-linux-gnu", "-fuse-ld=lld-19"),
		program(t, "clang-19", "-gdwarf-5", "-O2", "-fuse-ld=lld-19", "-Wl,--compress-debug-sections=zstd"),
	}
}

// codeAddrs are addresses of .text, every 4th byte.
func codeAddrs(t testing.TB, content []byte) []model.VirtAddr {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	var addrs []model.VirtAddr
	for _, section := range file.Sections {
		if section.Flags&elf.SHF_EXECINSTR != 0 {
			for offset := uint64(0); offset < section.Size; offset += 4 {
				addrs = append(addrs, model.VirtAddr(section.Addr+offset))
			}
		}
	}
	require.NotEmpty(t, addrs)
	return addrs
}

// resolve reads content as far as it goes.
func resolve(content []byte, addrs []model.VirtAddr) (lines int, err error) {
	file, err := object.NewFile("program", bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return 0, err
	}
	data, err := dwarf.New(file)
	if data == nil {
		return 0, err
	}
	data.Producers(8)
	frames, resolveErr := data.Resolve(addrs)
	for _, chain := range frames {
		if len(chain) > 0 && chain[0].Line > 0 {
			lines++
		}
	}
	if err == nil {
		err = resolveErr
	}
	return lines, err
}

// mutate edits 1 to 16 bytes or runs of content, half of the time where the
// debug information is.
func mutate(random *rand.Rand, content []byte, debug [][2]int) []byte {
	mutant := bytes.Clone(content)
	interesting := []byte{0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40}
	for range 1 + random.IntN(16) {
		at := random.IntN(len(mutant))
		if random.IntN(2) == 0 {
			place := debug[random.IntN(len(debug))]
			at = place[0] + random.IntN(place[1]-place[0])
		}
		switch random.IntN(4) {
		case 0:
			mutant[at] ^= 1 << random.IntN(8)
		case 1:
			mutant[at] = byte(random.Uint32())
		case 2:
			mutant[at] = interesting[random.IntN(len(interesting))]
		case 3:
			fill := interesting[random.IntN(len(interesting))]
			for i := at; i < min(at+1+random.IntN(8), len(mutant)); i++ {
				mutant[i] = fill
			}
		}
	}
	if random.IntN(20) == 0 {
		mutant = mutant[:random.IntN(len(mutant))]
	}
	return mutant
}

func debugPlaces(t testing.TB, content []byte) (places [][2]int) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	for _, section := range file.Sections {
		if strings.HasPrefix(section.Name, ".debug_") && section.FileSize > 0 {
			places = append(places, [2]int{int(section.Offset), int(section.Offset + section.FileSize)})
		}
	}
	table := int(file.FileHeader.ByteOrder.Uint32(content[0x20:]))
	if file.Class == elf.ELFCLASS64 {
		table = int(file.FileHeader.ByteOrder.Uint64(content[0x28:]))
	}
	return append(places, [2]int{0, 64}, [2]int{table, len(content)})
}

// TestMutants is the row of FACTS on malformed files: no panic, no hang, and
// memory that is bounded.
func TestMutants(t *testing.T) {
	const (
		mutants    = 10000
		eachMemory = 512 << 20
		eachTime   = 20 * time.Second // a watchdog, not a speed limit
	)
	sources := programs(t)
	var addrs [][]model.VirtAddr
	var debug [][][2]int
	for _, content := range sources {
		addrs = append(addrs, codeAddrs(t, content))
		debug = append(debug, debugPlaces(t, content))
		lines, err := resolve(content, addrs[len(addrs)-1])
		require.NoError(t, err)
		require.Greater(t, lines, 5)
	}
	answered, refused := 0, 0
	var worst time.Duration
	for seed := range uint64(mutants) {
		random := rand.New(rand.NewPCG(seed, 1))
		which := int(seed) % len(sources)
		mutant := mutate(random, sources[which], debug[which])
		name := fmt.Sprintf("mutant %d of program %d", seed, which)
		watchdog := time.AfterFunc(eachTime, func() { panic(name + " hangs") })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		var lines int
		var err error
		require.NotPanics(t, func() { lines, err = resolve(mutant, addrs[which]) }, name)
		worst = max(worst, time.Since(start))
		runtime.ReadMemStats(&after)
		watchdog.Stop()
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(eachMemory), name)
		if lines > 0 {
			answered++
		}
		if err != nil {
			refused++
			require.Contains(t, err.Error(), "program: ", name)
		}
	}
	t.Logf("%d mutants: %d still answered, %d said what is wrong; the slowest took %v", mutants, answered, refused, worst)
	assert.Greater(t, answered, mutants/10, "the mutants are not all rubbish")
	assert.Greater(t, refused, mutants/10)
}

func TestTruncatedDebugInfo(t *testing.T) {
	for number, content := range programs(t) {
		addrs := codeAddrs(t, content)
		for _, section := range []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_str"} {
			cut := cutSection(t, content, section)
			_, err := resolve(cut, addrs)
			if section != ".debug_str" {
				assert.Error(t, err, "program %d without the end of %s", number, section)
			}
		}
	}
}

// cutSection makes the section a third of its size, in its header.
func cutSection(t *testing.T, content []byte, name string) []byte {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	cut := bytes.Clone(content)
	for i, section := range file.Sections {
		if section.Name != name {
			continue
		}
		if file.Class == elf.ELFCLASS64 {
			table := file.ByteOrder.Uint64(content[0x28:])
			file.ByteOrder.PutUint64(cut[table+uint64(i)*64+32:], section.FileSize/3)
		} else {
			table := file.ByteOrder.Uint32(content[0x20:])
			file.ByteOrder.PutUint32(cut[table+uint32(i)*40+20:], uint32(section.FileSize/3))
		}
		return cut
	}
	require.Fail(t, "no section "+name)
	return nil
}

func FuzzResolve(f *testing.F) {
	for _, content := range programs(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		addrs := []model.VirtAddr{0, 0x1000, 0x401000, 0x401010, 0x201200, ^model.VirtAddr(0)}
		if file, err := object.NewFile("program", bytes.NewReader(content), int64(len(content))); err == nil {
			for _, r := range file.ExecRanges() {
				addrs = append(addrs, r.Start, r.Start+8, r.Start+(r.End-r.Start)/2, r.End-1)
			}
		}
		_, _ = resolve(content, addrs[:min(len(addrs), 32)])
		if file, err := object.NewFile("program", bytes.NewReader(content), int64(len(content))); err == nil {
			if data, err := dwarf.New(file); err == nil {
				_, _ = data.Extract(2)
			}
		}
	})
}
