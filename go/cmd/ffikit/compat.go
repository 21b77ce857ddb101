package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/ffikit/ffikit/go/compat"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/symbolize"
)

// programMeant tells whether the command was called in the place of another
// program: by that program's name, or by
// `ffikit symbolize --compat=llvm-symbolizer|llvm-addr2line|addr2line …`. name
// is what the program's messages start with.
func programMeant(called string, args []string) (program compat.Program, name string, rest []string, err error) {
	if program, ok := compat.ProgramOf(called); ok {
		return program, called, args, nil
	}
	if len(args) < 2 || args[0] != "symbolize" {
		return 0, "", nil, nil
	}
	value, ok := strings.CutPrefix(args[1], "--compat=")
	rest = args[2:]
	if !ok {
		if args[1] != "--compat" || len(args) < 3 {
			return 0, "", nil, nil
		}
		value, rest = args[2], args[3:]
	}
	program, ok = compat.ProgramOf(value)
	if !ok {
		return 0, "", nil, fmt.Errorf("--compat wants llvm-symbolizer, llvm-addr2line or addr2line, not %q", value)
	}
	return program, value, rest, nil
}

// speak answers as the program would. The options are all that program's: what
// is ours is said by the environment.
func speak(program compat.Program, name string, args []string) int {
	command := compat.Command{
		Program: program, Name: name, Args: args, Version: currentVersion(), Getenv: os.Getenv,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Resolver: func(sources compat.Sources) compat.Resolver {
			flags := debugFlags{debugDirs: sources.DebugDirs, noCache: os.Getenv("FFIKIT_NO_CACHE") != ""}
			if sources.Debuginfod && os.Getenv("DEBUGINFOD_URLS") != "" {
				flags.debuginfod = serversOfEnvironment
			}
			// The only paths here are those that the caller gave.
			options, err := flags.options(context.Background(), true)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s\n", name, render.Printable(err.Error())) // and answer from what is here
			}
			options.SymbolNames = sources.SymbolNames
			// As the program does: who writes to it runs on after a rebuild.
			options.KeepOpened = true
			return symbolize.New(options)
		},
	}
	return command.Run()
}
