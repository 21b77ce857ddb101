package hunter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/ffikit/ffikit/go/capture/preload"
)

// Command is a command to hunt in.
type Command struct {
	Args []string
	// Env is its environment; nil means this process's own.
	Env []string
	// Agent is the library that tracks (preload.FindAgent).
	Agent string
	// SampleBytes: an allocation is tracked on average every so many bytes; 0: all are.
	SampleBytes uint64
	// Dir is an existing, empty folder that receives the heap traces.
	Dir string

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Notice, where it is set, is told before the command runs why it may not
	// be tracked.
	Notice func(Untraced)
}

// Result is how a command ended and what was seen of its processes.
type Result struct {
	// Args is what was run, with the program's path resolved.
	Args []string
	// ExitStatus is the command's own, 128+n where signal n ended it.
	ExitStatus int
	Signal     string
	// Programs are those that were tracked, in the order in which they began.
	Programs []*Program
	// Untraced are programs that are known not to have been tracked.
	Untraced []Untraced
}

// Untraced says why a program was not tracked.
type Untraced struct {
	Program string
	Reason  string
}

// Close gives back the files of all programs.
func (r *Result) Close() {
	for _, p := range r.Programs {
		p.Heap.Close()
	}
}

// The variables that the agent reads.
const (
	prefixEnv = "FFIKIT_HUNT"
	sampleEnv = "FFIKIT_HUNT_SAMPLE"
	startEnv  = "FFIKIT_HUNT_START"
	// companionEnv would make it the sanitizer's companion.
	companionEnv = "FFIKIT_COMPANION"
)

// traceName is the name of the heap traces in Dir, before process and number.
const traceName = "heap"

// Run runs the command, watches it, and waits for its end. Signals are as in
// preload.Wait. An error means that it could not be started. The caller closes the Result.
func Run(ctx context.Context, c Command) (*Result, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no command given")
	}
	program, err := preload.ResolveProgram(ctx, c.Args[0])
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	agent, err := preload.Preloadable(c.Agent, dir)
	if err != nil {
		return nil, err
	}
	reason := whyUntraceable(program)
	if reason != "" && c.Notice != nil {
		c.Notice(Untraced{program, reason})
	}
	command := exec.Command(program, c.Args[1:]...)
	command.Env = c.environment(agent, filepath.Join(dir, traceName))
	command.Stdin, command.Stdout, command.Stderr = c.Stdin, c.Stdout, c.Stderr
	watching := watch(dir)
	state, err := preload.Wait(ctx, command)
	programs, untraced := watching.end()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", program, err)
	}
	result := &Result{Args: append([]string{program}, c.Args[1:]...), ExitStatus: state.ExitCode(), Programs: programs, Untraced: untraced}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		result.ExitStatus = 128 + int(status.Signal())
		result.Signal = status.Signal().String()
	}
	if !watching.met[state.Pid()] {
		if reason == "" {
			reason = "it left no heap trace: it may have cleared its environment (LD_PRELOAD), have had no room or right to write one, or have ended before the agent was ready"
		}
		result.Untraced = append([]Untraced{{program, reason}}, result.Untraced...)
	}
	return result, nil
}

func (c *Command) environment(agent, prefix string) []string {
	env := preload.NewEnvironment(c.Env)
	for _, name := range []string{companionEnv, sampleEnv, startEnv} {
		env.Remove(name)
	}
	if before := env.Get("LD_PRELOAD"); before != "" {
		agent += ":" + before
	}
	env.Set("LD_PRELOAD", agent)
	env.Set(prefixEnv, prefix)
	if c.SampleBytes > 0 {
		env.Set(sampleEnv, strconv.FormatUint(c.SampleBytes, 10))
	}
	if env.Get("PYTHONMALLOC") == "" {
		// Python's own allocator takes memory by the megabyte: who asked for the
		// last object of an arena would stand for all.
		env.Set("PYTHONMALLOC", "malloc")
	}
	return env.List()
}
