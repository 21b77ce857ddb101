// Package ffikit reads what sanitizers say of processes that mix Go, C, Rust
// and Python, and makes one readable report of it.
//
// It is the façade over the packages beside it, which each do one step:
// report → join → symbolize → normalize → merge → render.
package ffikit

import (
	"fmt"
	"io"

	"github.com/ffikit/ffikit/go/join"
	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/report"
	"github.com/ffikit/ffikit/go/suppress"
	"github.com/ffikit/ffikit/go/symbolize"
	"github.com/ffikit/ffikit/go/trace"
)

// Options steer Read. The zero value is good: modules are opened by build ID,
// every file outside of system folders is the user's.
type Options struct {
	Symbolize symbolize.Options
	Normalize normalize.Options
	Merge     merge.Options
	// Suppressions are the leaks to leave out; nil means suppress.Builtin.
	// Read counts in them.
	Suppressions *suppress.List
	// Met, where not nil, is called with each report once it is complete: with
	// what is kept of it and of equal ones, whose Count says how many there
	// were. It may look at the report until it returns. An error ends Read.
	Met func(*model.Report) error
}

// Log is one input of Read.
type Log struct {
	// Name stands in locations and errors.
	Name   string
	Reader io.Reader
	// Evidence is what the companion recorded in the processes that wrote the
	// log; see package trace.
	Evidence []Evidence
	// Companion says that the companion ran in these processes: then the
	// sanitizer kept two frames of each allocation, and it is told as partial
	// where there is a report and no evidence.
	Companion bool
}

// Evidence is one file of the companion's.
type Evidence struct {
	Name   string
	Reader io.Reader
}

// Read reads all logs with their evidence, symbolizes what they hold, and joins
// equal reports. An error means that a log could not be read to its end; the set
// then holds what came before. Evidence that cannot be read is told as partial.
// Memory is bounded by how many different reports and reasons there are (see
// merge.Options.MaxReports) and by package trace's limits for the evidence of
// one log, not by the inputs' length.
func Read(opts Options, logs ...Log) (*model.ReportSet, error) {
	symbolizer := symbolize.New(opts.Symbolize)
	defer symbolizer.Close()

	suppressions := opts.Suppressions
	if suppressions == nil {
		suppressions = suppress.Builtin()
	}
	bucketer := merge.NewBucketer(opts.Merge)
	var partial partialList
	var readErr error
	take := func(r model.Report) error {
		unresolved := symbolizer.Report(&r)
		normalize.Report(&r, opts.Normalize)
		partial.add(normalize.Missed(r.Stacks, unresolved)...)
		if suppressions.Leaves(&r) {
			return nil
		}
		if kept := bucketer.Add(r); kept != nil && opts.Met != nil {
			return opts.Met(kept)
		}
		return nil
	}
	for _, log := range logs {
		joiner := join.New(readEvidence(log.Evidence, &partial)...)
		unread, err := report.Read(log.Reader, log.Name, func(r model.Report) error {
			if log.Companion && len(log.Evidence) == 0 {
				partial.add(model.Partial{File: log.Name, Reason: noEvidence})
			}
			return joiner.Report(r, take)
		})
		partial.add(unread...)
		partial.add(joiner.Partial()...)
		if err != nil {
			readErr = err
			break
		}
	}
	if n := bucketer.Dropped(); n > 0 {
		partial.add(model.Partial{Reason: fmt.Sprintf(
			"%d more reports were left out: %d different ones were met before them; read the logs in parts", n, len(bucketer.Reports()))})
	}
	return &model.ReportSet{Reports: bucketer.Reports(), Partial: partial.list, Suppressed: suppressions.Counts()}, readErr
}

const noEvidence = "the companion left no evidence of this process: of each allocation the caller alone is known " +
	"(ffikit sanitize --no-companion shows as much as the sanitizer itself can walk)"

// readEvidence reads what can be read of the evidence of one log.
func readEvidence(files []Evidence, partial *partialList) []*trace.Evidence {
	var all []*trace.Evidence
	for _, file := range files {
		evidence, unread, err := trace.Read(file.Reader, file.Name)
		partial.add(unread...)
		if err != nil {
			partial.add(model.Partial{File: file.Name, Reason: err.Error()})
		}
		all = append(all, evidence)
	}
	return all
}

// maxPartials bounds how many things that could not be read are told.
const maxPartials = 10_000

// partialList keeps each thing that could not be read once: a log names the
// same module in every report.
type partialList struct {
	list []model.Partial
	seen map[model.Partial]bool
}

func (p *partialList) add(partials ...model.Partial) {
	for _, partial := range partials {
		if p.seen[partial] || len(p.list) > maxPartials {
			continue
		}
		if len(p.list) == maxPartials {
			partial = model.Partial{Reason: fmt.Sprintf("more than %d things could not be read; the rest is not listed", maxPartials)}
		}
		if p.seen == nil {
			p.seen = make(map[model.Partial]bool)
		}
		p.seen[partial] = true
		p.list = append(p.list, partial)
	}
}
