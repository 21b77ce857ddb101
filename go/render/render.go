// Package render shows reports to people (Text) and programs (JSON).
package render

import (
	"io"

	"github.com/ffikit/ffikit/go/model"
)

// Document is what a verb prints: reports or resolved addresses, and what
// could not be done.
type Document struct {
	model.ReportSet
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

// Sources gives the text of source lines. It returns ok false for what may
// not or cannot be read.
type Sources interface {
	Line(file string, line int) (text string, ok bool)
}

// TextOptions steer Text.
type TextOptions struct {
	Color bool
	// AllFrames unfolds runtime frames.
	AllFrames bool
	// Sources adds source excerpts under blamed frames; nil for none.
	Sources Sources
}

// JSON writes doc by schema ffikit.report/1.
func JSON(w io.Writer, doc *Document) error { return nil }

// Text writes doc for a person. Control characters that came from the
// evidence are escaped.
func Text(w io.Writer, doc *Document, opts TextOptions) error { return nil }
