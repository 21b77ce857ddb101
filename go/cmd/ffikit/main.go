// Command ffikit makes one readable report of what goes wrong in processes
// that mix Go, C, Rust and Python.
//
// Each verb has a file of its own here; what they do lives in the packages
// that they compose.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes, a contract with every caller's scripts.
const (
	exitClean    = 0
	exitFindings = 1
	exitUsage    = 2
	exitPartial  = 3 // could not, or not fully, do it; and no finding
)

// exitError ends the command with a code. With a nil err it does so silently:
// all that was to be said has been printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func failure(err error) error { return &exitError{exitPartial, err} }

// written is for a verb that only prints: not having been able to is a failure.
func written(err error) error {
	if err != nil {
		return failure(err)
	}
	return nil
}

func main() {
	collectLate()
	// Before anything is built for our own verbs: a program that others start
	// for each crash starts fast.
	program, name, rest, err := programMeant(os.Args[0], os.Args[1:])
	switch {
	case err != nil:
		noteError(err)
		os.Exit(exitUsage)
	case program != 0:
		os.Exit(speak(program, name, rest))
	}
	os.Exit(run(os.Args[1:]))
}

// run runs the command line and gives the exit code.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitClean
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		// What cobra itself refuses is a matter of usage.
		exit = &exitError{exitUsage, err}
	}
	switch {
	case exit.err == nil:
	case exit.code == exitUsage:
		noteUsage(exit.err)
	default:
		noteError(exit.err)
	}
	return exit.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ffikit",
		Short: "One readable report when Go, C, Rust and Python share a process",
		Long: `ffikit reads what sanitizers say of a process that mixes Go, C, Rust and
Python, and makes one readable report of it: every frame named in its own
language, crossings marked, the line to look at first blamed, with the reason.

Exit codes: 0 clean, 1 findings, 2 wrong usage, 3 could not (fully) do it and
found nothing.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newSymbolize(), newSanitize(), newHunt(), newDoctor(), newCache(), newExplain(), newVersion(), newManual())
	return root
}
