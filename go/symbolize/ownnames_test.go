package symbolize_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/symbolize"
)

// With SymbolNames a stripped module names its functions itself, although its
// debug file has symbols of those that are not public; an index, which has both
// files' names, does not change that.
func TestSymbolNamesOfAStrippedModule(t *testing.T) {
	full, work := buildC(t, "gcc-rdynamic", "gcc", "-g", "-O2", "-freorder-blocks-and-partition", "-rdynamic", "-Wl,--build-id"), t.TempDir()
	module, debug, dir := filepath.Join(work, "prog"), filepath.Join(work, "prog.debug"), filepath.Join(work, "cache")
	run(t, work, "objcopy", "--only-keep-debug", full, debug)
	run(t, work, "objcopy", "--strip-all", "--add-gnu-debuglink="+debug, full, module)
	settle(t, module)
	addrs := textAddrs(t, full, 1)
	theirs := llvmSymbolize(t, module, addrs)
	opts := symbolize.Options{SymbolNames: true, DebugDirs: []string{}}
	unstripped := uncached(t, full, addrs, opts)
	for range 3 {
		cached(t, dir, module, addrs, symbolize.Options{DebugDirs: []string{}})
	}
	require.Len(t, indexes(t, dir), 1, "one with the names of both files")
	differ := 0
	for round := range 3 {
		frames := cached(t, dir, module, addrs, opts)
		for i := range addrs {
			if len(frames[i]) == 0 || theirs[i][0].FunctionName == "" {
				continue
			}
			own, llvm := frames[i][len(frames[i])-1], theirs[i][len(theirs[i])-1]
			require.Equal(t, llvm.FunctionName, linkageName(own), "round %d, %#x", round, uint64(addrs[i]))
			if linkageName(unstripped[i][len(unstripped[i])-1]) != linkageName(own) {
				differ++
			}
		}
	}
	assert.Positive(t, differ, "the debug file has other names")
}
