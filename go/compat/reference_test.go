package compat_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
	"github.com/ffikit/ffikit/go/symbolize"
)

// The reference is the program itself.
var originals = map[compat.Program]string{
	compat.LLVMSymbolizer: "llvm-symbolizer-19",
	compat.LLVMAddr2line:  "llvm-addr2line-19",
	compat.GNUAddr2line:   "addr2line",
}

// outcome is what a program did.
type outcome struct {
	out, err string
	status   int
}

// original runs the real program.
func original(t testing.TB, program compat.Program, dir, input string, args ...string) outcome {
	t.Helper()
	cmd := exec.Command(originals[program], args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if fault := cmd.Run(); fault != nil {
		require.IsType(t, &exec.ExitError{}, fault)
	}
	return outcome{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}

// ours runs our form of it, in this process.
func ours(t testing.TB, program compat.Program, dir, input string, args ...string) outcome {
	t.Helper()
	t.Chdir(dir)
	var out, err bytes.Buffer
	command := command(program, args...)
	command.In, command.Out, command.Err = strings.NewReader(input), &out, &err
	status := command.Run()
	return outcome{out.String(), err.String(), status}
}

// command is one call without its streams.
func command(program compat.Program, args ...string) *compat.Command {
	return &compat.Command{
		Program: program, Name: originals[program], Args: args, Version: "test", Getenv: os.Getenv,
		Resolver: func(sources compat.Sources) compat.Resolver {
			return symbolize.New(symbolize.Options{
				TrustPaths: true, NoCache: true, KeepOpened: true, DebugDirs: sources.DebugDirs, SymbolNames: sources.SymbolNames,
			})
		},
	}
}
