package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// filtered is a filter that runs: what is written into in comes out of out.
type filtered struct {
	t       *testing.T
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  bytes.Buffer
}

// startFilter runs the command itself, which TestMain puts on the path.
func startFilter(t *testing.T, flags ...string) *filtered {
	t.Helper()
	return startFilterOf(t, "ffikit", flags...)
}

// startFilterOf starts another build of the command.
func startFilterOf(t *testing.T, path string, flags ...string) *filtered {
	t.Helper()
	f := &filtered{t: t, command: exec.Command(path, append([]string{"symbolize", "-f"}, flags...)...)}
	var err error
	f.in, err = f.command.StdinPipe()
	require.NoError(t, err)
	out, err := f.command.StdoutPipe()
	require.NoError(t, err)
	f.command.Stderr = &f.errors
	f.command.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	f.out = bufio.NewReaderSize(out, 1<<20)
	require.NoError(t, f.command.Start())
	// Against a filter that hangs.
	watchdog := time.AfterFunc(2*time.Minute, func() { _ = f.command.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		_ = f.command.Process.Kill()
		_ = f.command.Wait()
	})
	return f
}

func (f *filtered) write(text string) {
	f.t.Helper()
	_, err := io.WriteString(f.in, text)
	require.NoError(f.t, err)
}

// reads asserts that text comes out, while the input stays open.
func (f *filtered) reads(text string) {
	f.t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(f.out, got)
	require.NoError(f.t, err, "of %q there is %q", text, got)
	require.Equal(f.t, text, string(got))
}

// end closes the input and gives the rest of the output and the exit code.
func (f *filtered) end() (string, int) {
	f.t.Helper()
	require.NoError(f.t, f.in.Close())
	return f.rest()
}

func (f *filtered) rest() (string, int) {
	f.t.Helper()
	rest, err := io.ReadAll(f.out)
	require.NoError(f.t, err)
	err = f.command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(f.t, err)
	}
	return string(rest), f.command.ProcessState.ExitCode()
}

const (
	liveHeader  = "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x5571f0a1 bp 0x7ffd0000 sp 0x7ffcfff8\nREAD of size 4 at 0x602000000010 thread T0\n    #0 0x5571f0a0 in first a.c:1:1\n\n"
	liveSummary = "SUMMARY: AddressSanitizer: heap-use-after-free a.c:1:1 in first\n"
	liveAbort   = "==1==ABORTING\n"
)

// Each line is out before the next comes in, and so is a prompt that has no end.
func TestFilterKeepsUp(t *testing.T) {
	f := startFilter(t)
	for i := range 50 {
		line := fmt.Sprintf("line %d\n", i)
		f.write(line)
		f.reads(line)
	}
	f.write("go on? ")
	f.reads("go on? ")
	f.write("yes\nlast, without end")
	f.reads("yes\nlast, without end")
	rest, code := f.end()
	assert.Empty(t, rest)
	assert.Zero(t, code)
	assert.Empty(t, f.errors.String())
}

// The report stands right behind the line that completes it.
func TestFilterShowsReportsAtOnce(t *testing.T) {
	f := startFilter(t)
	f.write(liveHeader + liveSummary + liveAbort)
	f.reads(liveHeader + liveSummary + liveAbort + "── AddressSanitizer: heap-use-after-free ─")
	f.write("next\n")
	rest, code := f.end()
	assert.True(t, strings.HasSuffix(rest, "\n\nnext\n"), rest)
	assert.Equal(t, exitFindings, code)

	// Also where both come in one piece.
	f = startFilter(t)
	f.write(liveHeader + liveSummary + liveAbort + "next\n")
	rest, _ = f.end()
	assert.Less(t, strings.Index(rest, "── AddressSanitizer"), strings.Index(rest, "next\n"))
	assert.Less(t, strings.Index(rest, liveAbort), strings.Index(rest, "── AddressSanitizer"))
}

// A process that goes on after its report says nothing that ends it.
func TestFilterShowsReportsAtAPause(t *testing.T) {
	f := startFilter(t)
	f.write(liveHeader + liveSummary + "half a line")
	f.reads(liveHeader + liveSummary + "half a line")
	f.reads("\n── AddressSanitizer: heap-use-after-free ─")
	f.write(", the rest\n")
	rest, code := f.end()
	assert.True(t, strings.HasSuffix(rest, "\n, the rest\n"), rest)
	assert.Equal(t, exitFindings, code)
}

// Ctrl-C ends the program that writes the stream; what it says then passes.
func TestFilterAndSignals(t *testing.T) {
	f := startFilter(t)
	f.write("running\n")
	f.reads("running\n")
	require.NoError(t, f.command.Process.Signal(os.Interrupt))
	time.Sleep(200 * time.Millisecond)
	f.write("interrupted: cleaning up\n")
	f.reads("interrupted: cleaning up\n")
	rest, code := f.end()
	assert.Empty(t, rest)
	assert.Zero(t, code)

	for _, signals := range [][]syscall.Signal{{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGHUP}} {
		f := startFilter(t)
		f.write("started\n")
		f.reads("started\n")
		f.write(liveHeader + liveSummary)
		for _, s := range signals {
			require.NoError(t, f.command.Process.Signal(s))
			time.Sleep(20 * time.Millisecond)
		}
		rest, code := f.rest()
		assert.Equal(t, 128+int(signals[0]), code)
		assert.Contains(t, rest, liveSummary+"── AddressSanitizer: heap-use-after-free ─", "what came is out, and told of")
	}
}

// A reader that goes away ends the filter, without a word.
func TestFilterWithoutReader(t *testing.T) {
	command := exec.Command("sh", "-c", "yes 'a line' | ffikit symbolize -f | head -n 2")
	out, err := command.CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "a line\na line\n", string(out))
}

// peakKiB is the most memory that the ended process took.
func (f *filtered) peakKiB() int64 {
	return f.command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}

// Long lines and long streams pass in little memory, and whole.
func TestFilterIsBounded(t *testing.T) {
	const maxKiB = 150 << 10
	// As users have it: the race detector takes memory of its own.
	path := filepath.Join(t.TempDir(), "ffikit")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	t.Run("a line of 100 MB", func(t *testing.T) {
		f := startFilterOf(t, path)
		go func() {
			piece := strings.Repeat("0123456789abcdef", 1<<12)
			for range 100 << 20 / len(piece) {
				_, _ = io.WriteString(f.in, piece)
			}
			_, _ = io.WriteString(f.in, "\nend\n")
			_ = f.in.Close()
		}()
		count, err := io.Copy(io.Discard, f.out)
		require.NoError(t, err)
		require.NoError(t, f.command.Wait())
		assert.EqualValues(t, 100<<20+len("\nend\n"), count)
		assert.Less(t, f.peakKiB(), int64(maxKiB))
	})
	t.Run("200 MB of lines and frames", func(t *testing.T) {
		f := startFilterOf(t, path, "--trust-paths")
		var block strings.Builder
		for i := 0; block.Len() < 1<<20; i++ {
			fmt.Fprintf(&block, "an ordinary line of a log, number %d\n", i)
			if i%100 == 0 {
				fmt.Fprintf(&block, "/no/such/module-%d(+0x%x) [0x55e0]\n    #0 0x55e0  (/no/such/%d+0x12) (BuildId: ab%014x)\n", i, i, i, i)
			}
		}
		go func() {
			for range 200 {
				_, _ = io.WriteString(f.in, block.String())
			}
			_ = f.in.Close()
		}()
		count, err := io.Copy(io.Discard, f.out)
		require.NoError(t, err)
		require.NoError(t, f.command.Wait())
		assert.EqualValues(t, 200*block.Len(), count)
		assert.Less(t, f.peakKiB(), int64(maxKiB))
	})
	t.Run("many different reports", func(t *testing.T) {
		f := startFilterOf(t, path)
		go func() {
			for i := range 20_000 {
				_, _ = fmt.Fprintf(f.in, "file%d.c:1:2: runtime error: signed integer overflow: %d\n", i, i)
			}
			_ = f.in.Close()
		}()
		rest, code := f.rest()
		assert.Equal(t, exitFindings, code)
		assert.Equal(t, 20_000, strings.Count(rest, "runtime error: signed integer overflow: "), "every line is passed on")
		assert.Contains(t, f.errors.String(), "more reports were left out")
		assert.Less(t, f.peakKiB(), int64(maxKiB))
	})
}
