package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// tally is what all mutants came to.
type tally struct {
	mutants, files, answered, refused, byCommand, failed int

	slowest, largest extreme
}

type extreme struct {
	value int64
	of    string
}

func (e *extreme) take(value int64, of string) {
	if value > e.value {
		e.value, e.of = value, of
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d mutants of %d files, %d of them through the command: %d answered, %d refused; "+
		"slowest %.2f s of CPU (%s), largest %d MB (%s)",
		t.mutants, t.files, t.byCommand, t.answered, t.refused,
		float64(t.slowest.value)/1e9, t.slowest.of, t.largest.value>>20, t.largest.of)
}

// torturer is one run.
type torturer struct {
	s        *settings
	subjects []*subject

	mu    sync.Mutex // guards what follows, and standard output
	tally tally
	next  int
	err   error
}

// run has all mutants read, prints what failed and the closing lines, and
// returns how many failed.
func run(s *settings) (failed int, err error) {
	if s.corpus, err = filepath.Abs(s.corpus); err != nil {
		return 0, err
	}
	subjects, err := readManifest(s.corpus, s.manifest, s.only)
	if err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp("", "torture")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	t := &torturer{s: s, subjects: subjects}
	t.tally.files = len(subjects)
	// The files as they are come first, under numbers below 0.
	t.next = -len(subjects)
	var group sync.WaitGroup
	for i := range s.workers {
		group.Go(func() {
			if err := t.drive(filepath.Join(work, fmt.Sprint("worker", i))); err != nil {
				t.mu.Lock()
				t.err = errors.Join(t.err, err)
				t.mu.Unlock()
			}
		})
	}
	group.Wait()
	if t.err != nil {
		return t.tally.failed, t.err
	}
	if s.manifest != bombs {
		fmt.Println(&t.tally)
	}
	fmt.Printf("%d passed, %d failed\n", len(subjects)+max(0, s.mutants)-t.tally.failed, t.tally.failed)
	return t.tally.failed, nil
}

// take gives the number of the next mutant.
func (t *torturer) take() (number int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next >= t.s.mutants || t.err != nil {
		return 0, false
	}
	t.next++
	return t.next - 1, true
}

// drive keeps one worker busy.
func (t *torturer) drive(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	p := &process{s: t.s, folder: folder}
	defer p.end()
	for number, ok := t.take(); ok; number, ok = t.take() {
		s := t.subjects[(number+len(t.subjects))%len(t.subjects)]
		j := &job{Number: number, Subject: s.Name, Seed: t.s.seed + uint64(max(number, 0)), Whole: number < 0}
		result, err := p.do(j)
		if err != nil {
			return err
		}
		throughCommand := t.s.command != "" && (number < 0 || number%t.s.every == 0) && len(result.Command) > 0
		if throughCommand {
			if err := p.runCommand(s, result); err != nil {
				return err
			}
		}
		if s.bomb != nil {
			t.describe(s, result)
		} else if j.Whole && len(result.Failures) == 0 && s.Silent != (result.Answered == 0) {
			result.fail("the file as it is: %d of %d addresses have an answer", result.Answered, result.Asked)
		}
		if len(result.Failures) > 0 {
			t.report(p, s, j, result)
		}
		t.count(j, result, throughCommand)
	}
	return nil
}

func (t *torturer) count(j *job, result *outcome, throughCommand bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if throughCommand {
		t.tally.byCommand++
	}
	if len(result.Failures) > 0 {
		t.tally.failed++
	}
	if j.Whole {
		return
	}
	t.tally.mutants++
	switch {
	case result.Answered > 0:
		t.tally.answered++
	default:
		t.tally.refused++
	}
	name := fmt.Sprintf("%s, seed %d", j.Subject, j.Seed)
	t.tally.slowest.take(int64(result.CPUNS), name+", "+result.Reading)
	t.tally.largest.take(result.RSSBytes, name+", "+result.LargestReading)
}

// describe prints what a bomb took.
func (t *torturer) describe(s *subject, result *outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := ""
	if s.bomb.Claims {
		kind = " (claims 2^40 bytes)"
	}
	fmt.Printf("%-24s %4d of %d answered  %7.3f s of CPU (%s)  %4d MB%s\n",
		s.Name, result.Answered, result.Asked, result.CPUNS.Seconds(), result.Reading, result.RSSBytes>>20, kind)
}

// report shows a mutant that failed, with the fewest edits that do it, and
// keeps it.
func (t *torturer) report(p *process, s *subject, j *job, result *outcome) {
	fewest := t.shorten(p, j, result)
	var text strings.Builder
	fmt.Fprintf(&text, "%s, seed %d\n", j.Subject, j.Seed)
	if s.bomb != nil {
		fmt.Fprintf(&text, "repeat: scripts/torture-symbolize --only %s bombs\n", j.Subject)
	} else if !j.Whole {
		fmt.Fprintf(&text, "repeat: scripts/torture-symbolize --only %s --seed %d --mutants 1\n", j.Subject, j.Seed)
	}
	for _, edit := range fewest.Edits {
		fmt.Fprintf(&text, "edit: %s\n", edit)
	}
	for _, failure := range result.Failures {
		fmt.Fprintf(&text, "failure: %s\n", failure)
	}
	if t.s.keep != "" {
		kept := filepath.Join(t.s.keep, fmt.Sprintf("%s-%d", j.Subject, j.Seed))
		if err := keep(p.folder, kept, text.String()); err != nil {
			fmt.Fprintf(&text, "not kept: %v\n", err)
		} else {
			fmt.Fprintf(&text, "kept: %s\n", kept)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Printf("FAIL %s\n", headOf(text.String()))
}

// maxShown is how many lines of a failure go to the terminal.
const maxShown = 40

func headOf(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > maxShown {
		lines = append(lines[:maxShown-1:maxShown-1], lines[len(lines)-1])
	}
	return strings.Join(lines, "\n     ")
}

// shorten leaves out edits one by one for as long as the mutant still fails,
// and leaves the shortest in the worker's folder.
func (t *torturer) shorten(p *process, j *job, result *outcome) *outcome {
	if !t.s.shortest || j.Whole {
		return result
	}
	attempt := *j
	if len(result.Edits) == 0 { // the worker died before it could tell them
		attempt.Count = true
		counted, err := p.do(&attempt)
		if err != nil {
			return result
		}
		result.Edits, attempt.Count = counted.Edits, false
	}
	keep := make([]int, len(result.Edits))
	for i := range keep {
		keep[i] = i
	}
	best := *result
	for i := 0; i < len(keep) && len(keep) > 1; {
		attempt.Keep = slices.Delete(slices.Clone(keep), i, i+1)
		tried, err := p.do(&attempt)
		if err == nil && len(tried.Failures) > 0 {
			keep = attempt.Keep
			best.Edits = slices.Delete(slices.Clone(best.Edits), i, i+1)
			continue
		}
		i++
	}
	attempt.Keep = keep
	_, _ = p.do(&attempt) // once more, so that it lies in the folder
	return &best
}

// keep copies the worker's folder, with the report beside it.
func keep(from, to, report string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			continue // the index cache
		}
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()), content, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, "report.txt"), []byte(report), 0o644)
}
