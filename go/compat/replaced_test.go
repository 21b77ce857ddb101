package compat_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
)

// The two builds of one program: the same addresses mean other things.
const (
	sourceBefore = "int table[4] = {1};\nint first(int x) { return x * 3; }\nint main() { return first(2) + table[0]; }\n"
	sourceAfter  = "int many[2000] = {1};\nint longer(int x) {\n return x * 3 + many[0];\n}\nint other(int x) { return x * 3 + many[1]; }\nint main() { return other(2) + longer(1); }\n"
)

// talk writes a line and reads the lines of its answer.
type talk struct {
	t    *testing.T
	to   *os.File
	from *bufio.Reader
}

func (k *talk) ask(line string, answerLines int) (answer string) {
	k.t.Helper()
	_, err := io.WriteString(k.to, line+"\n")
	require.NoError(k.t, err)
	for range answerLines {
		text, err := k.from.ReadString('\n')
		require.NoError(k.t, err, "%s: %q", line, answer)
		answer += text
	}
	return answer
}

// converse starts a program on two pipes: run must close what it is given to
// write to.
func converse(t *testing.T, run func(in, out *os.File)) *talk {
	t.Helper()
	inRead, inWrite, err := os.Pipe()
	require.NoError(t, err)
	outRead, outWrite, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, outRead.SetReadDeadline(time.Now().Add(2*time.Minute))) // a watchdog
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(inRead, outWrite)
		inRead.Close()
		outWrite.Close()
	}()
	t.Cleanup(func() {
		inWrite.Close()
		<-ended
		outRead.Close()
	})
	return &talk{t, inWrite, bufio.NewReader(outRead)}
}

// Who sends addresses is a process that still runs what was at the path: it is
// answered from the file that was opened first, after another build was put
// there and after that was removed.
func TestModuleReplacedUnderTheStream(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{"before": sourceBefore, "after": sourceAfter} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".c"), []byte(source), 0o644))
		run(t, dir, "clang-19", "-O0", "-g", "-o", name, name+".c")
	}
	main, table := symbolValue(t, filepath.Join(dir, "before"), "main"), symbolValue(t, filepath.Join(dir, "before"), "table")
	t.Chdir(dir)
	for _, call := range []struct {
		program compat.Program
		args    []string
		lines   map[string]int // with how many lines an answer has
	}{
		// The first lines read nothing of what the later ones need.
		{compat.LLVMSymbolizer, []string{"-a", "--obj=module"}, map[string]int{fmt.Sprintf("%#x", main): 4, fmt.Sprintf("DATA %#x", table): 5, "first": 3}},
		{compat.LLVMSymbolizer, []string{"-a"}, map[string]int{fmt.Sprintf("module %#x", main): 4, fmt.Sprintf("DATA module %#x", table): 5}},
		{compat.LLVMAddr2line, []string{"-afe", "module"}, map[string]int{fmt.Sprintf("%#x", main): 3}},
		{compat.GNUAddr2line, []string{"-afe", "module"}, map[string]int{fmt.Sprintf("%x", main): 3, "first": 3, fmt.Sprintf("%x", symbolValue(t, "before", "_fini")): 3}},
	} {
		for line, answerLines := range call.lines {
			put(t, "before", "module")
			theirs := converse(t, func(in, out *os.File) {
				cmd := exec.Command(originals[call.program], call.args...)
				cmd.Stdin, cmd.Stdout = in, out
				assert.NoError(t, cmd.Run())
			})
			our := converse(t, func(in, out *os.File) {
				command := command(call.program, call.args...)
				command.In, command.Out, command.Err = in, out, os.Stderr
				assert.Zero(t, command.Run())
			})
			code := fmt.Sprintf("%#x", main+1)
			if call.lines[fmt.Sprintf("module %#x", main)] > 0 {
				code = "module " + code
			}
			codeLines := 3
			if call.program == compat.LLVMSymbolizer {
				codeLines = 4
			}
			require.Equal(t, theirs.ask(code, codeLines), our.ask(code, codeLines))
			put(t, "after", "module")
			require.Equal(t, theirs.ask(line, answerLines), our.ask(line, answerLines), "%v %s", call.args, line)
			require.NoError(t, os.Remove("module"))
			require.Equal(t, theirs.ask(line, answerLines), our.ask(line, answerLines), "%v %s, removed", call.args, line)
			require.Equal(t, theirs.ask(code, codeLines), our.ask(code, codeLines))
		}
	}
}

// put is what a build does: another file under the same name.
func put(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to+".new", content, 0o755))
	require.NoError(t, os.Rename(to+".new", to))
}
