package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/ffikit/ffikit/go/compat"
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

// speak answers as the program would.
func speak(program compat.Program, name string, args []string) int {
	command := compat.Command{
		Program: program, Name: name, Args: args, Version: currentVersion(), Getenv: os.Getenv,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Resolver: func(sources compat.Sources) compat.Resolver {
			return symbolize.New(symbolize.Options{TrustPaths: true, DebugDirs: sources.DebugDirs, SymbolNames: sources.SymbolNames})
		},
	}
	return command.Run()
}
