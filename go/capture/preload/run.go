package preload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Preloadable gives a path to the same file that can stand in LD_PRELOAD, whose
// entries end at spaces and colons: a link in dir where path has one.
func Preloadable(path, dir string) (string, error) {
	const separators = " :"
	if !strings.ContainsAny(path, separators) {
		return path, nil
	}
	link := filepath.Join(dir, filepath.Base(path))
	if strings.ContainsAny(link, separators) {
		return "", fmt.Errorf("%s cannot be preloaded: its path has a space or a colon, and so has that of the run, %s (set TMPDIR)", path, dir)
	}
	return link, os.Symlink(path, link)
}

// Wait starts command and waits for its end. SIGTERM and SIGHUP are passed on to it,
// and when ctx ends it is killed. This process does not die of the terminal's
// interrupt, which the command gets as well: what it did is still to be told. An
// error means that it could not be started.
func Wait(ctx context.Context, command *exec.Cmd) (*os.ProcessState, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		done := ctx.Done()
		for {
			select {
			case received := <-signals:
				if received == syscall.SIGTERM || received == syscall.SIGHUP {
					_ = command.Process.Signal(received) // it may have ended already
				}
			case <-done:
				_ = command.Process.Kill()
				done = nil
			case <-ended:
				return
			}
		}
	}()
	err := command.Wait()
	close(ended)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && command.ProcessState == nil {
		return nil, err
	}
	return command.ProcessState, nil
}

// ResolveProgram finds the program that is meant by the first word of a command. A pyenv shim is a script that would run
// under the sanitizers itself before it gets to Python, so what it stands for
// is run in its place.
func ResolveProgram(ctx context.Context, name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w (is it on PATH?)", err)
	}
	if filepath.Base(filepath.Dir(path)) != "shims" {
		return path, nil
	}
	pyenv, err := exec.LookPath("pyenv")
	if err != nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, pyenv, "which", filepath.Base(path)).Output()
	if target := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(target) {
		return target, nil
	}
	return path, nil
}
