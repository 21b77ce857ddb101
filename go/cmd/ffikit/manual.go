package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
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
			command.Root().DisableAutoGenTag = true
			// The date is today's, or that of SOURCE_DATE_EPOCH.
			header := &doc.GenManHeader{Section: "1", Source: "ffikit " + currentVersion(), Manual: "ffikit"}
			if err := doc.GenManTree(command.Root(), header, args[0]); err != nil {
				return failure(err)
			}
			return nil
		},
	}
}
