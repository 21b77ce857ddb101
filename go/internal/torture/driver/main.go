// Driver feeds mutants of real object files to the symbolizer and watches what
// that costs: `make torture` runs it, by scripts/torture-symbolize.
//
// The parent makes the list of mutants and hands them to worker processes, one
// at a time each. A worker makes the mutant, reads it in every way that ffikit
// has, and tells what it took. The parent kills a worker that hangs or grows,
// starts another one, and repeats what failed with fewer edits until none can be
// left out. One mutant in some goes through the command, too.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Limits that each mutant must keep.
const (
	maxCPU      = 2 * time.Second
	maxRSSBytes = 512 << 20
)

// Limits of bombs, by what they are. One that only claims to be large is refused
// with little; the others hold up to 200 MB, or 20 MB of entries that stand for
// as much work as they can, and must end. How long they take is printed.
const (
	maxClaimRSSBytes = 256 << 20
	maxBombRSSBytes  = 768 << 20
)

// Limits at which a worker is ended.
const (
	hungAfterCPU = 20 * time.Second
	hungAfter    = 3 * time.Minute // also where it does nothing at all
	killRSSBytes = 2 << 30
)

type settings struct {
	corpus, manifest, command, keep string
	mutants, workers, every         int
	seed                            uint64
	only                            string
	// environment is added to the workers'.
	environment []string
	shortest    bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "worker" {
		work(os.Args[2], os.Args[3])
		return
	}
	var s settings
	flag.StringVar(&s.corpus, "corpus", "", "folder that ci/torture-symbolize/corpus made")
	flag.StringVar(&s.manifest, "manifest", "manifest.json", "the list in it; or bombs, those of go/internal/torture")
	flag.StringVar(&s.command, "command", "", "the ffikit command, for one mutant in -every")
	flag.StringVar(&s.keep, "keep", "", "folder for the mutants that failed")
	flag.IntVar(&s.mutants, "mutants", 10_000, "how many, over all files")
	flag.IntVar(&s.workers, "workers", 2, "processes at a time")
	flag.IntVar(&s.every, "every", 20, "one mutant in that many goes through the command")
	flag.Uint64Var(&s.seed, "seed", 1, "of the first mutant; the others follow")
	flag.StringVar(&s.only, "only", "", "mutate this file of the corpus alone")
	flag.BoolVar(&s.shortest, "shortest", true, "look for the fewest edits of a mutant that fails")
	flag.Parse()
	if s.corpus == "" && s.manifest != bombs || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if s.manifest == bombs {
		s.mutants = 0
	}
	failed, err := run(&s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture-symbolize:", err)
		os.Exit(1)
	}
	if failed > 0 {
		os.Exit(1)
	}
}
