package render

import (
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// maxInlined bounds how many calls of one address Inline names.
const maxInlined = 16

// Inline says in a few words where an address stands, to be put into a line of
// other text: "in FUNCTION FILE:LINE:COLUMN", as sanitizers do, and where the
// call was inlined "[inlined into FUNCTION FILE:LINE:COLUMN, …]". frames are
// those of one address, leaf first; one without a function has its place only.
// Nothing of it steers a terminal. It is empty
// where frames say nothing.
func Inline(frames []model.Frame, color bool) string {
	p := &textPrinter{opts: TextOptions{Color: color}}
	var out strings.Builder
	for i := range frames[:min(len(frames), maxInlined)] {
		function, place := inlineParts(&frames[i])
		if function == "" && place == "" {
			continue
		}
		switch {
		case out.Len() == 0 && function == "":
			out.WriteString(place)
			continue
		case out.Len() == 0:
			out.WriteString("in ")
		case !strings.Contains(out.String(), " [inlined into "):
			out.WriteString(" [inlined into ")
		default:
			out.WriteString(", ")
		}
		if function == "" {
			function = "??"
		}
		out.WriteString(p.paint(styleYellow, function))
		if place != "" {
			out.WriteString(" " + place)
		}
	}
	if strings.Contains(out.String(), " [inlined into ") {
		out.WriteString("]")
	}
	return out.String()
}

func inlineParts(f *model.Frame) (function, place string) {
	if f.File == "" {
		return functionText(f), ""
	}
	place = printable(f.File, 1000)
	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line)
		if f.Column > 0 {
			place += ":" + strconv.Itoa(f.Column)
		}
	}
	return functionText(f), place
}

// Again names a report that was shown before, in one line.
func Again(r *model.Report, color bool) string {
	p := &textPrinter{opts: TextOptions{Color: color}}
	count := strconv.Itoa(r.Count) + " times"
	return p.paint(styleDim, "── ") + p.paint(styleRed, printable(r.Tool, 80)+": "+printable(r.Kind, 200)) +
		p.paint(styleDim, " again: met "+count+" · fingerprint "+printable(r.Fingerprint, 80))
}
