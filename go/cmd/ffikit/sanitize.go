package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

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
	noCompanion   bool
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

Beside the runtime it preloads the companion, libffikit_agent.so, where that is
found: then stacks run through Python, Go, Rust and C to their root ('ffikit
explain companion').

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
	set.StringVar(&flags.keepLogs, "keep-logs", "", "keep the raw logs and the companion's evidence in this new folder")
	set.BoolVar(&flags.noCompanion, "no-companion", false, "leave stacks to the sanitizer's own unwinder, which ends where Go begins")
	set.IntVar(&flags.errorExitCode, "error-exitcode", exitFindings, "exit code when there are findings")
	return command
}

func (f *sanitizeFlags) run(ctx context.Context, args []string) error {
	// ffikit runs the command itself, so the paths in its logs are this machine's.
	options, err := f.options(ctx, true)
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
	companion, err := f.companion()
	if err != nil {
		return usageError("%w", err)
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
		Args: args, Runtime: f.runtime, Companion: companion, NoLeaks: f.noLeaks,
		LogDir: logDir, Stdin: os.Stdin, Stdout: stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return f.failed(&render.Document{}, "", err)
	}
	logs, unread := f.results(result.Logs, companion != "")
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

// companion is the library to preload; empty: none.
func (f *sanitizeFlags) companion() (string, error) {
	if f.noCompanion {
		return "", nil
	}
	path, err := sanitizer.FindCompanion()
	if err != nil {
		return "", err
	}
	if path == "" {
		note("without the companion, stacks end where Go begins: put libffikit_agent.so beside this command, or name it by %s (ffikit explain companion)", sanitizer.CompanionEnv)
		return "", nil
	}
	for _, notice := range sanitizer.CompanionNotices(os.Getenv("ASAN_OPTIONS")) {
		note("%s", notice)
	}
	return path, nil
}

// results opens what the processes have left. Where the folder will be gone
// when somebody reads the report, files are called by their names alone.
func (f *sanitizeFlags) results(left []sanitizer.Log, companion bool) ([]ffikit.Log, []model.Partial) {
	name := func(path string) string {
		if f.keepLogs == "" {
			return filepath.Base(path)
		}
		return path
	}
	var logs []ffikit.Log
	var unread []model.Partial
	for _, process := range left {
		log := ffikit.Log{Name: name(process.Path), Reader: strings.NewReader(""), Companion: companion}
		if process.Path != "" {
			file, err := openLog(process.Path)
			if err != nil {
				unread = append(unread, model.Partial{File: log.Name, Reason: err.Error()})
				continue
			}
			file.Close() // it is opened again in its turn: there may be many
			log.Reader = &lateFile{name: process.Path}
		}
		if process.Evidence != "" {
			log.Evidence = []ffikit.Evidence{{Name: name(process.Evidence), Reader: &lateFile{name: process.Evidence}}}
		}
		logs = append(logs, log)
	}
	return logs, unread
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
	note("%s; %s", counted(len(set.Reports), "finding"), ended)
	if f.output != "" {
		note("JSON in %s", f.output)
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
