// Package golden compares what a test made with a checked-in file, and writes
// that file where the test runs with -update. What -update wrote is read by a
// person before it is committed: a golden file that nobody read proves nothing.
package golden

import (
	"flag"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files anew (read the diff before you commit it)")

// T is what Assert needs of a *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// Assert fails t unless got equals the file testdata/name of t's package. It
// reports whether they are equal. With -update it writes the file.
func Assert(t T, name string, got []byte) bool {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		require.Empty(t, os.Getenv("CI"), "golden: -update is not for CI: it would pass whatever it gets")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
		return true
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "golden: make it with -update, and read it")
	return assert.Equal(t, string(want), string(got), "differs from %s; run with -update and read the diff", file)
}
