package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

type symbolizeFlags struct {
	reportFlags
	object     string
	section    string
	pid        int
	maps       string
	follow     bool
	trustPaths bool
	evidence   []string
	compat     string
}

// programs are what --compat speaks for.
var programs = []string{"llvm-symbolizer", "llvm-addr2line", "addr2line"}

func newSymbolize() *cobra.Command {
	flags := &symbolizeFlags{}
	command := &cobra.Command{
		Use: `symbolize [LOG…|-]
  ffikit symbolize -f
  ffikit symbolize -e FILE ADDR…|-
  ffikit symbolize --pid PID | --maps FILE ADDR…|-
  ffikit symbolize --compat=PROGRAM …`,
		Short: "Make one readable report of sanitizer logs, filter a live stream, or look up addresses",
		Long: `Reads logs (standard input where none is named, or for -), symbolizes the
sanitizer reports in them, and prints each different one once.

A module is opened only if its build ID is the one that the log names. With
--trust-paths also where the log names none, as gcc's runtime does. Where debug
information is looked for, and what is refused: 'ffikit explain symbols'.

Evidence of the companion ('ffikit explain companion') makes stacks whole: that
beside a log which 'ffikit sanitize --keep-logs' kept is found, other files are
named by --evidence.

With -f, filters a live stream: every line of standard input is passed on to
standard output as it comes, and nothing is held back or left out. Frames without
a source place get it in their line (sanitizers' "(MODULE+0xOFFSET)", glibc's
"MODULE(+0xOFFSET)", "MODULE[+0xOFFSET]", Android's "pc OFFSET MODULE"), and each
sanitizer report is followed by its readable form once it is complete: at its
last line, or when the stream pauses for 3 seconds behind its SUMMARY. A report
that was met before takes one line. The first Ctrl-C is left to the program that
writes the stream; the second ends the filter.

With -e, looks up file-virtual addresses (hexadecimal) of one ELF file; with -j,
offsets into one of its sections. With --pid or --maps, looks up addresses of a
process. For -, addresses are read from standard input, one a line.`,
		Example: `  ffikit symbolize ci.log
  ./run-tests 2>&1 | ffikit symbolize --json -
  ./server 2>&1 | ffikit symbolize -f
  ffikit symbolize -e ./libstore.so 0x26ff 0x2711
  ffikit symbolize -e ./store.o -j .text.put 0x1c
  ffikit symbolize --pid 4711 0x7f3a52c01b20
  ffikit symbolize --debuginfod=https://debuginfod.example ci.log`,
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command, args)
		},
	}
	flags.register(command)
	set := command.Flags()
	set.StringVarP(&flags.object, "exe", "e", "", "look up addresses of this ELF `FILE`")
	set.StringVarP(&flags.section, "section", "j", "", "with -e: the addresses are offsets into this `SECTION`")
	set.IntVar(&flags.pid, "pid", 0, "look up addresses of the running process `PID`")
	set.StringVar(&flags.maps, "maps", "", "look up addresses of the process of which this `FILE` is a copy of /proc/PID/maps")
	set.BoolVarP(&flags.follow, "follow", "f", false, "filter standard input: pass every line on, annotate frames, add readable reports")
	set.StringVar(&flags.debug.root, "root", "", "`DIR` with the files of another machine or image: modules and debug files are looked up below it")
	set.StringArrayVar(&flags.evidence, "evidence", nil, "`FILE` of stacks that the companion recorded for the logs' processes; may be repeated")
	set.BoolVar(&flags.trustPaths, "trust-paths", false, "open modules for which the log names no build ID")
	set.StringVar(&flags.compat, "compat", "", "take the options and speak the protocol of `PROGRAM`: "+strings.Join(programs, ", ")+"; must come first")
	must(command.MarkFlagDirname("root"))
	must(command.RegisterFlagCompletionFunc("compat", cobra.FixedCompletions(programs, cobra.ShellCompDirectiveNoFileComp)))
	return command
}

// run chooses the form that the flags ask for.
func (f *symbolizeFlags) run(command *cobra.Command, args []string) error {
	set := command.Flags()
	var forms []string
	for _, name := range []string{"exe", "pid", "maps", "follow"} {
		if set.Changed(name) {
			forms = append(forms, "--"+name)
		}
	}
	switch {
	case set.Changed("compat"):
		return usageError("--compat must come first: ffikit symbolize --compat=%s …", f.compat)
	case len(forms) > 1:
		return usageError("%s and %s exclude each other", forms[0], forms[1])
	case set.Changed("section") && !set.Changed("exe"):
		return usageError("-j goes with -e FILE")
	case set.Changed("pid") && f.debug.root != "":
		return usageError("--root goes without --pid: a process's files are opened as it sees them")
	case len(f.evidence) > 0 && len(forms) > 0:
		return usageError("--evidence goes with logs, not with %s", forms[0])
	case len(forms) == 0:
		return f.logs(command.Context(), args)
	case f.follow:
		return f.filter(command.Context(), args)
	}
	return f.addresses(command.Context(), forms[0], args)
}

// logs is the form without any of them.
func (f *symbolizeFlags) logs(ctx context.Context, names []string) error {
	options, err := f.options(ctx, f.trustPaths)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	logs, unread, closeAll := openLogs(names, f.evidence)
	defer closeAll()
	set, err := ffikit.Read(options, logs...)
	if err != nil {
		unread = append(unread, model.Partial{Reason: err.Error()})
	}
	set.Partial = slices.Concat(unread, set.Partial)
	if err := f.print(os.Stdout, &render.Document{ReportSet: *set}); err != nil {
		return failure(err)
	}
	f.hint(set)
	if len(set.Reports) == 0 && !f.json {
		note("no sanitizer report found")
	}
	return exit(f.code(set))
}

// exit ends the verb with a code, all being said.
func exit(code int) error {
	if code == exitClean {
		return nil
	}
	return &exitError{code: code}
}
