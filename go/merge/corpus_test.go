package merge_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
)

// The corpus has each fault once by clang's runtime, the plain programs' also
// by gcc's, whose words differ. So a fingerprint belongs to one fault, and
// both runtimes give it.
func TestFingerprintsOfTheCorpus(t *testing.T) {
	logs, err := filepath.Glob("../testdata/corpus/*.sym.txt")
	require.NoError(t, err)
	require.Greater(t, len(logs), 10)
	faultOf := map[string]string{} // by fingerprint
	printOf := map[string]string{} // by fault
	runtimes := regexp.MustCompile(`^(gcc|plain)_`)
	for _, log := range logs {
		file, err := os.Open(log)
		require.NoError(t, err)
		set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: log, Reader: file})
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.NotEmpty(t, set.Reports, log)
		for _, r := range set.Reports {
			fault := runtimes.ReplaceAllString(strings.TrimSuffix(filepath.Base(log), ".sym.txt"), "") + " " + r.Kind
			if other, ok := faultOf[r.Fingerprint]; ok {
				assert.Equal(t, other, fault, "two faults share a fingerprint")
			}
			if other, ok := printOf[fault]; ok {
				assert.Equal(t, other, r.Fingerprint, "%s has two fingerprints", fault)
			}
			faultOf[r.Fingerprint], printOf[fault] = fault, r.Fingerprint
		}
	}
	assert.Less(t, len(printOf), len(logs), "no fault was met twice: this shows nothing")
}
