package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/handbook"
	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/sources"
	"github.com/ffikit/ffikit/go/suppress"
)

// reportFlags are the flags of all verbs that show reports.
type reportFlags struct {
	json       bool
	allFrames  bool
	exitZero   bool
	color      string
	sourceRoot string
	pathMap    []string
	debug      debugFlags
	// suppressions is a file of leaks to leave out.
	suppressions string
}

func (f *reportFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON (schema ffikit.report/1)")
	flags.BoolVar(&f.allFrames, "all-frames", false, "unfold the frames of languages' own machinery")
	flags.BoolVar(&f.exitZero, "exit-zero", false, "exit 0 also when there are findings")
	flags.StringVar(&f.color, "color", "auto", "colours: auto, always or never (NO_COLOR is honoured)")
	flags.StringVar(&f.sourceRoot, "source-root", "", "folder of your own sources: blame looks there first, excerpts come from there")
	flags.StringArrayVar(&f.pathMap, "path-map", nil, "replace the path prefix FROM by TO everywhere, as FROM=TO; may be repeated")
	f.debug.register(command)
	flags.StringVar(&f.suppressions, "suppressions", "", "leaks to leave out, in LeakSanitizer's format (leak:PATTERN lines)")
	must(command.MarkFlagDirname("source-root"))
}

// must is for calls that fail only when a flag is named wrong in this program.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// mappings reads the FROM=TO of --path-map.
func (f *reportFlags) mappings() ([]normalize.PathMapping, error) {
	var mappings []normalize.PathMapping
	for _, text := range f.pathMap {
		from, to, ok := strings.Cut(text, "=")
		if !ok || from == "" {
			return nil, usageError("--path-map %q: want FROM=TO", text)
		}
		mappings = append(mappings, normalize.PathMapping{From: from, To: to})
	}
	return mappings, nil
}

// root is the source root as an absolute path; empty where none was named.
func (f *reportFlags) root() (string, error) {
	if f.sourceRoot == "" {
		return "", nil
	}
	info, err := os.Stat(f.sourceRoot)
	if err != nil {
		return "", usageError("--source-root: %w", err)
	}
	if !info.IsDir() {
		return "", usageError("--source-root %s: not a folder", f.sourceRoot)
	}
	return filepath.Abs(f.sourceRoot)
}

// options puts the flags into the terms of ffikit.Read.
func (f *reportFlags) options(ctx context.Context, trustPaths bool) (ffikit.Options, error) {
	mappings, err := f.mappings()
	if err != nil {
		return ffikit.Options{}, err
	}
	if _, err := f.colored(os.Stdout); err != nil {
		return ffikit.Options{}, err
	}
	suppressions := suppress.Builtin()
	if f.suppressions != "" {
		if err := addSuppressions(suppressions, f.suppressions); err != nil {
			return ffikit.Options{}, usageError("--suppressions: %w", err)
		}
	}
	root, err := f.root()
	if err != nil {
		return ffikit.Options{}, err
	}
	sources, err := f.debug.options(ctx, trustPaths)
	return ffikit.Options{
		Suppressions: suppressions,
		Symbolize:    sources,
		Normalize:    normalize.Options{PathMap: mappings},
		Merge:        merge.Options{SourceRoot: root},
	}, err
}

func addSuppressions(list *suppress.List, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return list.Add(file, path)
}

// colored decides on colours for w.
func (f *reportFlags) colored(w io.Writer) (bool, error) {
	switch f.color {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		file, ok := w.(*os.File)
		return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd())), nil
	}
	return false, usageError("--color %q: want auto, always or never", f.color)
}

// print writes doc to w as text, or as JSON with --json.
func (f *reportFlags) print(w io.Writer, doc *render.Document) error {
	color, err := f.colored(w)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	if f.json {
		return errors.Join(render.JSON(buffered, doc), buffered.Flush())
	}
	roots := f.roots()
	folders, _ := sources.Open(roots...) // a root that cannot be opened gives no excerpts
	defer folders.Close()
	err = render.Text(buffered, doc, render.TextOptions{
		Color: color, AllFrames: f.allFrames, Sources: folders, Roots: roots, Width: width(w),
	})
	return errors.Join(err, buffered.Flush())
}

// roots are the folders from which excerpts may come and from which paths are
// shown: the working folder and the source root.
func (f *reportFlags) roots() []string {
	var roots []string
	for _, root := range []string{".", f.sourceRoot} {
		if absolute, err := filepath.Abs(root); err == nil && root != "" {
			roots = append(roots, absolute)
		}
	}
	return roots
}

// width is how many columns a report on w gets: those of the terminal, at
// most as many as are pleasant to read.
func width(w io.Writer) int {
	const most = 140
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			return min(columns, most)
		}
	}
	return 0 // render's own
}

// hint tells a person what was left out, and the handbook's pages on the kinds
// of findings.
func (f *reportFlags) hint(set *model.ReportSet) {
	if f.json {
		return
	}
	for _, suppressed := range set.Suppressed {
		note("left out by %s: %s", suppressed.Rule, counted(suppressed.Count, "leak"))
	}
	told := map[string]bool{}
	for i := range set.Reports {
		kind := set.Reports[i].Kind
		if _, ok := handbook.Find(kind); ok && !told[kind] {
			told[kind] = true
			note("more about it: ffikit explain %s", kind)
		}
	}
}

// failed ends a verb that could do nothing: with --json the document says so
// too.
func (f *reportFlags) failed(doc *render.Document, file string, err error) error {
	if f.json {
		doc.Partial = append(doc.Partial, model.Partial{File: file, Reason: err.Error()})
		if printErr := f.print(os.Stdout, doc); printErr != nil {
			return failure(printErr)
		}
	}
	return failure(err)
}

// code is the exit code that a set of reports asks for.
func (f *reportFlags) code(set *model.ReportSet) int {
	switch {
	case len(set.Reports) > 0 && !f.exitZero:
		return exitFindings
	case len(set.Reports) == 0 && len(set.Partial) > 0:
		return exitPartial
	}
	return exitClean
}
