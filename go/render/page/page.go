// Package page writes a hunt as one HTML file to look at, send and keep: it
// loads nothing, is read without script too, and what strangers put into names
// is text in it and nothing else.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

var (
	//go:embed assets/hunt.html
	huntHTML string
	//go:embed assets/hunt.css
	huntCSS string
	//go:embed assets/hunt.js
	huntJS string
)

// policy lets the page's own style and script in, by what they are, and nothing
// else: no address is asked for anything.
func policy() string {
	return "default-src 'none'; style-src 'sha256-" + digest(huntCSS) + "'; script-src 'sha256-" + digest(huntJS) +
		"'; base-uri 'none'; form-action 'none'"
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var huntTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("hunt").Parse(huntHTML))
})

// huntPage is what the template shows. All text in it is printable already.
type huntPage struct {
	Policy    string
	CSS       template.CSS
	JS        template.JS
	Title     string
	Verdict   string
	Processes []processView
	MoreTexts []string
	Growing   []siteView
	Unknown   []siteView
	Apart     []apartView
	Crossings []crossingView
	Flame     flameData
	Partial   []string
}

// maxProcesses and maxRows are how many are shown of what there may be many of;
// what is left out is told.
const (
	maxProcesses = 8
	maxRows      = 60
)

// Hunt writes doc, which is one hunt and no difference of two. The error is w's.
func Hunt(w io.Writer, doc *render.HuntDocument) error {
	p := huntPage{Policy: policy(), CSS: template.CSS(huntCSS), JS: template.JS(huntJS), Title: title(doc)} // both are our own
	if doc.Verdict != nil {
		p.Verdict = render.Printable(doc.Verdict.Text)
	}
	p.Processes = processViews(&doc.Hunt)
	if n := len(doc.Processes) - len(p.Processes); n > 0 {
		p.MoreTexts = append(p.MoreTexts, counted(uint64(n), "program")+" that hold less are not drawn")
	}
	p.Growing = p.limited(siteViews(&doc.Hunt, model.GrowthRising, "growing"), "growing")
	p.Unknown = p.limited(siteViews(&doc.Hunt, model.GrowthUnknown, "held"), "held")
	p.Apart = apartViews(&doc.Hunt)
	p.Crossings = crossingViews(&doc.Hunt)
	p.Flame = flameOf(&doc.Hunt)
	for _, partial := range doc.Partial {
		p.Partial = append(p.Partial, strings.TrimPrefix(render.Printable(partial.File)+": "+render.Printable(partial.Reason), ": "))
	}
	return huntTemplate().Execute(w, &p)
}

func (p *huntPage) limited(sites []siteView, kind string) []siteView {
	if len(sites) <= maxRows {
		return sites
	}
	p.MoreTexts = append(p.MoreTexts, counted(uint64(len(sites)-maxRows), kind+" line")+" more, which hold less, are not listed")
	return sites[:maxRows]
}

func title(doc *render.HuntDocument) string {
	args := []string{}
	switch {
	case doc.Command != nil && len(doc.Command.Args) > 0:
		args = doc.Command.Args
	case len(doc.Processes) > 0:
		args = doc.Processes[0].Arguments
	}
	return commandLine(args)
}

// commandLine is a command by its program's own name.
func commandLine(args []string) string {
	if len(args) == 0 {
		return "a process"
	}
	words := []string{render.Printable(path.Base(args[0]))}
	for _, arg := range args[1:min(len(args), 30)] {
		words = append(words, render.Printable(arg))
	}
	line := []rune(strings.Join(words, " "))
	if len(line) > 200 {
		return string(line[:200]) + "…"
	}
	return string(line)
}
