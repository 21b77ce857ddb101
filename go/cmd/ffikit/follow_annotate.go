package main

import (
	"slices"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/report/stackline"
	"github.com/ffikit/ffikit/go/symbolize"
)

const (
	// maxRemembered and maxRememberedBytes bound the annotations that are kept:
	// stacks repeat.
	maxRemembered      = 4096
	maxRememberedBytes = 4 << 20
	// maxFailures bounds the modules that are told of.
	maxFailures = 20
)

// annotator puts the place of each frame that has none into its line.
type annotator struct {
	symbolizer *symbolize.Symbolizer
	names      normalize.Options
	trustPaths bool
	color      bool

	known      map[looseKey]string
	knownBytes int
	// untrusted counts frames of which no build ID is known.
	untrusted int
	failures  []model.Partial // modules that cannot be used
	line      []byte          // the last one that was changed
}

type looseKey struct {
	module, buildID string
	addr            model.VirtAddr
	named           bool
}

func newAnnotator(options ffikit.Options, color bool) *annotator {
	return &annotator{
		symbolizer: symbolize.New(options.Symbolize), names: options.Normalize,
		trustPaths: options.Symbolize.TrustPaths, color: color, known: map[looseKey]string{},
	}
}

func (a *annotator) close() { _ = a.symbolizer.Close() }

// annotate gives the line with what is known of its frames. It is good until
// the next call.
func (a *annotator) annotate(line []byte) []byte {
	var texts stackline.Strings
	out, done := a.line[:0], 0
	stackline.Unplaced(line, &texts, func(loose stackline.Loose) {
		note := a.note(&loose)
		if note == "" {
			return
		}
		out = append(out, line[done:loose.Insert]...)
		// Between words, or behind one.
		if loose.Insert > 0 && line[loose.Insert-1] != ' ' {
			out = append(out, ' ')
		}
		out = append(out, note...)
		if loose.Insert < len(line) && line[loose.Insert] == '(' {
			out = append(out, ' ')
		}
		done = loose.Insert
	})
	if done == 0 {
		return line
	}
	a.line = append(out, line[done:]...)
	return a.line
}

// note is what is known of a frame, in words; empty if nothing is.
func (a *annotator) note(loose *stackline.Loose) string {
	f := &loose.Frame
	if f.BuildID == "" && !a.trustPaths {
		a.untrusted++
		return ""
	}
	key := looseKey{f.Module, f.BuildID, f.VirtAddr, f.Function != ""}
	if loose.Return && key.addr > 0 {
		key.addr--
	}
	note, ok := a.known[key]
	if !ok {
		note = a.look(key)
		a.knownBytes += len(note) + len(key.module) + len(key.buildID)
		if len(a.known) >= maxRemembered || a.knownBytes > maxRememberedBytes {
			clear(a.known)
			a.knownBytes = 0
		}
		a.known[key] = note
	}
	return note
}

func (a *annotator) look(key looseKey) string {
	resolved, err := a.symbolizer.Resolve(key.module, key.buildID, []model.VirtAddr{key.addr})
	if err != nil {
		failure := model.Partial{Reason: err.Error()} // which names the module
		if len(a.failures) < maxFailures && !slices.Contains(a.failures, failure) {
			a.failures = append(a.failures, failure)
		}
		return ""
	}
	frames := resolved[0]
	// A name from a symbol table says no more than the line does.
	if len(frames) == 0 || key.named && frames[0].File == "" {
		return ""
	}
	normalize.Frames(frames, a.names)
	if key.named && len(frames) == 1 {
		frames[0].Function = "" // it stands there
	}
	return render.Inline(frames, a.color)
}
