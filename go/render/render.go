// Package render shows reports to people (Text) and programs (JSON).
//
// Both take a Document and never change it. Text comes from evidence that a
// stranger wrote: nothing of it reaches a terminal unescaped (see escape.go).
// Source lines come by the Sources interface only; nothing here opens a file.
package render

import (
	_ "embed"

	"github.com/ffikit/ffikit/go/model"
)

// Document is what a verb prints: reports or resolved addresses, and what
// could not be done.
type Document struct {
	model.ReportSet
	// Addresses, where not nil, are shown in place of Reports.
	Addresses []model.AddressFrames
	// Command is set by verbs that ran one.
	Command *Command
}

// Command is the command that a verb ran and how it ended.
type Command struct {
	Args []string `json:"args"`
	// ExitStatus is the command's own; 128+n where signal n ended it.
	ExitStatus int    `json:"exit_status"`
	Signal     string `json:"signal,omitempty"`
}

// Sources gives the text of source lines, without their line ends. It returns
// ok false for what may not or cannot be read. Lines count from 1.
type Sources interface {
	Line(file string, line int) (text string, ok bool)
}

//go:embed schema/report-1.json
var reportSchema []byte

// ReportSchema is the JSON Schema (draft 2020-12) of what JSON writes. The
// caller owns the copy.
func ReportSchema() []byte { return append([]byte(nil), reportSchema...) }
