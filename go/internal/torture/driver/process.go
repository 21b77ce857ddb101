package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// process is one worker as the parent sees it. It belongs to one goroutine.
type process struct {
	s      *settings
	folder string // the worker's working folder

	command *exec.Cmd
	jobs    *json.Encoder
	stdin   io.Closer
	replies chan reply
	stderr  *os.File
}

type reply struct {
	outcome *outcome
	err     error
}

// start begins a worker, in place of one that is gone.
func (p *process) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if p.stderr, err = os.Create(p.folder + ".stderr"); err != nil {
		return err
	}
	p.command = exec.Command(program, "worker", p.s.corpus, p.s.manifest)
	p.command.Dir, p.command.Stderr = p.folder, p.stderr
	p.command.Env = append(os.Environ(), "GOTRACEBACK=all", "XDG_CACHE_HOME="+filepath.Join(p.folder, "cache"))
	p.command.Env = append(p.command.Env, p.s.environment...)
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.command.Start(); err != nil {
		return err
	}
	p.stdin, p.jobs, p.replies = stdin, json.NewEncoder(stdin), make(chan reply, 1)
	go func(replies chan<- reply) {
		decoder := json.NewDecoder(stdout)
		for {
			result := &outcome{}
			err := decoder.Decode(result)
			replies <- reply{result, err}
			if err != nil {
				return
			}
		}
	}(p.replies)
	return nil
}

// end stops the worker.
func (p *process) end() {
	if p.command == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.command.Process.Kill() // it has nothing to lose
	_ = p.command.Wait()
	_ = p.stderr.Close()
	p.command = nil
}

// do has one job done. What kills the worker is the mutant's failure, not an
// error.
func (p *process) do(j *job) (*outcome, error) {
	if p.command == nil {
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	if err := p.jobs.Encode(j); err != nil {
		return nil, fmt.Errorf("worker: %w: %s", err, p.lastWords())
	}
	begun := time.Now()
	cpu, _ := usageOf(p.command.Process.Pid)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case r := <-p.replies:
			if r.err == nil {
				return r.outcome, nil
			}
			p.end()
			return p.lost(j, "the process died"), nil
		case <-ticker.C:
			used, resident := usageOf(p.command.Process.Pid)
			switch {
			case used-cpu > hungAfterCPU || time.Since(begun) > hungAfter:
				return p.kill(j, fmt.Sprintf("hangs: %.1f s of CPU so far", (used-cpu).Seconds())), nil
			case resident > killRSSBytes:
				return p.kill(j, fmt.Sprintf("took %d MB of memory so far", resident>>20)), nil
			}
		}
	}
}

// kill ends a worker that is over the limits, after it told where it is.
func (p *process) kill(j *job, why string) *outcome {
	askForStacks(p.command.Process)
	deadline := time.After(10 * time.Second)
	for ended := false; !ended; {
		select {
		case r := <-p.replies:
			ended = r.err != nil
		case <-deadline:
			ended = true
		}
	}
	p.end()
	return p.lost(j, why)
}

func (p *process) lost(j *job, why string) *outcome {
	return &outcome{Number: j.Number, Failures: []string{why + "\n" + p.lastWords()}}
}

// maxWords is how much of what a worker said at its end is shown.
const maxWords = 8 << 10

// lastWords are what the worker said at its end: of stacks, that of the mutant.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.folder + ".stderr")
	if err != nil {
		return err.Error()
	}
	said := string(text)
	head, _, _ := strings.Cut(said, "\n")
	if _, stack, ok := strings.Cut(said, "\ngoroutine 1 "); ok {
		stack, _, _ = strings.Cut(stack, "\n\n")
		said = head + "\ngoroutine 1 " + stack
	}
	return said[:min(len(said), maxWords)]
}

// commandRuns is how often the command is asked about one mutant: the first run
// leaves no index, the next makes one, the last uses it.
const commandRuns = 3

// runCommand asks the ffikit command about the mutant that the worker left.
func (p *process) runCommand(s *subject, result *outcome) error {
	for turn := range commandRuns {
		args := []string{"symbolize", "-e", s.Main}
		if turn%2 == 1 {
			args = append(args, "--json")
		}
		command := exec.Command(p.s.command, append(args, result.Command...)...)
		command.Dir = p.folder
		command.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(p.folder, "cache"), "NO_COLOR=1")
		var stdout, stderr strings.Builder
		command.Stdout, command.Stderr = &stdout, &stderr
		if err := command.Start(); err != nil {
			return err
		}
		watchdog := time.AfterFunc(hungAfter, func() { _ = command.Process.Kill() })
		err := command.Wait()
		watchdog.Stop()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			return err
		}
		result.judgeCommand(s, command, stdout.String(), stderr.String())
	}
	return nil
}

// judgeCommand holds one run to the contract of the command.
func (o *outcome) judgeCommand(s *subject, command *exec.Cmd, stdout, stderr string) {
	said := strings.TrimSpace(stderr)
	if len(said) > maxWords {
		said = said[:maxWords]
	}
	// 0: all was answered; 3: not all could be.
	if code := command.ProcessState.ExitCode(); code != 0 && code != 3 {
		o.fail("command: %s\n%s", command.ProcessState, said)
	}
	if err := plain(stdout + stderr); err != nil {
		o.fail("command: says %s", said+stdout[:min(len(stdout), maxWords)])
	}
	for name, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		if i := strings.IndexFunc(text, isControl); i >= 0 {
			o.fail("command: raw control character %q on %s", text[i:i+1], name)
		}
	}
	cpu, peak := usageAfter(command)
	if cpu > o.CPUNS {
		o.CPUNS, o.Reading = cpu, "the command"
	}
	if peak > o.RSSBytes {
		o.RSSBytes, o.LargestReading = peak, "the command"
	}
	maxCPU, maxRSSBytes := s.limits()
	if cpu > maxCPU {
		o.fail("command: took %.1f s of CPU", cpu.Seconds())
	}
	if peak > maxRSSBytes {
		o.fail("command: took %d MB of memory", peak>>20)
	}
}

// isControl finds what a terminal would obey: C0 and C1 controls, and the marks
// that turn the direction of text.
func isControl(r rune) bool {
	return r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069)
}
