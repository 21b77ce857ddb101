package dwarf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// dropped is a function of more than 4 KiB, which is where the code of a program
// starts that may be loaded anywhere; the linker finds that nobody calls it.
func dropped() string {
	var text strings.Builder
	text.WriteString("extern volatile int sum;\nint dropped(int x) {\n")
	for i := range 4000 {
		fmt.Fprintf(&text, "    sum += x * %d;\n", i+3)
	}
	text.WriteString("    return sum;\n}\n")
	return text.String()
}

// TestFunctionsThatTheLinkerDropped leave their lines behind, at address 0; those
// of the unit that they are of, and of the units after it, stay as they are. The
// reference is the same code, linked so that what was dropped lies at the end of
// all addresses.
func TestFunctionsThatTheLinkerDropped(t *testing.T) {
	for _, version := range []string{"4", "5"} {
		dir := writeSources(t)
		// The dropped function's sequence comes first, and is the first unit's.
		first := dropped() + sources["first.c"]
		require.NoError(t, os.WriteFile(filepath.Join(dir, "first.c"), []byte(strings.Replace(first, "volatile int sum;\n__", "volatile int sum = 1;\n__", 1)), 0o644))
		for _, compiler := range []string{"clang-19", "gcc"} {
			flags := []string{"-O1", "-g", "-gdwarf-" + version, "-ffunction-sections"}
			command(t, dir, append([]string{compiler, "-c", "first.c", "second.c"}, flags...)...)
			link := []string{"clang-19", "-fuse-ld=lld-19", "-pie", "-Wl,--gc-sections", "first.o", "second.o"}
			command(t, dir, append(link, "-o", "program")...)
			command(t, dir, append(link, "-Wl,-z,dead-reloc-in-nonalloc=.debug_*=0xffffffffffffffff", "-o", "reference")...)
			compare(t, filepath.Join(dir, "program"), filepath.Join(dir, "reference"))

			command(t, dir, "gcc", "-pie", "-Wl,--gc-sections", "first.o", "second.o", "-o", "bfd")
			for _, name := range []string{"program", "bfd"} {
				content, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				lookupsAndExtractionAgree(t, content)
				require.NoError(t, open(t, content).Each(codeAddrs(t, content), func(_ int, frames []model.Frame) {
					for _, frame := range frames {
						assert.True(t, frame.Line == 0 || frame.Line > 4000 || !strings.HasSuffix(frame.File, "first.c"), "%v", frame)
					}
				}))
			}
		}
	}
}
