package sanitizer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ffikit/ffikit/go/capture/preload"
)

// Command is a command to run under the sanitizers.
type Command struct {
	Args []string
	// Env is its environment; nil means this process's own.
	Env []string
	// Runtime is the ASan runtime to preload; empty means FindRuntime's. It
	// is not preloaded into a program that brings its own.
	Runtime string
	// Companion is the library that records stacks through all languages
	// (FindCompanion); empty: the sanitizer's own stacks are all there is.
	Companion string
	// NoLeaks switches LeakSanitizer off.
	NoLeaks bool
	// LogDir is an existing, empty folder that receives the logs and the
	// companion's evidence.
	LogDir string

	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Result is how a command ended and what its processes logged.
type Result struct {
	// Args is what was run, with the program's path resolved.
	Args []string
	// ExitStatus is the command's own, 128+n where signal n ended it.
	ExitStatus int
	Signal     string
	// Logs are what each process left, by process ID.
	Logs []Log
	// Unseen says why the program itself was not watched, if it was not.
	Unseen []string
}

// Log is what one process left; a path is empty where it has left no such file.
type Log struct {
	PID int
	// Path is the sanitizer's log, Evidence the companion's stacks for it.
	Path, Evidence string
}

// Run runs the command and waits for it. While it runs, interrupts from the
// terminal are the command's business; SIGTERM and SIGHUP are passed on.
// An error means that it could not be started.
func Run(ctx context.Context, c Command) (*Result, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no command given")
	}
	program, err := preload.ResolveProgram(ctx, c.Args[0])
	if err != nil {
		return nil, err
	}
	runtime, found := "", inspect(program)
	if c.Runtime != "" || !found.runtime {
		if runtime, err = c.preload(ctx); err != nil {
			return nil, err
		}
	}
	logDir, err := filepath.Abs(c.LogDir)
	if err != nil {
		return nil, err
	}
	for _, path := range []*string{&c.Companion, &runtime} {
		if *path, err = preload.Preloadable(*path, logDir); err != nil {
			return nil, err
		}
	}
	args := append([]string{program}, c.Args[1:]...)
	command := exec.Command(program, c.Args[1:]...)
	command.Env = c.environment(c.Env, runtime, filepath.Join(logDir, logName), filepath.Join(logDir, evidenceName))
	command.Stdin, command.Stdout, command.Stderr = c.Stdin, c.Stdout, c.Stderr
	state, err := preload.Wait(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", program, err)
	}
	result := &Result{Args: args, ExitStatus: state.ExitCode(), Unseen: found.unseen}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		result.ExitStatus = 128 + int(status.Signal())
		result.Signal = status.Signal().String()
	}
	result.Logs, err = logs(logDir)
	return result, err
}

func (c *Command) preload(ctx context.Context) (string, error) {
	if c.Runtime != "" {
		path, err := existing(c.Runtime)
		if err != nil {
			return "", fmt.Errorf("ASan runtime: %w", err)
		}
		return path, CheckRuntime(path)
	}
	return FindRuntime(ctx)
}

func existing(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// The files in LogDir: the name, a dot, the process ID.
const (
	logName      = "log"
	evidenceName = "stacks"
)

// EvidenceBeside gives where a run has left the companion's evidence for a log;
// empty where the log's name is none that a run makes.
func EvidenceBeside(log string) string {
	name, pid, ok := strings.Cut(filepath.Base(log), ".")
	if _, err := strconv.Atoi(pid); !ok || err != nil || name != logName {
		return ""
	}
	return filepath.Join(filepath.Dir(log), evidenceName+"."+pid)
}

// logs lists what the processes have left.
func logs(dir string) ([]Log, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	byPID := map[int]*Log{}
	for _, entry := range entries {
		name, number, _ := strings.Cut(entry.Name(), ".")
		pid, err := strconv.Atoi(number)
		if err != nil || !entry.Type().IsRegular() || name != logName && name != evidenceName {
			continue
		}
		if byPID[pid] == nil {
			byPID[pid] = &Log{PID: pid}
		}
		if path := filepath.Join(dir, entry.Name()); name == logName {
			byPID[pid].Path = path
		} else {
			byPID[pid].Evidence = path
		}
	}
	found := make([]Log, 0, len(byPID))
	for _, log := range byPID {
		found = append(found, *log)
	}
	slices.SortFunc(found, func(a, b Log) int { return a.PID - b.PID })
	return found, nil
}
