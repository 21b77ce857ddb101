// Package ffikit reads what sanitizers say of processes that mix Go, C, Rust
// and Python, and makes one readable report of it.
//
// It is the façade over the packages beside it, which each do one step:
// report → symbolize → normalize → merge → render.
package ffikit

import (
	"io"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/report"
	"github.com/ffikit/ffikit/go/symbolize"
)

// Options steer Read. The zero value is good: modules are opened by build ID,
// every file outside of system folders is the user's.
type Options struct {
	Symbolize symbolize.Options
	Normalize normalize.Options
	Merge     merge.Options
}

// Log is one input of Read.
type Log struct {
	// Name stands in locations and errors.
	Name   string
	Reader io.Reader
}

// Read reads all logs, symbolizes what they hold, and joins equal reports. An
// error means that a log could not be read to its end; the set then holds
// what came before.
func Read(opts Options, logs ...Log) (*model.ReportSet, error) {
	symbolizer := symbolize.New(opts.Symbolize)
	defer symbolizer.Close()

	set := &model.ReportSet{}
	for _, log := range logs {
		partial, err := report.Read(log.Reader, log.Name, func(r model.Report) error {
			set.Partial = append(set.Partial, symbolizer.Report(&r)...)
			normalize.Report(&r, opts.Normalize)
			set.Reports = append(set.Reports, r)
			return nil
		})
		set.Partial = append(set.Partial, partial...)
		if err != nil {
			set.Reports = merge.Reports(set.Reports, opts.Merge)
			return set, err
		}
	}
	set.Reports = merge.Reports(set.Reports, opts.Merge)
	return set, nil
}
