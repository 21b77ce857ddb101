package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ffikit/ffikit/go/leak"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/samples"
	"github.com/ffikit/ffikit/go/trace"
)

func newHuntReport() *cobra.Command {
	flags := &huntFlags{}
	command := &cobra.Command{
		Use:   "report [flags] FILE|DIR…",
		Short: "Show a hunt again, or read heap traces",
		Long: `Shows what 'ffikit hunt -o FILE' has kept, or reads heap traces, of which a
folder may hold many (--keep-traces). Traces of processes that still run, or
were killed, are read as well; they hold no course over time, so growth is
told by when a site allocated, and how much of it is left.`,
		Example: `  ffikit hunt report result.json --boundary
  ffikit hunt report --format pprof -o heap.pb.gz result.json
  ffikit hunt report traces/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.report(command.Context(), args)
		},
	}
	flags.registerView(command, true)
	command.Flags().BoolVar(&flags.trustPaths, "trust-paths", false, "open modules for which a trace names no build ID")
	return command
}

func newHuntDiff() *cobra.Command {
	flags := &huntFlags{}
	command := &cobra.Command{
		Use:     "diff [flags] BEFORE AFTER",
		Short:   "Say what two hunts hold that differs",
		Long:    `Compares what allocation sites held at the end of two hunts, each a file that 'ffikit hunt -o FILE' has kept, a heap trace, or a folder of them.`,
		Example: `  ffikit hunt diff before.json after.json`,
		Args:    cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.diff(command.Context(), args[0], args[1])
		},
	}
	flags.registerView(command, false)
	command.Flags().BoolVar(&flags.trustPaths, "trust-paths", false, "open modules for which a trace names no build ID")
	return command
}

func (f *huntFlags) report(ctx context.Context, names []string) error {
	options, err := f.options(ctx, f.trustPaths)
	if err != nil {
		return err
	}
	var output *outputFile
	if f.output != "" {
		if output, err = newOutputFile(f.output, f.force); err != nil {
			return usageError("--output: %w", err)
		}
		defer output.discard()
	}
	hunt, err := f.read(options, names)
	if err != nil {
		return f.refused(err)
	}
	doc := &render.HuntDocument{Hunt: *hunt}
	if err := f.keep(output, doc); err != nil {
		return failure(err)
	}
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	f.sayWhereKept()
	switch {
	case f.failOnGrowth && rising(hunt) > 0:
		return exit(exitFindings)
	case len(hunt.Processes) == 0:
		note("nothing was traced, which says nothing about leaks")
		return exit(exitPartial)
	}
	return nil
}

func (f *huntFlags) diff(ctx context.Context, before, after string) error {
	options, err := f.options(ctx, f.trustPaths)
	if err != nil {
		return err
	}
	first, err := f.read(options, []string{before})
	if err != nil {
		return f.refused(err)
	}
	second, err := f.read(options, []string{after})
	if err != nil {
		return f.refused(err)
	}
	doc := &render.HuntDocument{Changes: leak.Diff(first, second, options.leak.Merge)}
	doc.Partial = append(first.Partial, second.Partial...)
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	for _, c := range doc.Changes {
		if f.failOnGrowth && c.AfterBytes > c.BeforeBytes {
			return exit(exitFindings)
		}
	}
	if len(first.Processes) == 0 || len(second.Processes) == 0 {
		return exit(exitPartial)
	}
	return nil
}

// read reads one hunt: what -o has kept, or heap traces.
func (f *huntFlags) read(options huntOptions, names []string) (*model.Hunt, error) {
	if len(names) == 1 {
		hunt, err := readKept(names[0])
		if err != nil {
			return nil, err
		}
		if hunt != nil {
			if len(f.rules) > 0 || f.sourceRoot != "" {
				leak.Analyse(hunt, options.leak)
			}
			return hunt, nil
		}
	}
	hunt := &model.Hunt{}
	var traces []samples.Trace
	files := traceFiles(names)
	if beyond := len(files) - maxTraceFiles; beyond > 0 {
		hunt.Partial = append(hunt.Partial, model.Partial{Reason: fmt.Sprintf("%d heap traces more than %d: they were not read", beyond, maxTraceFiles)})
		files = files[:maxTraceFiles]
	}
	for _, path := range files {
		heap, err := trace.OpenHeap(path)
		if err != nil {
			if len(names) == 1 && path == names[0] {
				return nil, err
			}
			hunt.Partial = append(hunt.Partial, model.Partial{File: path, Reason: err.Error()})
			continue
		}
		defer heap.Close()
		if heap.State == trace.HeapRefused || heap.State == trace.HeapNotBegun {
			for _, note := range heap.Notes {
				hunt.Partial = append(hunt.Partial, model.Partial{File: path, Reason: "not traced, because " + note})
			}
			if len(heap.Notes) == 0 {
				hunt.Partial = append(hunt.Partial, heap.Partial()...)
			}
			continue
		}
		ended := ""
		if heap.State == trace.HeapEnded {
			ended = "exited"
		}
		traces = append(traces, samples.Trace{Heap: heap, Ended: ended})
	}
	if len(traces)+len(hunt.Partial) == 0 {
		return nil, fmt.Errorf("%s: no heap trace is there", names[0])
	}
	unread := hunt.Partial
	hunt.Processes, hunt.Samples, hunt.Partial = samples.Read(options.samples, traces...)
	hunt.Partial = append(unread, hunt.Partial...)
	leak.Analyse(hunt, options.leak)
	return hunt, nil
}

// readKept reads a file that -o has made; nil: it is something else.
func readKept(name string) (*model.Hunt, error) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var head [64]byte
	n, err := file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !render.IsHunt(head[:n]) {
		return nil, nil
	}
	return render.ReadHunt(file, name)
}

// maxTraceFiles bounds how many traces are read at once.
const maxTraceFiles = 512

// traceFiles are the files that are meant: those named, and the heap traces in
// folders.
func traceFiles(names []string) []string {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			files = append(files, name)
			continue
		}
		entries, _ := os.ReadDir(name) // an empty list is told
		for _, entry := range entries {
			if entry.Type().IsRegular() {
				files = append(files, filepath.Join(name, entry.Name()))
			}
		}
	}
	return files
}
