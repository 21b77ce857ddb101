package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ffikit/ffikit/go/model"
)

// SchemaName is the schema that JSON's documents name.
const SchemaName = "ffikit.report/1"

// JSON writes doc by schema ffikit.report/1 (see ReportSchema), indented, with
// a final newline. Lists are never null; abs_addr of a frame is left out where
// the module is known, since it differs between runs. Invalid UTF-8 becomes
// U+FFFD, and characters that steer a terminal are written as escapes, which
// read back as the same text. The error is w's.
func JSON(w io.Writer, doc *Document) error {
	p := jsonPrinter{w: w}
	p.raw("{\n  \"schema\": ")
	p.value(SchemaName, "  ")
	if doc.Command != nil {
		command := *doc.Command
		if command.Args == nil {
			command.Args = []string{}
		}
		p.raw(",\n  \"command\": ")
		p.value(command, "  ")
	}
	if doc.Addresses != nil {
		list(&p, "addresses", doc.Addresses, func(a model.AddressFrames) any {
			a.Frames = shownFrames(a.Frames)
			return a
		})
	} else {
		list(&p, "reports", doc.Reports, func(r model.Report) any { return shownReport(r) })
	}
	if len(doc.Suppressed) > 0 {
		list(&p, "suppressed", doc.Suppressed, func(s model.Suppressed) any { return s })
	}
	list(&p, "partial", doc.Partial, func(partial model.Partial) any { return partial })
	p.raw("\n}\n")
	return p.err
}

// jsonPrinter writes piece by piece, so that a document takes no second copy
// of itself in memory. The first error stays.
type jsonPrinter struct {
	w io.Writer
	// isDense writes each item of a list on one line.
	isDense bool
	err     error
}

func (p *jsonPrinter) raw(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

// value writes v, its further lines indented by prefix.
func (p *jsonPrinter) value(v any, prefix string) {
	if p.err != nil {
		return
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if !p.isDense {
		encoder.SetIndent(prefix, "  ")
	}
	if err := encoder.Encode(v); err != nil {
		p.err = fmt.Errorf("render: %w", err)
		return
	}
	_, p.err = p.w.Write(escapeJSON(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))))
}

func list[T any](p *jsonPrinter, name string, items []T, show func(T) any) {
	p.raw(",\n  \"" + name + "\": [")
	for i, item := range items {
		if i > 0 {
			p.raw(",")
		}
		p.raw("\n    ")
		p.value(show(item), "    ")
	}
	if len(items) > 0 {
		p.raw("\n  ")
	}
	p.raw("]")
}

// shownReport is r as JSON shows it; r's own slices stay untouched.
func shownReport(r model.Report) model.Report {
	stacks := make([]model.Stack, len(r.Stacks))
	for i, s := range r.Stacks {
		s.Frames = shownFrames(s.Frames)
		stacks[i] = s
	}
	r.Stacks = stacks
	return r
}

func shownFrames(frames []model.Frame) []model.Frame {
	shown := make([]model.Frame, len(frames))
	for i, f := range frames {
		if f.Module != "" {
			f.AbsAddr = 0
		}
		shown[i] = f
	}
	return shown
}

// escapeJSON writes what encoding/json lets through and a terminal obeys
// (DEL, C1 controls, bidi overrides and other format characters) as \u
// escapes. Such bytes stand within strings only.
func escapeJSON(text []byte) []byte {
	clean := true
	for _, c := range text {
		if c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r < 0x7f || unicode.IsPrint(r) || r == utf8.RuneError {
			out = append(out, text[i:i+size]...)
		} else if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return out
}
