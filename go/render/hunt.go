package render

import (
	_ "embed"

	"github.com/ffikit/ffikit/go/model"
)

// HuntDocument is what the verb hunt prints.
type HuntDocument struct {
	model.Hunt
	// Changes, where not nil, are shown in place of the hunt: what differs between two.
	Changes []model.Change
	// Command is set where one was run.
	Command *Command
}

// HuntOptions steer HuntText.
type HuntOptions struct {
	TextOptions
	// Top is how many sites of a kind are shown; 0 means 10.
	Top int
	// ByCrossing shows the memory by the change of language that asked for it.
	ByCrossing bool
}

const defaultTop = 10

//go:embed schema/hunt-1.json
var huntSchema []byte

// HuntSchema is the JSON Schema (draft 2020-12) of what HuntJSON writes. It refers
// to ReportSchema. The caller owns the copy.
func HuntSchema() []byte { return append([]byte(nil), huntSchema...) }
