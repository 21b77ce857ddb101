package profile

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// Folded writes what of h has v as folded stacks, which flamegraph.pl and many
// others read: a line a stack, root first, frames between semicolons, then a
// space and the number. A frame is "function (file.c:12)"; a semicolon within it
// becomes a colon, as stackcollapse-perf.pl has it. Equal stacks are one line,
// those of 0 are left out. The error is w's.
func Folded(w io.Writer, h *model.Hunt, v Value) error {
	roots := processRoots(h)
	held := h.HeldBytes()
	sums := map[string]uint64{}
	for i := range h.Samples {
		s := &h.Samples[i]
		n := v.of(s, held[i])
		if n == 0 {
			continue
		}
		key := foldedStack(rootOf(roots, s), framesOf(s))
		sums[key] += min(n, math.MaxUint64-sums[key])
	}
	stacks := make([]string, 0, len(sums))
	for stack := range sums {
		stacks = append(stacks, stack)
	}
	slices.Sort(stacks)
	buffered := bufio.NewWriter(w)
	for _, stack := range stacks {
		if _, err := fmt.Fprintf(buffered, "%s %d\n", stack, sums[stack]); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

func foldedStack(root string, frames []model.Frame) string {
	var line strings.Builder
	if root != "" {
		line.WriteString(noSemicolon(root))
	}
	for i := len(frames) - 1; i >= 0; i-- {
		if line.Len() > 0 {
			line.WriteByte(';')
		}
		line.WriteString(noSemicolon(frameLabel(&frames[i])))
	}
	return line.String()
}

// frameLabel is a frame's function with its line.
func frameLabel(f *model.Frame) string {
	name := render.FrameName(f)
	if f.File == "" {
		return name
	}
	place := path.Base(f.File)
	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line)
	}
	return name + " (" + render.Printable(place) + ")"
}

func noSemicolon(s string) string { return strings.ReplaceAll(s, ";", ":") }
