// Package handbook holds the pages of `ffikit explain`: what a finding means,
// faulty code that has it, and mended code that has not.
//
// A page is a Markdown file in pages/, named after its topic. Its first line
// is a comment: the finding kinds that the page explains, and the one that its
// faulty code shows. Then come the title ("# …") and one paragraph of summary. The info string of a fenced block
// names language, variant and file ("```c faulty main.c"); all blocks of one
// variant together are a program, which the tests build and run.
package handbook

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
)

//go:embed pages/*.md
var files embed.FS

// Page is one topic.
type Page struct {
	Name string `json:"name"`
	// Kinds are the finding kinds that the page explains, in the tools' terms.
	Kinds []string `json:"kinds,omitempty"`
	// Shows is the kind of finding that the faulty code has.
	Shows   string `json:"-"`
	Title   string `json:"title"`
	Summary string `json:"summary"`
	// Text is the page as Markdown, from its title on.
	Text string `json:"text"`
	// Samples are its code, in the order of the page.
	Samples []Sample `json:"-"`
}

// Variant tells a page's two programs apart.
type Variant string

// The variants.
const (
	Faulty Variant = "faulty"
	Mended Variant = "mended"
)

// Sample is one file of one of a page's two programs.
type Sample struct {
	Language string
	Variant  Variant
	File     string
	Text     string
}

// Pages gives all pages, by name. A malformed page is an error of the build
// that embedded it, and panics; the tests read them all.
func Pages() []Page {
	entries, err := files.ReadDir("pages")
	if err != nil {
		panic(err)
	}
	pages := make([]Page, 0, len(entries))
	for _, entry := range entries {
		text, err := files.ReadFile(path.Join("pages", entry.Name()))
		if err != nil {
			panic(err)
		}
		page, err := parse(strings.TrimSuffix(entry.Name(), ".md"), string(text))
		if err != nil {
			panic(err)
		}
		pages = append(pages, page)
	}
	sort.Slice(pages, func(i, j int) bool { return pages[i].Name < pages[j].Name })
	return pages
}

// Find gives the page of a topic: a page's name, or a finding's kind.
func Find(topic string) (Page, bool) {
	topic = strings.ToLower(topic)
	for _, page := range Pages() {
		if page.Name == topic || slices.ContainsFunc(page.Kinds, func(kind string) bool { return strings.EqualFold(kind, topic) }) {
			return page, true
		}
	}
	return Page{}, false
}

// parse reads one page.
func parse(name, text string) (Page, error) {
	page := Page{Name: name}
	head, rest, ok := strings.Cut(text, "\n")
	list, isComment := strings.CutPrefix(strings.TrimSuffix(head, " -->"), "<!-- kinds:")
	kinds, shows, hasShows := strings.Cut(list, "shows:")
	if !ok || !isComment || !hasShows {
		return page, fmt.Errorf("handbook: %s: the first line is no <!-- kinds: … shows: … --> comment", name)
	}
	page.Kinds = strings.Fields(kinds)
	page.Shows = strings.TrimSpace(shows)
	page.Text = strings.TrimLeft(rest, "\n")

	paragraphs := strings.SplitN(page.Text, "\n\n", 3)
	title, hasTitle := strings.CutPrefix(paragraphs[0], "# ")
	if !hasTitle || len(paragraphs) < 3 {
		return page, fmt.Errorf("handbook: %s: wants a title, a summary and a text", name)
	}
	page.Title = title
	page.Summary = strings.Join(strings.Fields(paragraphs[1]), " ")

	var err error
	page.Samples, err = samples(name, page.Text)
	return page, err
}

// samples collects the fenced blocks that name a variant and a file.
func samples(name, text string) ([]Sample, error) {
	var found []Sample
	var current *Sample
	var body strings.Builder
	inside := false
	for _, line := range strings.SplitAfter(text, "\n") {
		info, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case isFence && inside:
			if current != nil {
				current.Text = body.String()
				found = append(found, *current)
			}
			inside, current = false, nil
		case isFence:
			inside = true
			body.Reset()
			if words := strings.Fields(info); len(words) == 3 {
				current = &Sample{Language: words[0], Variant: Variant(words[1]), File: words[2]}
				if current.Variant != Faulty && current.Variant != Mended {
					return nil, fmt.Errorf("handbook: %s: %q is neither faulty nor mended", name, words[1])
				}
			}
		case inside:
			body.WriteString(line)
		}
	}
	if inside {
		return nil, fmt.Errorf("handbook: %s: a fenced block is not closed", name)
	}
	return found, nil
}
