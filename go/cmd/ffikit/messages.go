package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/ffikit/ffikit/go/render"
)

// note says one line of the command's own on standard error. Paths and what
// files hold may be strangers' words: they reach no terminal as they are, and
// make no lines of their own.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "ffikit: %s\n", render.Printable(fmt.Sprintf(format, args...)))
}

// noteError says why something failed, a line for each of errors that were
// joined.
func noteError(err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		note("%v", err)
		return
	}
	for _, one := range joined.Unwrap() {
		noteError(one)
	}
}

// noteUsage says what was wrong with the command line: cobra may add lines of
// its own, with what was perhaps meant.
func noteUsage(err error) {
	first, more, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	note("%s", first)
	for line := range strings.Lines(more) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(os.Stderr, "  %s\n", render.Printable(line))
		}
	}
	fmt.Fprintln(os.Stderr, "Run 'ffikit --help' for the verbs, 'ffikit VERB --help' for one.")
}
