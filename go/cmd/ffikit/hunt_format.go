package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/render/page"
	"github.com/ffikit/ffikit/go/render/profile"
)

// huntFormat is what --format names.
type huntFormat struct {
	name string
	// write writes a hunt; nil: it is written as all verbs write text and JSON.
	write func(io.Writer, *render.HuntDocument) error
	// hint says what opens such a file; %s is its name.
	hint string
}

func huntFormats() []huntFormat {
	return []huntFormat{
		{name: "text", write: nil, hint: "ffikit hunt report %s"},
		{name: "json", write: nil, hint: "ffikit hunt report %s"},
		{name: "pprof", hint: "go tool pprof %s", write: func(w io.Writer, doc *render.HuntDocument) error {
			return profile.Pprof(w, &doc.Hunt)
		}},
		{name: "folded", hint: "flamegraph.pl %s", write: func(w io.Writer, doc *render.HuntDocument) error {
			return profile.Folded(w, &doc.Hunt, profile.LiveBytes)
		}},
		{name: "speedscope", hint: "speedscope %s", write: func(w io.Writer, doc *render.HuntDocument) error {
			return profile.Speedscope(w, &doc.Hunt)
		}},
		{name: "html", hint: "open %s in a browser", write: page.Hunt},
	}
}

func huntFormatNames() []string {
	var names []string
	for _, format := range huntFormats() {
		names = append(names, format.name)
	}
	return names
}

func (f *huntFlags) registerFormat(command *cobra.Command) {
	names := huntFormatNames()
	command.Flags().StringVar(&f.formatName, "format", "text", "write the result as `FORMAT`: "+strings.Join(names, ", ")+" (to standard output, or where --output says)")
	must(command.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)))
}

// chooseFormat settles --format and --json.
func (f *huntFlags) chooseFormat() error {
	if f.formatName == "" { // hunt diff has no such flag
		return nil
	}
	formats := huntFormats()
	at := slices.IndexFunc(formats, func(format huntFormat) bool { return format.name == f.formatName })
	switch {
	case at < 0:
		return usageError("--format %q: want %s", f.formatName, strings.Join(huntFormatNames(), ", "))
	case f.json && f.formatName != "json" && f.formatName != "text":
		return usageError("--json and --format %s: want one of them", f.formatName)
	}
	f.format = formats[at]
	f.json = f.json || f.formatName == "json"
	if f.formatName == "pprof" && f.output == "" && term.IsTerminal(int(os.Stdout.Fd())) {
		return usageError("--format pprof is not text: name a file by -o")
	}
	return nil
}

// ownsStdout: standard output is the document's alone.
func (f *huntFlags) ownsStdout() bool {
	return f.json || f.format.write != nil && f.output == ""
}

// keep writes doc to where --output says.
func (f *huntFlags) keep(output *outputFile, doc *render.HuntDocument) error {
	if output == nil {
		return nil
	}
	write := render.HuntJSON
	if f.format.write != nil {
		write = f.format.write
	}
	err := output.commit(func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		return errors.Join(write(buffered, doc), buffered.Flush())
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.output, err)
	}
	return nil
}

// sayWhereKept names the file, and what opens it.
func (f *huntFlags) sayWhereKept() {
	if f.output != "" {
		note("the result is in %s (%s)", f.output, fmt.Sprintf(f.format.hint, f.output))
	}
}
