package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ffikit/ffikit/go/debuginfod"
	"github.com/ffikit/ffikit/go/ownfolder"
	"github.com/ffikit/ffikit/go/symbolize"
)

// debugFlags say where debug information comes from.
type debugFlags struct {
	debugDirs  []string
	root       string // of the files that logs and addresses name
	noCache    bool
	debuginfod string
}

// serversOfEnvironment is what --debuginfod without a value means.
const serversOfEnvironment = "$DEBUGINFOD_URLS"

func (f *debugFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVar(&f.debugDirs, "debug-dir", nil, "look for separate debug files below `DIR` (default /usr/lib/debug); may be repeated")
	flags.BoolVar(&f.noCache, "no-cache", false, "neither use nor make the index of debug information that the cache keeps")
	flags.StringVar(&f.debuginfod, "debuginfod", "", "ask the debuginfod servers at `URL`, or at $DEBUGINFOD_URLS, for debug files that are not here")
	flags.Lookup("debuginfod").NoOptDefVal = serversOfEnvironment
	must(command.MarkFlagDirname("debug-dir"))
}

// options puts the flags into the terms of package symbolize. Downloads end
// with ctx.
func (f *debugFlags) options(ctx context.Context, trustPaths bool) (symbolize.Options, error) {
	options := symbolize.Options{
		TrustPaths: trustPaths, Root: f.root, DebugDirs: f.debugDirs, NoCache: f.noCache, CacheNote: noteCache,
	}
	if f.root != "" {
		if info, err := os.Stat(f.root); err != nil || !info.IsDir() {
			return options, usageError("--root %s: not a folder", f.root)
		}
	}
	if f.debuginfod == "" {
		return options, nil
	}
	list := f.debuginfod
	if list == serversOfEnvironment {
		list = os.Getenv("DEBUGINFOD_URLS")
	}
	servers, err := debuginfod.ParseServers(list)
	if err != nil {
		return options, usageError("--debuginfod: %w", err)
	}
	if len(servers) == 0 {
		return options, usageError("--debuginfod: DEBUGINFOD_URLS names no server: set it, or say --debuginfod=URL")
	}
	folder, err := symbolize.DefaultCacheDir()
	if err != nil {
		return options, failure(err)
	}
	// A folder of somebody else's could lead the next one anywhere.
	root, err := ownfolder.Open(folder, ownfolder.WritableByOthers)
	if err != nil {
		return options, failure(fmt.Errorf("cache %s: %w", folder, err))
	}
	root.Close()
	client, err := debuginfod.New(debuginfod.Options{
		Servers: servers, Folder: filepath.Join(folder, "debuginfod"), UserAgent: "ffikit/" + currentVersion(), Progress: asking,
	})
	if err != nil {
		return options, failure(err)
	}
	var told atomic.Int32 // from whichever thread asks
	options.Fetch = func(buildID string) (string, error) {
		path, err := client.Fetch(ctx, buildID)
		if err != nil && !errors.Is(err, debuginfod.ErrNotFound) && told.Add(1) <= maxFetchErrors {
			noteError(err)
		}
		return path, err
	}
	return options, nil
}

// noteCache says that the cache was refused. Where it just cannot be written,
// answers come without it, and nobody need know.
func noteCache(err error) {
	if errors.Is(err, symbolize.ErrCacheRefused) {
		noteError(err)
	}
}

// maxFetchErrors bounds how often it is said that a server failed.
const maxFetchErrors = 10

// asking tells a person what is waited for.
func asking(server, buildID string) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		note("asking %s for the debug file of build %s", server, buildID)
	}
}
