package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ffikit/ffikit/go/doctor"
	"github.com/ffikit/ffikit/go/model"
)

func newDoctor() *cobra.Command {
	asJSON := false
	command := &cobra.Command{
		Use:   "doctor [FILE|FOLDER…]",
		Short: "Tell whether compilers, runtimes and flags here work together",
		Long: `Looks at the compilers and at the variables that steer sanitized builds (CC,
CFLAGS, CGO_LDFLAGS, RUSTFLAGS, ASAN_OPTIONS, …), and at the executables and
libraries named, which are to share one process. Each fault comes with its
remedy; a healthy set-up prints nothing on standard output.`,
		Example: "  ffikit doctor\n  ffikit doctor ./build/lib ./app",
		RunE: func(command *cobra.Command, args []string) error {
			return runDoctor(command, args, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON (schema ffikit.doctor/1)")
	return command
}

func runDoctor(command *cobra.Command, paths []string, asJSON bool) error {
	modules, unread := doctor.FindModules(paths)
	findings := doctor.CheckEnvironment(command.Context(), doctor.NewEnvironment(os.Getenv))
	findings = append(findings, doctor.CheckModules(modules)...)
	if asJSON {
		document := struct {
			Schema   string           `json:"schema"`
			Findings []doctor.Finding `json:"findings"`
			Examined []string         `json:"examined"`
			Partial  []model.Partial  `json:"partial"`
		}{"ffikit.doctor/1", append([]doctor.Finding{}, findings...), []string{}, append([]model.Partial{}, unread...)}
		for _, module := range modules {
			document.Examined = append(document.Examined, module.Path)
		}
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(document); err != nil {
			return failure(err)
		}
	} else {
		for _, finding := range findings {
			if _, err := fmt.Println(finding); err != nil {
				return failure(err)
			}
		}
		for _, partial := range unread {
			note("%s: %s", partial.File, partial.Reason)
		}
		note("looked at the environment and %s: %s",
			counted(len(modules), "object file"), counted(len(findings), "fault"))
	}
	switch {
	case len(findings) > 0:
		return &exitError{code: exitFindings}
	case len(unread) > 0:
		return &exitError{code: exitPartial}
	}
	return nil
}
