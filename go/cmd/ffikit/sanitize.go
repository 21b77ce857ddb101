package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/capture/sanitizer"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

type sanitizeFlags struct {
	reportFlags
	output        string
	force         bool
	runtime       string
	noLeaks       bool
	keepLogs      string
	errorExitCode int
}

func newSanitize() *cobra.Command {
	flags := &sanitizeFlags{}
	command := &cobra.Command{
		Use:   "sanitize [flags] -- COMMAND [ARG…]",
		Short: "Run a command under ASan and UBSan and report what they find",
		Long: `Runs a command whose native code was built with -fsanitize=address,undefined
('ffikit explain flags' has the recipe), with the right runtime preloaded and
the right options, and prints one report for all its processes.

What you set in ASAN_OPTIONS, UBSAN_OPTIONS and LSAN_OPTIONS wins over
ffikit's defaults. The exit code is 1 when there are findings, else the
command's own.`,
		Example: `  ffikit sanitize -- python3 app.py
  ffikit sanitize -o report.json --source-root . -- python3 -m pytest`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), args)
		},
	}
	flags.register(command)
	set := command.Flags()
	set.SetInterspersed(false) // flags behind the command are the command's own
	set.StringVarP(&flags.output, "output", "o", "", "write the JSON into this file, beside the text")
	set.BoolVar(&flags.force, "force", false, "let --output overwrite a file")
	set.StringVar(&flags.runtime, "runtime", "", "preload this ASan runtime (default: that of clang-19, or of the clang on PATH)")
	set.BoolVar(&flags.noLeaks, "no-leaks", false, "don't look for leaks when the command ends")
	set.StringVar(&flags.keepLogs, "keep-logs", "", "keep the raw logs in this new folder")
	set.IntVar(&flags.errorExitCode, "error-exitcode", exitFindings, "exit code when there are findings")
	return command
}

func (f *sanitizeFlags) run(ctx context.Context, args []string) error {
	// ffikit runs the command itself, so the paths in its logs are this machine's.
	options, err := f.options(true)
	if err != nil {
		return err
	}
	if f.errorExitCode < 0 || f.errorExitCode > 255 {
		return usageError("--error-exitcode %d: want 0 to 255", f.errorExitCode)
	}
	// A name that cannot be written is wrong now, not after an hour of tests.
	var output *outputFile
	if f.output != "" {
		if output, err = newOutputFile(f.output, f.force); err != nil {
			return usageError("--output: %w", err)
		}
		defer output.discard()
	}
	if path := sanitizer.LeakSuppressions(os.Getenv("LSAN_OPTIONS")); path != "" {
		if err := addSuppressions(options.Suppressions, path); err != nil {
			return usageError("suppressions in LSAN_OPTIONS: %w", err)
		}
	}
	logDir, cleanUp, err := f.logDir()
	if err != nil {
		return usageError("--keep-logs: %w", err)
	}
	defer cleanUp()

	stdout := io.Writer(os.Stdout)
	if f.json {
		stdout = os.Stderr // standard output is the document's alone
	}
	result, err := sanitizer.Run(ctx, sanitizer.Command{
		Args: args, Runtime: f.runtime, NoLeaks: f.noLeaks,
		LogDir: logDir, Stdin: os.Stdin, Stdout: stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return f.failed(&render.Document{}, "", err)
	}
	logs, unread, closeAll := openLogs(result.Logs)
	defer closeAll()
	if f.keepLogs == "" {
		for i := range logs { // the folder will be gone when somebody reads this
			logs[i].Name = filepath.Base(logs[i].Name)
		}
	}
	set, err := ffikit.Read(options, logs...)
	if err != nil {
		unread = append(unread, model.Partial{Reason: err.Error()})
	}
	for _, reason := range result.Unseen {
		unread = append(unread, model.Partial{File: result.Args[0], Reason: reason})
	}
	set.Partial = append(unread, set.Partial...)
	return f.finish(result, set, output)
}

// finish shows the findings and decides on the exit code.
func (f *sanitizeFlags) finish(result *sanitizer.Result, set *model.ReportSet, output *outputFile) error {
	doc := &render.Document{ReportSet: *set, Command: &render.Command{
		Args: result.Args, ExitStatus: result.ExitStatus, Signal: result.Signal,
	}}
	if output != nil {
		err := output.commit(func(w io.Writer) error { return render.JSON(w, doc) })
		if err != nil {
			return failure(fmt.Errorf("writing %s: %w", f.output, err))
		}
	}
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	ended := fmt.Sprintf("the command exited with status %d", result.ExitStatus)
	if result.Signal != "" {
		ended = "the command was ended by a signal: " + result.Signal
	}
	fmt.Fprintf(os.Stderr, "ffikit: %s; %s\n", counted(len(set.Reports), "finding"), ended)
	if f.output != "" {
		fmt.Fprintf(os.Stderr, "ffikit: JSON in %s\n", f.output)
	}
	f.hint(set)
	switch {
	case len(set.Reports) > 0 && !f.exitZero:
		return &exitError{code: f.errorExitCode}
	case result.ExitStatus != 0:
		return &exitError{code: result.ExitStatus}
	}
	return nil
}

// logDir makes the folder for the raw logs, and says how to clean up.
func (f *sanitizeFlags) logDir() (string, func(), error) {
	if f.keepLogs != "" {
		return f.keepLogs, func() {}, os.Mkdir(f.keepLogs, 0o755)
	}
	dir, err := os.MkdirTemp("", "ffikit-sanitize-")
	return dir, func() { os.RemoveAll(dir) }, err
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
