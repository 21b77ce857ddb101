package trace

import (
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The faults are at the ends of chains of calls, the leaf's name first.
const agentProgram = `#include <stdlib.h>
__attribute__((noinline)) static char *make(void) { char *p = malloc(40); p[0] = 1; return p; }
__attribute__((noinline)) static void drop(char *p) { free(p); }
__attribute__((noinline)) static char look(const char *p) { return p[3]; }
int main(void) {
  char *p = make();
  drop(p);
  char seen = look(p);
  return seen != 0;
}
`

// What the agent itself writes is read whole, and means what the program did:
// addresses are checked against its symbol table, by Go's own ELF reader.
func TestAgentsFile(t *testing.T) {
	agent, err := filepath.Abs("../../build/lib/libffikit_agent.so")
	require.NoError(t, err)
	require.FileExists(t, agent, "make agent builds it")
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program+".c", []byte(agentProgram), 0o644))
	out, err := exec.Command("clang-19", "-g", "-O1", "-fsanitize=address", "-shared-libasan", "-fno-optimize-sibling-calls", "-Wl,--build-id", program+".c", "-o", program).CombinedOutput()
	require.NoError(t, err, "%s", out)
	runtime, err := exec.Command("clang-19", "-print-file-name=libclang_rt.asan-x86_64.so").Output()
	require.NoError(t, err)

	command := exec.Command(program)
	command.Env = append(os.Environ(), "LD_PRELOAD="+agent+":"+strings.TrimSpace(string(runtime)), "FFIKIT_COMPANION="+dir+"/stacks",
		"ASAN_OPTIONS=symbolize=0:verify_asan_link_order=0:fast_unwind_on_malloc=1:malloc_context_size=2:log_path="+dir+"/log")
	require.Error(t, command.Run(), "it faults")
	name := dir + "/stacks." + strconv.Itoa(command.Process.Pid)
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	evidence, partial, err := Read(file, name)
	require.NoError(t, err)
	assert.Empty(t, partial)
	assert.Empty(t, evidence.Notes)
	assert.Equal(t, command.Process.Pid, evidence.PID)
	assert.Equal(t, uint32(elf.EM_X86_64), evidence.Machine)
	require.NotNil(t, evidence.Statistics)
	assert.Positive(t, evidence.Statistics.Mallocs)
	assert.Zero(t, evidence.Statistics.Lost)

	object, err := elf.Open(program)
	require.NoError(t, err)
	defer object.Close()
	symbols, err := object.Symbols()
	require.NoError(t, err)
	note, err := object.Section(".note.gnu.build-id").Data()
	require.NoError(t, err)
	want := map[Role]string{RoleFault: "look main _start", RoleFree: "drop main _start", RoleAllocation: "make main _start"}
	for _, report := range evidence.ReportStacks {
		assert.Equal(t, uint32(0), report.Sequence)
		assert.Equal(t, uint32(command.Process.Pid), report.ThreadID)
		frames, truncated, ok := evidence.Frames(report.Stack)
		require.True(t, ok)
		assert.Empty(t, truncated)
		var names []string
		for _, frame := range frames {
			if frame.Module != program {
				continue
			}
			assert.Equal(t, hex.EncodeToString(note[16:]), frame.BuildID)
			for _, symbol := range symbols {
				if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && uint64(frame.VirtAddr)-symbol.Value < symbol.Size {
					names = append(names, symbol.Name)
				}
			}
		}
		assert.Equal(t, want[report.Role], strings.Join(names, " "))
		delete(want, report.Role)
		if report.Role == RoleFault {
			assert.Equal(t, "heap-use-after-free", report.Kind)
			assert.NotZero(t, report.PC)
			assert.NotZero(t, report.AbsAddr)
		}
	}
	assert.Empty(t, want, "each role is there")
}
