package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManual is for packagers: `make install` runs it.
func newManual() *cobra.Command {
	return &cobra.Command{
		Use:    "manual FOLDER",
		Short:  "Write the man pages into a folder",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failure(err)
			}
			return written(writeManual(command.Root(), args[0], manualDate()))
		},
	}
}

// manualDate is today, or SOURCE_DATE_EPOCH for builds that can be repeated.
func manualDate() time.Time {
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Now()
}

// writeManual writes the pages of a command and of those below it. cobra's own
// way leads through Markdown and YAML: packages that took a tenth of the time
// in which every run of ffikit starts.
func writeManual(command *cobra.Command, folder string, date time.Time) error {
	command.InitDefaultHelpFlag()
	path := filepath.Join(folder, manualName(command)+".1")
	if err := os.WriteFile(path, []byte(manualPage(command, date)), 0o644); err != nil {
		return err
	}
	for _, child := range command.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeManual(child, folder, date); err != nil {
			return err
		}
	}
	return nil
}

func manualName(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

// manualPage is a page in the macros of man(7).
func manualPage(command *cobra.Command, date time.Time) string {
	var page strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	line(`.TH "%s" "1" "%s" "%s" "ffikit"`, roff(strings.ToUpper(manualName(command))), date.Format("Jan 2006"), roff("ffikit "+currentVersion()))
	line(".SH NAME\n%s \\- %s", roff(manualName(command)), roff(command.Short))
	line(".SH SYNOPSIS")
	roffLiteral(&page, command.UseLine())
	line(".SH DESCRIPTION")
	text := command.Long
	if text == "" {
		text = command.Short
	}
	roffText(&page, text)
	for _, flags := range []struct {
		heading string
		set     *pflag.FlagSet
	}{{"OPTIONS", command.NonInheritedFlags()}, {"OPTIONS INHERITED FROM PARENT COMMANDS", command.InheritedFlags()}} {
		if flags.set.HasAvailableFlags() {
			line(".SH %s", flags.heading)
			flags.set.VisitAll(func(flag *pflag.Flag) { roffFlag(&page, flag) })
		}
	}
	if command.Example != "" {
		line(".SH EXAMPLES")
		roffLiteral(&page, command.Example)
	}
	var others []string
	if command.HasParent() {
		others = append(others, manualName(command.Parent()))
	}
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() && !child.IsAdditionalHelpTopicCommand() {
			others = append(others, manualName(child))
		}
	}
	if len(others) > 0 {
		line(".SH SEE ALSO\n%s", ".BR "+strings.Join(roffAll(others), " (1),\n.BR ")+" (1)")
	}
	return page.String()
}

func roffFlag(page *strings.Builder, flag *pflag.Flag) {
	if flag.Hidden || flag.Deprecated != "" {
		return
	}
	name, usage := pflag.UnquoteUsage(flag)
	page.WriteString(".TP\n")
	if flag.Shorthand != "" {
		page.WriteString(`\fB` + roff("-"+flag.Shorthand) + `\fP, `)
	}
	page.WriteString(`\fB` + roff("--"+flag.Name) + `\fP`)
	switch {
	case name != "" && flag.NoOptDefVal != "" && flag.Value.Type() != "bool":
		page.WriteString(`[=\fI` + roff(name) + `\fP]`)
	case name != "":
		page.WriteString(`=\fI` + roff(name) + `\fP`)
	}
	page.WriteString("\n" + roff(usage))
	if value := flag.DefValue; value != "" && value != "false" && value != "[]" && value != "0" {
		page.WriteString(roff(" (default " + value + ")"))
	}
	page.WriteString("\n")
}

// roffText writes paragraphs; lines that are indented stay as they are.
func roffText(page *strings.Builder, text string) {
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		page.WriteString(".PP\n")
		if strings.HasPrefix(paragraph, "  ") {
			roffLiteral(page, paragraph)
			continue
		}
		for line := range strings.Lines(paragraph) {
			page.WriteString(roff(strings.TrimSuffix(line, "\n")) + "\n")
		}
	}
}

func roffLiteral(page *strings.Builder, text string) {
	page.WriteString(".nf\n")
	for line := range strings.Lines(text) {
		page.WriteString(roff(strings.TrimSpace(line)) + "\n")
	}
	page.WriteString(".fi\n")
}

func roffAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = roff(text)
	}
	return all
}

// roff escapes what roff takes for its own: backslashes, hyphens that are
// typed, quotes, a dot or quote that begins a line, and all that is not ASCII.
func roff(text string) string {
	var out strings.Builder
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		out.WriteString(`\&`)
	}
	for _, r := range text {
		switch {
		case r == '\\':
			out.WriteString(`\e`)
		case r == '-':
			out.WriteString(`\-`)
		case r == '"':
			out.WriteString(`\(dq`)
		case r == '\'':
			out.WriteString(`\(aq`)
		case r > 0x7e:
			fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
