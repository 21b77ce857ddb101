package hunter

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/builtagent"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/trace"
)

func built(t *testing.T, source string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program+".c", []byte(source), 0o644))
	out, err := exec.Command("gcc", append([]string{"-g", "-O1", program + ".c", "-o", program}, flags...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// Its argument says how it ends.
const leaking = `#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static void *keep[100000];
static void leak(int n) { for (int i = 0; i < n; i++) { keep[i] = malloc(1000); memset(keep[i], 1, 1000); struct timespec t = {0, 1000000}; nanosleep(&t, NULL); } }
int main(int argc, char **argv) {
  const char *end = argv[1];
  if (!strcmp(end, "fork")) { int pid = fork(); if (pid) { int s; waitpid(pid, &s, 0); } leak(50); return 0; }
  if (!strcmp(end, "exec")) { leak(10); execl(argv[0], argv[0], "quick", NULL); }
  leak(400);
  if (!strcmp(end, "kill")) raise(SIGKILL);
  return !strcmp(end, "three") ? 3 : 0;
}
`

func hunted(t *testing.T, args ...string) *Result {
	t.Helper()
	result, err := Run(t.Context(), Command{Args: args, Agent: builtagent.Path(t), Dir: t.TempDir(), Stdout: os.Stdout, Stderr: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(result.Close)
	return result
}

// large is what is live in blocks of the program's own size.
func large(p *Program) (bytes uint64) {
	for _, c := range p.Heap.Counts() {
		if c.Class == model.ClassHeap && c.Allocations > 0 && c.AllocatedBytes == 1000*c.Allocations {
			bytes += c.LiveBytes()
		}
	}
	return bytes
}

func TestTimeline(t *testing.T) {
	program := built(t, leaking)
	for end, want := range map[string]struct {
		status int
		ended  string
	}{"three": {3, "exited"}, "kill": {137, ""}} {
		result := hunted(t, program, end)
		assert.Equal(t, want.status, result.ExitStatus)
		assert.Empty(t, result.Untraced)
		require.Len(t, result.Programs, 1)
		p := result.Programs[0]
		assert.Equal(t, want.ended, p.Ended)
		assert.Equal(t, uint64(400_000), large(p))
		require.Greater(t, len(p.Timeline), 4)
		require.Len(t, p.Live, len(p.Timeline))
		assert.LessOrEqual(t, len(p.Timeline), maxMoments)
		rose, rss, pss := 0, 0, p.Timeline[0].PSSBytes
		for i := range p.Timeline[1:] {
			assert.Greater(t, p.Timeline[i+1].SinceStart, p.Timeline[i].SinceStart)
			assert.GreaterOrEqual(t, p.Timeline[i+1].LiveBytes, p.Timeline[i].LiveBytes)
			if p.Timeline[i+1].LiveBytes > p.Timeline[i].LiveBytes {
				rose++
			}
			pss = max(pss, p.Timeline[i].PSSBytes)
			if p.Timeline[i].RSSBytes > 0 {
				rss++
			}
		}
		assert.Greater(t, rose, 3)
		assert.Positive(t, rss)
		assert.Positive(t, pss)
	}
}

// Children of fork and programs that take a process over are watched, too.
func TestProcesses(t *testing.T) {
	program := built(t, leaking)
	result := hunted(t, program, "fork")
	require.Len(t, result.Programs, 2)
	for _, p := range result.Programs {
		assert.Equal(t, uint64(50_000), large(p))
		assert.Equal(t, "exited", p.Ended)
	}
	assert.Equal(t, result.Programs[0].PID, result.Programs[1].Heap.ParentPID)
	result = hunted(t, program, "exec")
	require.Len(t, result.Programs, 2)
	assert.Equal(t, []uint64{10_000, 400_000}, []uint64{large(result.Programs[0]), large(result.Programs[1])})
	assert.Equal(t, result.Programs[0].PID, result.Programs[1].PID)
	assert.Equal(t, []string{"", "exited"}, []string{result.Programs[0].Ended, result.Programs[1].Ended})
}

func TestThin(t *testing.T) {
	w := &Program{Heap: &trace.Heap{}, interval: firstInterval}
	for i := range 5000 {
		w.add(model.Moment{SinceStart: time.Duration(i+1) * time.Millisecond})
		require.Less(t, len(w.Timeline), maxMoments)
		require.Len(t, w.Live, len(w.Timeline))
	}
	assert.Greater(t, len(w.Timeline), maxMoments/4)
	assert.Greater(t, w.interval, firstInterval)
}

const hello = "#include <stdio.h>\nint main(void) { puts(\"here\"); return 4; }\n"

// What cannot be tracked is told, with the reason; the command runs.
func TestUntraced(t *testing.T) {
	var notices []Untraced
	run := func(path string) *Result {
		notices = nil
		var out bytes.Buffer
		result, err := Run(t.Context(), Command{Args: []string{path}, Agent: builtagent.Path(t), Dir: t.TempDir(), Stdout: &out, Notice: func(u Untraced) { notices = append(notices, u) }})
		require.NoError(t, err)
		assert.Equal(t, 4, result.ExitStatus)
		assert.Equal(t, "here\n", out.String())
		assert.Empty(t, result.Programs)
		require.Len(t, result.Untraced, 1)
		return result
	}
	for _, flag := range []string{"-static", "-static-pie"} {
		static := built(t, hello, flag)
		assert.Contains(t, run(static).Untraced[0].Reason, "statically linked")
		assert.Len(t, notices, 1)
	}
	clean := filepath.Join(t.TempDir(), "clean")
	require.NoError(t, os.WriteFile(clean, []byte("#!"+built(t, hello, "-static")+"\n"), 0o755))
	assert.Contains(t, run(clean).Untraced[0].Reason, "statically linked", "a script's interpreter counts")

	private := built(t, hello)
	if os.Getuid() == 0 {
		require.NoError(t, os.Chmod(filepath.Dir(private), 0o755))
		require.NoError(t, os.Chown(private, 65534, 65534))
		require.NoError(t, os.Chmod(private, 0o755|os.ModeSetuid))
		assert.Contains(t, whyUntraceable(private), "setuid")
	}
}

// A program that a tracked one becomes, or runs, is missed where it is not tracked.
func TestLost(t *testing.T) {
	slow := built(t, "#include <unistd.h>\nint main(void) { sleep(3); return 4; }\n", "-static")
	for _, script := range []string{"exec " + slow, slow + "; exit 4"} {
		result := hunted(t, "bash", "-c", "true; "+script)
		assert.Equal(t, 4, result.ExitStatus)
		require.Len(t, result.Untraced, 1, script)
		assert.Equal(t, slow, result.Untraced[0].Program)
		assert.Contains(t, result.Untraced[0].Reason, "statically linked")
	}
	assert.Empty(t, hunted(t, "bash", "-c", "true; exec "+built(t, "#include <unistd.h>\nint main(void) { sleep(3); return 4; }\n")).Untraced)
}

func TestWhyUntraceable(t *testing.T) {
	plain := built(t, hello)
	assert.Empty(t, whyUntraceable(plain))
	assert.Empty(t, whyUntraceable("/no/such/file"))
	assert.Contains(t, whyUntraceable(built(t, hello, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")), "musl")
	assert.Contains(t, whyUntraceable(built(t, hello, "-Wl,--dynamic-linker=/system/bin/linker64")), "not glibc's")
	content, err := os.ReadFile(plain)
	require.NoError(t, err)
	content[18] = 183
	require.NoError(t, os.WriteFile(plain, content, 0o755))
	assert.Contains(t, whyUntraceable(plain), "processor")
	loop := filepath.Join(t.TempDir(), "loop")
	require.NoError(t, os.WriteFile(loop, []byte("#!"+loop+"\n"), 0o755))
	assert.Empty(t, whyUntraceable(loop))
}

func TestEnvironment(t *testing.T) {
	c := Command{Env: []string{"LD_PRELOAD=mine.so", "FFIKIT_COMPANION=/x", "FFIKIT_HUNT_SAMPLE=7", "HOME=/"}, SampleBytes: 512 << 10}
	assert.ElementsMatch(t, []string{"LD_PRELOAD=/a.so:mine.so", "HOME=/", "FFIKIT_HUNT=/d/heap", "FFIKIT_HUNT_SAMPLE=524288", "PYTHONMALLOC=malloc"}, c.environment("/a.so", "/d/heap"))
	c = Command{Env: []string{"PYTHONMALLOC=debug"}}
	assert.ElementsMatch(t, []string{"LD_PRELOAD=/a.so", "FFIKIT_HUNT=/d/heap", "PYTHONMALLOC=debug"}, c.environment("/a.so", "/d/heap"))
}

func TestKilobytes(t *testing.T) {
	status := []byte("Name:\tx\nVmRSS:\t    1234 kB\nRssAnon: 1 kB\n")
	assert.Equal(t, uint64(1234*1024), kilobytes(status, "VmRSS:"))
	for _, bad := range []string{"", "VmRSS:", "VmRSS: x kB", "VmRSS: 99999999999999999999 kB"} {
		assert.Zero(t, kilobytes([]byte(bad), "VmRSS:"), bad)
	}
}
