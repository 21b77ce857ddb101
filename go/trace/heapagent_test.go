package trace

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/builtagent"
	"github.com/ffikit/ffikit/go/model"
)

// It says what it has asked for and given back at each line that it reads: of
// blocks of 1,000 bytes and more, which nobody else in it asks for.
const countingProgram = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *kept[100000]; static unsigned long n, frees, bytes, freed;
__attribute__((noinline)) static void *keep(size_t size) { void *p = malloc(size); memset(p, 1, size); bytes += size; n++; return p; }
__attribute__((noinline)) static void drop(void *p, size_t size) { free(p); frees++; freed += size; }
__attribute__((noinline)) static void work(unsigned long from) {
  for (unsigned long i = from; i < from + 500; i++) { kept[i] = keep(1000 + i % 7); if (i % 3 == 0) drop(kept[i], 1000 + i % 7); }
}
int main(void) {
  char line[64]; unsigned long from = 0;
  setvbuf(stdout, NULL, _IONBF, 0);
  while (fgets(line, sizeof line, stdin)) { work(from); from += 500; printf("%lu %lu %lu %lu\n", n, frees, bytes, freed); }
  return 0;
}
`

// tracked sums up what the counts say of stacks with a frame of that name in
// the program (its symbols are read by Go's own ELF reader).
func tracked(t *testing.T, h *Heap, program, function string) (sum [4]uint64) {
	t.Helper()
	object, err := elf.Open(program)
	require.NoError(t, err)
	defer object.Close()
	symbols, err := object.Symbols()
	require.NoError(t, err)
	is := func(f model.Frame) bool {
		for _, s := range symbols {
			if s.Name == function && f.Module == program && uint64(f.VirtAddr)-s.Value < s.Size {
				return true
			}
		}
		return false
	}
	for _, c := range h.Counts() {
		frames, _, ok := h.Frames(c.Node)
		if ok && is(frames[0]) {
			sum[0] += c.Allocations
			sum[1] += c.Frees
			sum[2] += c.AllocatedBytes
			sum[3] += c.FreedBytes
		}
	}
	return sum
}

func heapFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "heap.*.*"))
	require.NoError(t, err)
	return files
}

// What a program counts of itself is what the trace says, to the byte: while
// it runs, when it was killed, and when it has ended.
func TestHeapOfCountingProgram(t *testing.T) {
	agent, dir := builtagent.Path(t), t.TempDir()
	program := filepath.Join(dir, "counting")
	require.NoError(t, os.WriteFile(program+".c", []byte(countingProgram), 0o644))
	out, err := exec.Command("gcc", "-g", "-O1", program+".c", "-o", program).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, end := range []string{"end", "kill"} {
		runs := t.TempDir()
		command := exec.Command(program)
		command.Env = append(os.Environ(), "LD_PRELOAD="+agent, "FFIKIT_HUNT="+runs+"/heap")
		stdin, err := command.StdinPipe()
		require.NoError(t, err)
		stdout, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		answers := bufio.NewReader(stdout)
		var h *Heap
		var want [4]uint64
		for range 5 {
			_, err := fmt.Fprintln(stdin)
			require.NoError(t, err)
			line, err := answers.ReadString('\n')
			require.NoError(t, err)
			_, err = fmt.Sscan(line, &want[0], &want[1], &want[2], &want[3])
			require.NoError(t, err)
			if h == nil {
				require.Len(t, heapFiles(t, runs), 1)
				h, err = OpenHeap(heapFiles(t, runs)[0])
				require.NoError(t, err)
				defer h.Close()
			}
			require.NoError(t, h.Refresh())
			assert.Equal(t, want, tracked(t, h, program, "keep"), "while it runs")
		}
		assert.Equal(t, HeapCounting, h.State)
		if end == "kill" {
			require.NoError(t, command.Process.Kill())
			require.Error(t, command.Wait())
		} else {
			stdin.Close()
			require.NoError(t, command.Wait())
		}
		require.NoError(t, h.Refresh())
		assert.Equal(t, want, tracked(t, h, program, "keep"), end)
		assert.Equal(t, end == "end", h.State == HeapEnded)
		assert.Equal(t, command.Process.Pid, h.PID)
		assert.Equal(t, os.Getpid(), h.ParentPID)
		assert.Equal(t, []string{program}, h.Arguments)
		assert.Empty(t, h.Partial())
		assert.Empty(t, h.Notes)
	}
}

// A Python program's own blocks bear its function and line.
func TestHeapOfPython(t *testing.T) {
	agent, dir := builtagent.Path(t), t.TempDir()
	script := filepath.Join(dir, "keeps.py")
	require.NoError(t, os.WriteFile(script, []byte(`import os
kept = []


def keep(n):
    for i in range(n):
        kept.append(bytes(100000 + i))  # here


keep(40)
os._exit(0)
`), 0o644))
	command := exec.Command("python3", script)
	command.Env = append(os.Environ(), "LD_PRELOAD="+agent, "FFIKIT_HUNT="+dir+"/heap")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	var n, bytes uint64
	for _, file := range heapFiles(t, dir) {
		h, err := OpenHeap(file)
		require.NoError(t, err)
		defer h.Close()
		for _, c := range h.Counts() {
			frames, _, _ := h.Frames(c.Node)
			for _, f := range frames {
				if strings.HasSuffix(f.Function, "keep") && f.File == script {
					assert.Equal(t, 5, f.FunctionLine)
					assert.Contains(t, []int{6, 7}, f.Line)
					if c.Allocations == 40 && f.Line == 7 {
						n, bytes = n+c.Allocations-c.Frees, bytes+c.LiveBytes()
					}
				}
			}
		}
	}
	assert.Equal(t, uint64(40), n)
	header := uint64(33) // of a bytes object, with the zero behind it
	assert.Equal(t, 40*(100000+header)+39*40/2, bytes)
}
