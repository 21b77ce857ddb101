package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/symbolize"
)

type symbolizeFlags struct {
	reportFlags
	object     string
	trustPaths bool
	evidence   []string
}

func newSymbolize() *cobra.Command {
	flags := &symbolizeFlags{}
	command := &cobra.Command{
		Use:   "symbolize [LOG…|-] | symbolize -e FILE ADDR…",
		Short: "Make one readable report of sanitizer logs, or look up addresses",
		Long: `Reads logs (standard input where none is named, or for -), symbolizes the
sanitizer reports in them, and prints each different one once.

A module is opened only if its build ID is the one that the log names. With
--trust-paths also where the log names none, as gcc's runtime does.

Evidence of the companion ('ffikit explain companion') makes stacks whole: that
beside a log which 'ffikit sanitize --keep-logs' kept is found, other files are
named by --evidence.

With -e, looks up file-virtual addresses (hexadecimal) of one ELF file.`,
		Example: `  ffikit symbolize ci.log
  ./run-tests 2>&1 | ffikit symbolize --json -
  ffikit symbolize -e ./libstore.so 0x26ff 0x2711`,
		RunE: func(command *cobra.Command, args []string) error {
			if command.Flags().Changed("exe") {
				return flags.addresses(args)
			}
			return flags.logs(args)
		},
	}
	flags.register(command)
	command.Flags().StringVarP(&flags.object, "exe", "e", "", "look up addresses of this ELF file")
	command.Flags().StringArrayVar(&flags.evidence, "evidence", nil, "stacks that the companion recorded for the logs' processes; may be repeated")
	command.Flags().BoolVar(&flags.trustPaths, "trust-paths", false, "open modules for which the log names no build ID")
	return command
}

// logs is the form without -e.
func (f *symbolizeFlags) logs(names []string) error {
	options, err := f.options(f.trustPaths)
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
	set.Partial = append(unread, set.Partial...)
	if err := f.print(os.Stdout, &render.Document{ReportSet: *set}); err != nil {
		return failure(err)
	}
	f.hint(set)
	if len(set.Reports) == 0 && !f.json {
		fmt.Fprintln(os.Stderr, "ffikit: no sanitizer report found")
	}
	if code := f.code(set); code != exitClean {
		return &exitError{code: code}
	}
	return nil
}

// addresses is the form with -e.
func (f *symbolizeFlags) addresses(args []string) error {
	options, err := f.options(f.trustPaths)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usageError("-e wants addresses to look up, such as 0x26ff")
	}
	addrs := make([]model.VirtAddr, len(args))
	for i, arg := range args {
		if err := addrs[i].UnmarshalText([]byte(arg)); err != nil {
			return usageError("%q is not a hexadecimal address", arg)
		}
	}
	symbolizer := symbolize.New(options.Symbolize)
	defer symbolizer.Close()
	resolved, err := symbolizer.Resolve(f.object, "", addrs)
	if err != nil {
		return f.failed(&render.Document{Addresses: []model.AddressFrames{}}, f.object, err)
	}
	doc := &render.Document{Addresses: make([]model.AddressFrames, len(addrs))}
	for i, frames := range resolved {
		if len(frames) == 0 {
			doc.Partial = append(doc.Partial, model.Partial{File: f.object, Reason: "nothing is known about " + addrs[i].String()})
		}
		normalize.Frames(frames, options.Normalize)
		doc.Addresses[i] = model.AddressFrames{VirtAddr: addrs[i], Frames: frames}
	}
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	if len(doc.Partial) > 0 {
		return &exitError{code: exitPartial}
	}
	return nil
}
