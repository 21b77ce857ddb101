package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ffikit/ffikit/go/handbook"
)

func newExplain() *cobra.Command {
	asJSON := false
	command := &cobra.Command{
		Use:   "explain [TOPIC]",
		Short: "Explain a kind of finding, with faulty and mended code",
		Long: `Prints a page of the handbook; without a topic, the list of pages. A topic is
a page's name or the kind of a finding, as a report shows it.`,
		Example: "  ffikit explain heap-use-after-free\n  ffikit explain ownership",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, page := range handbook.Pages() {
				names = append(names, page.Name+"\t"+page.Title)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			pages := handbook.Pages()
			if len(args) == 1 {
				page, ok := handbook.Find(args[0])
				if !ok {
					return usageError("there is no page on %q: 'ffikit explain' lists them", args[0])
				}
				pages = []handbook.Page{page}
			}
			switch {
			case asJSON:
				return written(json.NewEncoder(os.Stdout).Encode(map[string]any{"schema": "ffikit.explain/1", "pages": pages}))
			case len(args) == 1:
				_, err := io.WriteString(os.Stdout, pages[0].Text)
				return written(err)
			}
			return written(listPages(os.Stdout, pages))
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// listPages prints a line a page, titles in one column.
func listPages(w io.Writer, pages []handbook.Page) error {
	width := 0
	for _, page := range pages {
		width = max(width, len(page.Name))
	}
	for _, page := range pages {
		// Titles repeat the name where the page is about a kind of finding.
		_, about, ok := strings.Cut(page.Title, ": ")
		if !ok {
			about = page.Title
		}
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, page.Name, about); err != nil {
			return err
		}
	}
	return nil
}
