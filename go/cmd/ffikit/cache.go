package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ffikit/ffikit/go/symbolize"
)

func newCache() *cobra.Command {
	command := &cobra.Command{
		Use:   "cache [list | build FILE… | clear]",
		Short: "Show, fill or empty the cache of indexed debug information",
		Long: `The debug information of a file that is used again and again is indexed, so
that later look-ups take a few milliseconds: at its second use, or when many
addresses are asked for. The indexes lie in $FFIKIT_CACHE_DIR, else in ffikit
below $XDG_CACHE_HOME or ~/.cache, up to 1 GiB; those not used for the longest
time go first. A file that changes gets a new index by itself. --no-cache of
other verbs does without.

list prints a line for each index: its size, when it was last used, and its
file. build makes the index of each FILE now. clear removes all of them.`,
		Example: "  ffikit cache\n  ffikit cache build ./app ./libstore.so\n  ffikit cache clear",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return listCache() },
	}
	command.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the indexes: size, last use, file", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return listCache() },
		},
		newCacheBuild(),
		&cobra.Command{
			Use: "clear", Short: "Remove all indexes", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return clearCache() },
		},
	)
	return command
}

func openCache() (*symbolize.Cache, error) {
	cache, err := symbolize.OpenCache("", 0)
	if err != nil {
		return nil, failure(err)
	}
	return cache, nil
}

func listCache() error {
	cache, err := openCache()
	if err != nil {
		return err
	}
	defer cache.Close()
	entries, err := cache.Entries()
	if err != nil {
		return failure(err)
	}
	total := int64(0)
	for _, entry := range entries {
		total += entry.SizeBytes
		name := entry.Name + ": " + fmt.Sprint(entry.Err)
		if entry.Err == nil && len(entry.Files) > 0 {
			name = entry.Files[0].Path
		}
		if _, err := fmt.Printf("%9.1f MB  %s  %q\n", float64(entry.SizeBytes)/1e6, entry.Used.Format(time.DateOnly), name); err != nil {
			return failure(err)
		}
	}
	note("%d indexes of %.1f MB in %s", len(entries), float64(total)/1e6, cache.Dir())
	return nil
}

func newCacheBuild() *cobra.Command {
	flags := &debugFlags{}
	command := &cobra.Command{
		Use: "build FILE…", Short: "Make the index of each file", Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, files []string) error {
			options, err := flags.options(command.Context(), true)
			if err != nil {
				return err
			}
			return buildIndexes(options, files)
		},
	}
	command.Flags().StringArrayVar(&flags.debugDirs, "debug-dir", nil, "look for separate debug files below `DIR` (default /usr/lib/debug); may be repeated")
	must(command.MarkFlagDirname("debug-dir"))
	return command
}

func buildIndexes(options symbolize.Options, files []string) error {
	symbolizer := symbolize.New(options)
	defer symbolizer.Close()
	failed := false
	for _, file := range files {
		size, err := symbolizer.BuildIndex(file)
		if err != nil {
			failed = true
			noteError(err)
			continue
		}
		if _, err := fmt.Printf("%9.1f MB  %q\n", float64(size)/1e6, file); err != nil {
			return failure(err)
		}
	}
	if failed {
		return &exitError{code: exitPartial}
	}
	return nil
}

func clearCache() error {
	cache, err := openCache()
	if err != nil {
		return err
	}
	defer cache.Close()
	removed, err := cache.Clear()
	note("removed %d indexes from %s", removed, cache.Dir())
	if err != nil {
		return failure(err)
	}
	return nil
}
