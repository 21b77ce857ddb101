//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultVariable names a fault for the workers of a test: what a reader would do
// that has one.
const faultVariable = "FFIKIT_TORTURE_FAULT"

// sink is what is allocated and computed for nothing.
var sink []byte

var faults = map[string]func() error{
	"panic": func() error { return errors.New(string(sink[len(sink)])) },
	"crash": func() error {
		_ = syscall.Kill(os.Getpid(), syscall.SIGBUS)
		select {}
	},
	"hang": func() error {
		for {
			sink = append(sink[:0], 1)
		}
	},
	"slow": func() error {
		for begun := cpuTime(); cpuTime()-begun < maxCPU+maxCPU/4; {
			sink = append(sink[:0], 1)
		}
		return nil
	},
	"large": func() error {
		sink = make([]byte, maxRSSBytes)
		for i := 0; i < len(sink); i += 4096 {
			sink[i] = 1
		}
		return nil
	},
	"internal": func() error { return plain("x: internal error (please report it): oops") },
	"nameless": func() error { return errors.New("the error names no file") },
	"none":     func() error { return nil },
}

// The test is its own worker, with one more reading.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "worker" {
		if fault := faults[os.Getenv(faultVariable)]; fault != nil {
			readings = append(readings, reading{"fault", func(string, *subject, *job) (int, error) { return 1, fault() }})
		}
		work(os.Args[2], os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// corpus is one of a single small file.
func corpus(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "small"), 0o700))
	source := "static int twice(int x) { return x * 2; }\nvoid _start(void) { for (volatile int i = 0;; i++) twice(i); }\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unit.c"), []byte(source), 0o600))
	command := exec.Command("clang-19", "-nostdlib", "-static", "-g", "-O1", "-o", "small/main", "unit.c")
	command.Dir = dir
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`[{"name": "small", "main": "main", "with": []}]`), 0o600))
	return dir
}

// output runs the driver and returns what it printed.
func output(t *testing.T, s *settings) (failed int, said string) {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	terminal := os.Stdout
	os.Stdout = writer
	defer func() { os.Stdout = terminal }()
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader)
		text <- string(all)
	}()
	failed, err = run(s)
	require.NoError(t, writer.Close())
	said = <-text
	require.NoError(t, err, said)
	return failed, said
}

func TestMutantsOfAGoodReaderPass(t *testing.T) {
	s := &settings{corpus: corpus(t), manifest: "manifest.json", mutants: 40, workers: 2, every: 20, seed: 1, environment: []string{faultVariable + "=none"}}
	failed, said := output(t, s)
	assert.Zero(t, failed, said)
	assert.Contains(t, said, "40 mutants of 1 files, 0 of them through the command")
	assert.Contains(t, said, "41 passed, 0 failed")
}

func TestFaultsOfAReaderAreSeen(t *testing.T) {
	dir := corpus(t)
	for fault, want := range map[string]string{
		"panic":    "fault: panic: runtime error: index out of range",
		"crash":    "the process died\nSIGBUS: bus error",
		"hang":     "hangs: ",
		"slow":     " s of CPU",
		"large":    " MB of memory",
		"internal": "internal error (please report it): oops",
		"nameless": "fault: the error names no file",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			keep := t.TempDir()
			s := &settings{
				corpus: dir, manifest: "manifest.json", mutants: 0, workers: 1, every: 1, seed: 1,
				keep: keep, environment: []string{faultVariable + "=" + fault},
			}
			p := &process{s: s, folder: t.TempDir()}
			defer p.end()
			var err error
			s.corpus, err = filepath.Abs(s.corpus)
			require.NoError(t, err)
			result, err := p.do(&job{Number: 3, Subject: "small", Seed: 5})
			require.NoError(t, err)
			require.NotEmpty(t, result.Failures)
			assert.Contains(t, result.Failures[0], want)
			// The next one is read by a worker that works.
			s.environment = nil
			p.end()
			result, err = p.do(&job{Number: 4, Subject: "small", Whole: true})
			require.NoError(t, err)
			assert.Empty(t, result.Failures)
			assert.Positive(t, result.Answered)
		})
	}
}

func TestFailuresAreKeptWithTheFewestEdits(t *testing.T) {
	s := &settings{
		corpus: corpus(t), manifest: "manifest.json", mutants: 1, workers: 1, every: 1, seed: 11,
		keep: t.TempDir(), shortest: true, environment: []string{faultVariable + "=nameless"},
	}
	failed, said := output(t, s)
	assert.Equal(t, 2, failed, "the file as it is fails too")
	assert.Contains(t, said, "repeat: scripts/torture-symbolize --only small --seed 11 --mutants 1")
	report, err := os.ReadFile(filepath.Join(s.keep, "small-11", "report.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(report), "failure: fault: the error names no file")
	// Every mutant fails, so that one edit is left of however many.
	assert.Equal(t, 1, countOf(string(report), "\nedit: "))
	assert.FileExists(t, filepath.Join(s.keep, "small-11", "main"))
}

func countOf(text, part string) (count int) {
	for i := range len(text) - len(part) {
		if text[i:i+len(part)] == part {
			count++
		}
	}
	return count
}

func TestTheCommandIsHeldToItsContract(t *testing.T) {
	dir := corpus(t)
	for script, want := range map[string]string{
		"exit 3":                              "",
		"exit 2":                              "command: exit status 2",
		"kill -SEGV $$":                       "command: signal: segmentation fault",
		`echo "panic: oops" >&2`:              "command: says panic: oops",
		`printf 'a\033[31mb\n'`:               "raw control character",
		`printf 'a\342\200\256b\n'`:           "raw control character",
		`printf 'plain\ttext \342\202\254\n'`: "",
	} {
		path := filepath.Join(t.TempDir(), "ffikit")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/bash\n"+script+"\n"), 0o700))
		s := &settings{corpus: dir, manifest: "manifest.json", command: path, mutants: 1, workers: 1, every: 1, seed: 1}
		failed, said := output(t, s)
		if want == "" {
			assert.Zero(t, failed, "%s: %s", script, said)
			continue
		}
		assert.Equal(t, 2, failed, script)
		assert.Contains(t, said, want, script)
	}
}
