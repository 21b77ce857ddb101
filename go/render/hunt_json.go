package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ffikit/ffikit/go/model"
)

// HuntSchemaName is the schema that HuntJSON's documents name.
const HuntSchemaName = "ffikit.hunt/1"

// HuntJSON writes doc by schema ffikit.hunt/1 (see HuntSchema), a site a line. What
// JSON says of text and addresses holds here, too. The error is w's.
func HuntJSON(w io.Writer, doc *HuntDocument) error {
	p := jsonPrinter{w: w, isDense: true}
	p.raw("{\n  \"schema\": ")
	p.value(HuntSchemaName, "  ")
	if doc.Command != nil {
		command := *doc.Command
		if command.Args == nil {
			command.Args = []string{}
		}
		p.raw(",\n  \"command\": ")
		p.value(command, "  ")
	}
	if doc.Changes != nil {
		list(&p, "changes", doc.Changes, func(c model.Change) any {
			c.Stack.Frames = shownFrames(c.Stack.Frames)
			return c
		})
	} else {
		list(&p, "processes", doc.Processes, func(process model.Process) any { return process })
		list(&p, "samples", doc.Samples, func(s model.Sample) any {
			s.Stack.Frames = shownFrames(s.Stack.Frames)
			return s
		})
		list(&p, "growth", doc.Growth, func(g model.Growth) any { return g })
		list(&p, "crossings", doc.Crossings, func(c model.Crossing) any {
			c.Caller, c.Callee = shownFrames([]model.Frame{c.Caller})[0], shownFrames([]model.Frame{c.Callee})[0]
			if c.Samples == nil {
				c.Samples = []int{}
			}
			return c
		})
		if doc.Verdict != nil {
			p.raw(",\n  \"verdict\": ")
			p.value(doc.Verdict, "  ")
		}
	}
	list(&p, "partial", doc.Partial, func(partial model.Partial) any { return partial })
	p.raw("\n}\n")
	return p.err
}

// MaxHuntBytes bounds what ReadHunt reads.
const MaxHuntBytes = 512 << 20

// ReadHunt reads what HuntJSON has written, of a hunt and not of a difference;
// name stands in errors. Members that it does not know are passed over. Numbers
// that name what is not there are an error: who shows a hunt need not check them.
func ReadHunt(r io.Reader, name string) (*model.Hunt, error) {
	limited := &io.LimitedReader{R: r, N: MaxHuntBytes + 1}
	var doc struct {
		Schema string `json:"schema"`
		model.Hunt
		Changes []json.RawMessage `json:"changes"`
	}
	decoder := json.NewDecoder(limited)
	if err := decoder.Decode(&doc); err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("%s: more than %s: a hunt is smaller", name, model.Bytes(MaxHuntBytes))
		}
		var syntax *json.SyntaxError
		var wrong *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("%s: byte %d: %w", name, syntax.Offset, err)
		case errors.As(err, &wrong):
			return nil, fmt.Errorf("%s: byte %d: %w", name, wrong.Offset, err)
		}
		return nil, fmt.Errorf("%s: byte %d: %w", name, decoder.InputOffset(), err)
	}
	switch {
	case doc.Schema != HuntSchemaName:
		return nil, fmt.Errorf("%s: not a hunt: its schema is %q, not %s", name, doc.Schema, HuntSchemaName)
	case doc.Changes != nil:
		return nil, fmt.Errorf("%s: this is what differs between two hunts, not a hunt", name)
	}
	if err := checkHunt(&doc.Hunt); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &doc.Hunt, nil
}

// checkHunt refuses indexes that lead nowhere.
func checkHunt(h *model.Hunt) error {
	isSample := func(i int) bool { return i >= 0 && i < len(h.Samples) }
	for i := range h.Samples {
		if p := h.Samples[i].Process; p < 0 || p >= len(h.Processes) {
			return fmt.Errorf("sample %d names process %d of %d", i, p, len(h.Processes))
		}
	}
	for i := range h.Growth {
		g := &h.Growth[i]
		if !isSample(g.Sample) {
			return fmt.Errorf("growth %d names sample %d of %d", i, g.Sample, len(h.Samples))
		}
		if frames := len(h.Samples[g.Sample].Stack.Frames); g.Blame != nil && (g.Blame.Frame < 0 || g.Blame.Frame >= frames) {
			return fmt.Errorf("growth %d blames frame %d of %d", i, g.Blame.Frame, frames)
		}
	}
	for i := range h.Crossings {
		for _, sample := range h.Crossings[i].Samples {
			if !isSample(sample) {
				return fmt.Errorf("crossing %d names sample %d of %d", i, sample, len(h.Samples))
			}
		}
	}
	return nil
}

// IsHunt tells a document of HuntJSON by its first bytes from a heap trace.
func IsHunt(head []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")) }
