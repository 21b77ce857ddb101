package normalize_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/report"
)

// faults is where the corpus has its own sources (see its PROVENANCE.md).
const faults = "/src/ci/suite/faults/"

// In logs of real runs, the frames that are not marked as machinery are those
// of the suite's own sources, and of these only generated glue is marked.
func TestMachineryOfTheCorpus(t *testing.T) {
	logs, err := filepath.Glob("../testdata/corpus/*.sym.txt")
	require.NoError(t, err)
	require.Greater(t, len(logs), 10)
	own, machinery := 0, map[string]bool{}
	languages := map[model.Language]bool{}
	for _, log := range logs {
		file, err := os.Open(log)
		require.NoError(t, err)
		_, err = report.Read(file, log, func(r model.Report) error {
			normalize.Report(&r, normalize.Options{})
			for _, s := range r.Stacks {
				for i := range s.Frames {
					f := &s.Frames[i]
					if f.Runtime {
						machinery[f.Machinery] = true
						assert.NotEmpty(t, f.Machinery, "%s: %+v", log, f)
						if strings.HasPrefix(f.File, faults) {
							assert.Contains(t, []string{"Cython", "PyO3"}, f.Machinery, "%s: %+v", log, f)
						}
						continue
					}
					own++
					languages[f.Language] = true
					assert.True(t, strings.HasPrefix(f.File, faults), "%s: %+v", log, f)
					assert.NotRegexp(t, `^(__pyx|_cgo|_R|_Z)|\$|::h[0-9a-f]{16}`, f.Function)
				}
			}
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	assert.Greater(t, own, 50)
	for _, owner := range []string{"sanitizer", "CPython", "libc", "Cython", "PyO3", "Rust std", "cgo", "Go runtime"} {
		assert.Contains(t, machinery, owner)
	}
	for _, lang := range []model.Language{model.LanguageC, model.LanguageRust, model.LanguageGo, model.LanguageCython} {
		assert.Contains(t, languages, lang)
	}
}
