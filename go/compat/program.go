package compat

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Program is one of the programs whose protocol is spoken.
type Program int

// The programs.
const (
	LLVMSymbolizer Program = iota + 1
	LLVMAddr2line
	// GNUAddr2line is addr2line of binutils.
	GNUAddr2line
)

// ProgramOf tells by the name that a command was called by, such as
// /usr/bin/x86_64-linux-gnu-addr2line or llvm-symbolizer-19, which program is
// meant; false for any other name.
func ProgramOf(name string) (Program, bool) {
	base := filepath.Base(name)
	switch {
	case strings.Contains(base, "llvm-addr2line"):
		return LLVMAddr2line, true
	case strings.Contains(base, "addr2line"):
		return GNUAddr2line, true
	case strings.Contains(base, "llvm-symbolizer"):
		return LLVMSymbolizer, true
	}
	return 0, false
}

// Resolver answers for addresses as symbolize.Symbolizer does: visit is called
// for each address in order, with frames that are good until it returns.
type Resolver interface {
	// File is the open file that Each answers from. It is read until other
	// modules are asked for, within visits of Each too.
	File(path, buildID string) (*object.File, error)
	Each(path, buildID string, addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error
}

// Command is one call of a program.
type Command struct {
	Program Program
	// Name is what the command was called by; its messages start with it.
	Name string
	// Args are the arguments after the name.
	Args []string
	// Version is ffikit's own, for --version.
	Version string
	// Getenv is os.Getenv or a test's.
	Getenv func(string) string
	// Resolver makes the symbolizer, once the options are known.
	Resolver func(Sources) Resolver

	In       io.Reader
	Out, Err io.Writer
}

// Sources say where a Resolver is to look.
type Sources struct {
	// DebugDirs are searched for separate debug files; nil is the default.
	DebugDirs []string
	// SymbolNames lets the symbol table's name win over that of the debug
	// information for the frame that was not inlined.
	SymbolNames bool
	// Debuginfod lets the servers of the environment be asked.
	Debuginfod bool
}

// exitStatus values, the same for all three programs.
const (
	statusOK     = 0
	statusFailed = 1
)

// Run does what the program would, and returns its exit status.
func (c *Command) Run() int {
	args, err := c.expand(c.Args)
	if err != nil {
		c.errorf("%s: error: %v\n", c.Name, err)
		return statusFailed
	}
	if c.Program == GNUAddr2line {
		return c.runGNU(args)
	}
	return c.runLLVM(args)
}
