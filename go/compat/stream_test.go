package compat_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// counter answers at once, and counts how it is asked.
type counter struct {
	frames []model.Frame
	calls  int
	addrs  int
	most   int
	// files are the ones that exist, so that what is read of them is not nothing.
	files map[string]*object.File
}

func (c *counter) File(path, _ string) (*object.File, error) {
	if strings.HasPrefix(path, "bad") {
		return nil, os.ErrNotExist
	}
	file, known := c.files[path]
	if !known {
		if c.files == nil {
			c.files = map[string]*object.File{}
		}
		file, _ = object.Open(path) // what is no file has no symbols
		c.files[path] = file
	}
	return file, nil
}

func (c *counter) Each(path, _ string, addrs []model.VirtAddr, visit func(int, []model.Frame)) error {
	if strings.HasPrefix(path, "bad") {
		return os.ErrNotExist
	}
	c.calls++
	c.addrs += len(addrs)
	c.most = max(c.most, len(addrs))
	for i, addr := range addrs {
		if len(c.frames) > 0 {
			c.frames[0].Line = int(addr)&0xffff + 1
		}
		visit(i, c.frames)
	}
	return nil
}

var threeFrames = []model.Frame{
	{Function: "step<int>", LinkageName: "_ZN4shop4stepIiEEvT_", File: "/src/shop/step.h", Line: 1, Column: 3, Inlined: true},
	{Function: "ring", LinkageName: "_ZN4shop4ringEv", File: "/src/shop/shop.cc", Line: 20, Column: 9, Inlined: true},
	{Function: "main", File: "/src/main.cc", Line: 7, Column: 1},
}

func asked(program compat.Program, resolver compat.Resolver, in io.Reader, out io.Writer, args ...string) *compat.Command {
	c := command(program, args...)
	c.Resolver = func(compat.Sources) compat.Resolver { return resolver }
	c.In, c.Out, c.Err = in, out, io.Discard
	return c
}

// A sanitizer's runtime sends a line and waits for its answer, with the pipe
// open.
func TestEachLineIsAnsweredAtOnce(t *testing.T) {
	for _, program := range everyProgram {
		path := fixture(t, "c-gcc")
		args := []string{"-e", path}
		end := "\n\n"
		if program != compat.LLVMSymbolizer {
			end = "\n"
		}
		inRead, inWrite, err := os.Pipe()
		require.NoError(t, err)
		outRead, outWrite, err := os.Pipe()
		require.NoError(t, err)
		c := command(program, args...)
		c.In, c.Out, c.Err = inRead, outWrite, io.Discard
		status := make(chan int, 1)
		go func() {
			status <- c.Run()
			outWrite.Close()
		}()
		require.NoError(t, outRead.SetReadDeadline(time.Now().Add(2*time.Minute))) // a watchdog
		answers := bufio.NewReader(outRead)
		for range 20 {
			for _, line := range []string{"0x1", "0x10", "\n", "zz"} {
				_, err = fmt.Fprintln(inWrite, line)
				require.NoError(t, err)
				want := strings.Count(line, "\n") + 1
				for range want {
					answer := ""
					for !strings.HasSuffix(answer, end) {
						text, err := answers.ReadString('\n')
						require.NoError(t, err, "%s: no answer to %q", originals[program], line)
						answer += text
					}
				}
			}
		}
		// Half a line is no line yet; the end of input makes it one.
		_, err = inWrite.WriteString("0x2")
		require.NoError(t, err)
		require.NoError(t, inWrite.Close())
		rest, err := io.ReadAll(answers)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(rest), end), "%q", rest)
		assert.Equal(t, 0, <-status)
		require.NoError(t, inRead.Close())
	}
}

// Lines that are there at once are looked up together, and answered in order.
func TestLinesAreAnsweredInBatches(t *testing.T) {
	var input, want strings.Builder
	const count = 100_000
	for i := range count {
		fmt.Fprintf(&input, "%#x\n", i*7919)
		fmt.Fprintf(&want, "step.h:%d\n", i*7919&0xffff+1)
	}
	file, err := os.CreateTemp(t.TempDir(), "input")
	require.NoError(t, err)
	_, err = file.WriteString(input.String())
	require.NoError(t, err)
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)
	resolver := &counter{frames: threeFrames[:1]}
	var out bytes.Buffer
	require.Equal(t, 0, asked(compat.GNUAddr2line, resolver, file, &out, "-s", "-e", fixture(t, "c-gcc")).Run())
	assert.Equal(t, want.String(), out.String())
	assert.Equal(t, 1, resolver.calls)

	// From a pipe, too, as far as its writer is ahead.
	read, write, err := os.Pipe()
	require.NoError(t, err)
	go func() {
		_, _ = io.WriteString(write, input.String())
		write.Close()
	}()
	resolver, out = &counter{frames: threeFrames[:1]}, bytes.Buffer{}
	require.Equal(t, 0, asked(compat.GNUAddr2line, resolver, read, &out, "-s", "-e", fixture(t, "c-gcc")).Run())
	assert.Equal(t, want.String(), out.String())
	assert.Less(t, resolver.calls, count/100)
	require.NoError(t, read.Close())
}

// Modules in turn: each is asked once a batch, answers keep the lines' order,
// and failures stand where they happened.
func TestModulesAreGrouped(t *testing.T) {
	var input, want strings.Builder
	for i := range 3000 {
		name := []string{"one", "two", "bad", "three"}[i%4]
		fmt.Fprintf(&input, "%s %#x\n", name, i)
		if name == "bad" {
			want.WriteString("??\n??:0:0\n\n")
		} else {
			fmt.Fprintf(&want, "main\n/src/main.cc:%d:1\n\n", i+1)
		}
	}
	resolver := &counter{frames: []model.Frame{threeFrames[2]}}
	var out bytes.Buffer
	require.Equal(t, 0, asked(compat.LLVMSymbolizer, resolver, strings.NewReader(input.String()), &out).Run())
	assert.Equal(t, want.String(), out.String())
	assert.LessOrEqual(t, resolver.calls, 3*(1+input.Len()/(1<<16)))
	assert.Equal(t, 3000*3/4, resolver.addrs)
}

// endless is one line of many bytes.
type endless struct {
	left int
	fill byte
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = e.fill
	}
	e.left -= n
	return n, nil
}

// No line makes us hold more than a piece of it.
func TestLongLines(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB")
	}
	for _, program := range everyProgram {
		for _, fill := range []byte{'x', '0', ' ', '"'} {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			resolver := &counter{frames: threeFrames}
			in := &endless{100 << 20, fill}
			require.Equal(t, 0, asked(program, resolver, in, io.Discard, "-e", fixture(t, "c-gcc")).Run())
			runtime.ReadMemStats(&after)
			assert.Less(t, int64(after.HeapSys)-int64(before.HeapSys), int64(64<<20), "%s %q", originals[program], fill)
		}
	}
}

// Neither do many modules.
func TestManyModules(t *testing.T) {
	var input strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&input, "module%d 0x%x\n", i, i)
	}
	resolver := &counter{frames: threeFrames[2:]}
	var out bytes.Buffer
	require.Equal(t, 0, asked(compat.LLVMSymbolizer, resolver, strings.NewReader(input.String()), &out).Run())
	assert.Equal(t, 20_000, strings.Count(out.String(), "main\n"))
}

// Nothing is allocated for an address.
func TestNoAllocationPerAddress(t *testing.T) {
	input := func(count int) string {
		var text strings.Builder
		for i := range count {
			fmt.Fprintf(&text, "%#x\n", 0x1000+i)
		}
		return text.String()
	}
	few, many := input(1000), input(20_000)
	for i, program := range slices.Concat(everyProgram, []compat.Program{compat.LLVMSymbolizer}) {
		args := []string{"-a", "-f", "-i", "-C", "-e", fixture(t, "c-gcc")}
		if i == len(everyProgram) {
			args = append(args, "--output-style=JSON")
		}
		measure := func(text string) float64 {
			return testing.AllocsPerRun(5, func() {
				require.Equal(t, 0, asked(program, &counter{frames: threeFrames}, strings.NewReader(text), io.Discard, args...).Run())
			})
		}
		// The buffers grow by doubling: a few more for twenty times as much.
		assert.Less(t, measure(many)-measure(few), 100.0, originals[program])
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWriteErrorEndsIt(t *testing.T) {
	for _, program := range everyProgram {
		resolver := &counter{frames: threeFrames}
		assert.Equal(t, 1, asked(program, resolver, &endless{1 << 30, '\n'}, full{}, "-e", fixture(t, "c-gcc")).Run(), originals[program])
		assert.Equal(t, 1, asked(program, resolver, nil, full{}, "-e", fixture(t, "c-gcc"), "1").Run(), originals[program])
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReadErrorEndsIt(t *testing.T) {
	for _, program := range everyProgram {
		assert.Equal(t, 1, asked(program, &counter{}, broken{}, io.Discard, "-e", fixture(t, "c-gcc")).Run(), originals[program])
	}
}

func benchmark(b *testing.B, program compat.Program, args ...string) {
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "%#x\n", 0x401000+i*37)
	}
	args = append(args, "-e", fixture(b, "c-gcc"))
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		require.Equal(b, 0, asked(program, &counter{frames: threeFrames}, strings.NewReader(text.String()), io.Discard, args...).Run())
	}
}

// The cost of protocol and printing alone: 100,000 addresses of three frames.
func BenchmarkLLVM(b *testing.B)     { benchmark(b, compat.LLVMSymbolizer) }
func BenchmarkLLVMJSON(b *testing.B) { benchmark(b, compat.LLVMSymbolizer, "--output-style=JSON") }
func BenchmarkGNU(b *testing.B)      { benchmark(b, compat.GNUAddr2line, "-afiC") }
