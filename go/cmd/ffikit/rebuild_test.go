package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dialogue is a running program that is asked line by line.
type dialogue struct {
	t       *testing.T
	in      io.WriteCloser
	out     *bufio.Reader
	command *exec.Cmd
}

func converse(t *testing.T, dir string, args ...string) *dialogue {
	t.Helper()
	d := &dialogue{t: t, command: exec.Command(args[0], args[1:]...)}
	d.command.Dir, d.command.Stderr = dir, os.Stderr
	d.command.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	var err error
	d.in, err = d.command.StdinPipe()
	require.NoError(t, err)
	out, err := d.command.StdoutPipe()
	require.NoError(t, err)
	d.out = bufio.NewReader(out)
	require.NoError(t, d.command.Start())
	return d
}

// ask returns the answer of that many lines.
func (d *dialogue) ask(line string, lines int) string {
	d.t.Helper()
	_, err := io.WriteString(d.in, line+"\n")
	require.NoError(d.t, err)
	answer := ""
	for range lines {
		text, err := d.out.ReadString('\n')
		require.NoError(d.t, err)
		answer += text
	}
	return answer
}

func (d *dialogue) end() {
	require.NoError(d.t, d.in.Close())
	require.NoError(d.t, d.command.Wait())
}

// A file that is rebuilt, or removed, while its old build runs on: who asks for
// addresses of that goes on to get its functions, lines and data, as from the
// originals, also for what was not asked before.
func TestStreamOutlivesARebuild(t *testing.T) {
	dir := bothPrograms(t)
	for name, text := range map[string]string{
		"old.c": "int data[4] = {1};\nint work(int x) { return x * 3; }\nint rest(int x) { return x + 1; }\nint main() { return work(2) + data[0]; }\n",
		"new.c": "int more[2000] = {1};\nint other(int x) { return x * 3 + more[0]; }\n\n\nint work(int x) { return other(x) + more[1]; }\nint main() { return other(2) + work(1); }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		command(t, dir, nil, "gcc", "-O0", "-g", "-o", strings.TrimSuffix(name, ".c"), name)
	}
	put := func(name string) {
		command(t, dir, nil, "cp", name, "prog.next")
		require.NoError(t, os.Rename(filepath.Join(dir, "prog.next"), filepath.Join(dir, "prog")))
	}
	at := func(name string) string {
		match := regexp.MustCompile(`(?m)^([0-9a-f]+) [TD] ` + name + `$`).FindStringSubmatch(command(t, dir, nil, "nm", "old"))
		require.Len(t, match, 2)
		return match[1]
	}
	type question struct {
		line  string
		lines int
	}
	for _, test := range []struct {
		args  []string
		first question
		later []question
	}{
		{[]string{"addr2line", "-afe", "prog"}, question{at("main"), 3}, []question{{at("main"), 3}, {at("work"), 3}, {"rest", 3}}},
		{[]string{"llvm-symbolizer", "-e", "prog"}, question{"0x" + at("main"), 3},
			[]question{{"0x" + at("main"), 3}, {"0x" + at("work"), 3}, {"DATA 0x" + at("data"), 4}, {"rest", 3}}},
		{[]string{"llvm-symbolizer"}, question{"prog 0x" + at("main"), 3}, []question{{"prog 0x" + at("work"), 3}, {"DATA prog 0x" + at("data"), 4}}},
	} {
		answers := map[string][]string{}
		for _, whose := range []string{"real", "ours"} {
			put("old")
			d := converse(t, dir, append([]string{filepath.Join(dir, whose, test.args[0])}, test.args[1:]...)...)
			answers[whose] = append(answers[whose], d.ask(test.first.line, test.first.lines))
			put("new")
			for _, q := range test.later {
				answers[whose] = append(answers[whose], d.ask(q.line, q.lines))
			}
			require.NoError(t, os.Remove(filepath.Join(dir, "prog")))
			for _, q := range test.later {
				answers[whose] = append(answers[whose], d.ask(q.line, q.lines))
			}
			d.end()
		}
		assert.Equal(t, answers["real"], answers["ours"], test.args)
		for _, answer := range answers["real"] {
			assert.Contains(t, answer, "old.c:")
		}
	}
}
