package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ffikit/ffikit/go/capture/hunter"
	"github.com/ffikit/ffikit/go/capture/preload"
	"github.com/ffikit/ffikit/go/leak"
	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/samples"
	"github.com/ffikit/ffikit/go/sources"
)

// huntFlags are those of hunt; reportFlags serve for what they have in common.
type huntFlags struct {
	reportFlags
	// formatName is what --format says, format what it means.
	formatName   string
	format       huntFormat
	output       string
	force        bool
	rules        []string
	byCrossing   bool
	top          int
	failOnGrowth bool
	trustPaths   bool

	sample     string
	keepTraces string
}

func newHunt() *cobra.Command {
	flags := &huntFlags{}
	command := &cobra.Command{
		Use:   "hunt [flags] -- COMMAND [ARG…]",
		Short: "Run a command and say who asks for native memory and does not give it back",
		Long: `Runs a command with ffikit's agent preloaded, which tracks what its processes ask
malloc and mmap for, by stacks through Python, Go, Rust and C. The program is not
changed and needs no special build. What keeps growing is shown with the line
that asked for it; what is held for a known reason is set apart, with the reason.

What cannot be tracked (statically linked, setuid, musl) is told, with exit
code 3. Else the exit code is the command's own, with --fail-on-growth 1 where
something keeps growing. 'ffikit explain hunt' has more.`,
		Example: `  ffikit hunt -- python3 service.py
  ffikit hunt --format html -o leak.html -- ./server
  ffikit hunt -o before.json -- ./server
  ffikit hunt diff before.json after.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), args)
		},
	}
	flags.registerView(command, true)
	set := command.Flags()
	set.SetInterspersed(false) // flags behind the command are the command's own
	set.StringVar(&flags.sample, "sample", "", "track one allocation in about so many `BYTES` (as 512K): cheaper, and counts are estimates")
	set.StringVar(&flags.keepTraces, "keep-traces", "", "keep the raw heap traces in this new folder, for 'ffikit hunt report'")
	command.AddCommand(newHuntReport(), newHuntDiff())
	return command
}

// registerView registers the flags of what is shown; those of a single hunt, too.
func (f *huntFlags) registerView(command *cobra.Command, isHunt bool) {
	flags := command.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON (schema "+render.HuntSchemaName+")")
	flags.BoolVar(&f.allFrames, "all-frames", false, "unfold the frames of languages' own machinery")
	flags.StringVar(&f.color, "color", "auto", "colours: auto, always or never (NO_COLOR is honoured)")
	flags.StringVar(&f.sourceRoot, "source-root", "", "folder of your own sources: blame looks there first, excerpts come from there")
	flags.StringArrayVar(&f.pathMap, "path-map", nil, "replace the path prefix FROM by TO everywhere, as FROM=TO; may be repeated")
	flags.IntVar(&f.top, "top", 10, "show so many sites of a kind")
	flags.StringArrayVar(&f.rules, "rules", nil, "`FILE` of rules (start-up:, one-off:, cache:PATTERN lines) that set sites apart; may be repeated")
	flags.BoolVar(&f.failOnGrowth, "fail-on-growth", false, "exit 1 where something keeps growing (or, of two hunts, holds more)")
	f.debug.register(command)
	must(command.MarkFlagDirname("source-root"))
	if !isHunt {
		return
	}
	flags.BoolVar(&f.byCrossing, "boundary", false, "show the memory by the change of language that asked for it")
	flags.StringVarP(&f.output, "output", "o", "", "keep the result in this file, as JSON or in --format")
	f.registerFormat(command)
	flags.BoolVar(&f.force, "force", false, "let --output overwrite a file")
}

// huntOptions are the flags in the terms of the packages.
type huntOptions struct {
	samples samples.Options
	leak    leak.Options
}

func (f *huntFlags) options(ctx context.Context, trustPaths bool) (huntOptions, error) {
	var options huntOptions
	if err := f.chooseFormat(); err != nil {
		return options, err
	}
	mappings, err := f.mappings()
	if err != nil {
		return options, err
	}
	if _, err := f.colored(os.Stdout); err != nil {
		return options, err
	}
	if f.top < 1 {
		return options, usageError("--top %d: want 1 or more", f.top)
	}
	root, err := f.root()
	if err != nil {
		return options, err
	}
	options.leak = leak.Options{Rules: leak.DefaultRules(), Merge: merge.Options{SourceRoot: root}}
	for _, path := range f.rules {
		if err := addRules(options.leak.Rules, path); err != nil {
			return options, usageError("--rules: %w", err)
		}
	}
	options.samples.Normalize = normalize.Options{PathMap: mappings}
	options.samples.Symbolize, err = f.debug.options(ctx, trustPaths)
	return options, err
}

func addRules(rules *leak.Rules, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return rules.Add(file, path)
}

func (f *huntFlags) run(ctx context.Context, args []string) error {
	options, err := f.options(ctx, true) // ffikit runs the command itself, so its paths are this machine's
	if err != nil {
		return err
	}
	sampleBytes, err := byteCount(f.sample)
	if err != nil {
		return usageError("--sample %q: want a number of bytes, as 512K", f.sample)
	}
	var output *outputFile
	if f.output != "" { // a name that cannot be written is wrong now, not after an hour
		if output, err = newOutputFile(f.output, f.force); err != nil {
			return usageError("--output: %w", err)
		}
		defer output.discard()
	}
	agent, err := preload.FindAgent()
	if err != nil {
		return usageError("%w", err)
	}
	if agent == "" {
		return f.refused(fmt.Errorf("nothing can be tracked without the agent: put libffikit_agent.so beside this command, or name it by %s (the wheel, 'make install' and 'make dist' bring it)", preload.AgentEnv))
	}
	dir, cleanUp, err := f.traceDir()
	if err != nil {
		return usageError("--keep-traces: %w", err)
	}
	defer cleanUp()
	stdout := io.Writer(os.Stdout)
	if f.ownsStdout() {
		stdout = os.Stderr
	}
	result, err := hunter.Run(ctx, hunter.Command{
		Args: args, Agent: agent, SampleBytes: sampleBytes, Dir: dir, Stdin: os.Stdin, Stdout: stdout, Stderr: os.Stderr,
		Notice: func(u hunter.Untraced) { note("%s: not traced, because %s", u.Program, u.Reason) },
	})
	if err != nil {
		return f.refused(err)
	}
	defer result.Close()
	return f.finish(result, options, output)
}

// finish shows what was found and decides on the exit code.
func (f *huntFlags) finish(result *hunter.Result, options huntOptions, output *outputFile) error {
	traces := make([]samples.Trace, 0, len(result.Programs))
	for _, p := range result.Programs {
		traces = append(traces, samples.Trace{Heap: p.Heap, Ended: p.Ended, Timeline: p.Timeline, Live: p.Live})
	}
	f.working("looking up who allocated")
	doc := &render.HuntDocument{Command: &render.Command{Args: result.Args, ExitStatus: result.ExitStatus, Signal: result.Signal}}
	doc.Processes, doc.Samples, doc.Partial = samples.Read(options.samples, traces...)
	leak.Analyse(&doc.Hunt, options.leak)
	for _, u := range result.Untraced {
		doc.Partial = append(doc.Partial, model.Partial{File: u.Program, Reason: "not traced, because " + u.Reason})
	}
	keepSeries(&doc.Hunt)
	if err := f.keep(output, doc); err != nil {
		return failure(err)
	}
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	ended := fmt.Sprintf("the command exited with status %d", result.ExitStatus)
	if result.Signal != "" {
		ended = "the command was ended by a signal: " + result.Signal
	}
	if len(result.Programs) == 0 {
		note("nothing was traced, which says nothing about leaks; %s", ended)
		return exit(exitPartial)
	}
	note("%s; %s", counted(rising(&doc.Hunt), "growing site"), ended)
	f.sayWhereKept()
	if f.failOnGrowth && rising(&doc.Hunt) > 0 {
		return exit(exitFindings)
	}
	return exit(result.ExitStatus)
}

// rising is how many sites keep growing.
func rising(h *model.Hunt) int {
	n := 0
	for i := range h.Growth {
		if h.Growth[i].Kind == model.GrowthRising {
			n++
		}
	}
	return n
}

// keepSeries drops the courses of sites of which nobody asks how they went: they
// are most of a document.
func keepSeries(h *model.Hunt) {
	isAsked := make([]bool, len(h.Samples))
	for i := range h.Growth {
		if g := &h.Growth[i]; g.Kind == model.GrowthRising || g.Kind == model.GrowthUnknown || g.LiveBytes >= 64<<10 {
			isAsked[g.Sample] = true
		}
	}
	for i := range h.Samples {
		if !isAsked[i] {
			h.Samples[i].LiveSeries = nil
		}
	}
}

// traceDir makes the folder for the heap traces, and says how to clean up.
func (f *huntFlags) traceDir() (string, func(), error) {
	if f.keepTraces != "" {
		return f.keepTraces, func() {}, os.Mkdir(f.keepTraces, 0o700)
	}
	dir, err := os.MkdirTemp("", "ffikit-hunt-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// byteCount reads 4096, 512K, 1M; 0 where text is empty.
func byteCount(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	shift := map[byte]int{'K': 10, 'k': 10, 'M': 20, 'm': 20, 'G': 30, 'g': 30}[text[len(text)-1]]
	if shift > 0 {
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err == nil && n == 0 {
		err = errors.New("0")
	}
	return n << shift, err
}

// working tells a person what is waited for.
func (f *huntFlags) working(what string) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		note("%s …", what)
	}
}

// refused ends a verb that could do nothing; with --json the document says so too.
func (f *huntFlags) refused(err error) error {
	if f.json {
		doc := &render.HuntDocument{}
		doc.Partial = []model.Partial{{Reason: err.Error()}}
		if printErr := f.print(os.Stdout, doc); printErr != nil {
			return failure(printErr)
		}
	}
	return failure(err)
}

// print writes doc to w as text, or as JSON with --json, or in --format where no
// file takes that.
func (f *huntFlags) print(w io.Writer, doc *render.HuntDocument) error {
	color, err := f.colored(w)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	if f.json {
		return errors.Join(render.HuntJSON(buffered, doc), buffered.Flush())
	}
	if f.ownsStdout() {
		return errors.Join(f.format.write(buffered, doc), buffered.Flush())
	}
	roots := f.roots()
	folders, _ := sources.Open(roots...) // a root that cannot be opened gives no excerpts
	defer folders.Close()
	err = render.HuntText(buffered, doc, render.HuntOptions{
		TextOptions: render.TextOptions{Color: color, AllFrames: f.allFrames, Sources: folders, Roots: roots, Width: width(w)},
		Top:         f.top, ByCrossing: f.byCrossing,
	})
	return errors.Join(err, buffered.Flush())
}
