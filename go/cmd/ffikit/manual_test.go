package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// groff reads the pages without a complaint, and they hold what --help holds.
func TestManualPages(t *testing.T) {
	folder := t.TempDir()
	root := newRoot()
	root.InitDefaultCompletionCmd()
	require.NoError(t, writeManual(root, folder, time.Unix(0, 0).UTC()))
	pages, err := filepath.Glob(filepath.Join(folder, "*.1"))
	require.NoError(t, err)
	require.Greater(t, len(pages), 6)
	for _, page := range pages {
		command := exec.Command("groff", "-man", "-ww", "-Tutf8", "-P-c", "-rLL=1000n", page)
		var complaints strings.Builder
		command.Stderr = &complaints
		out, err := command.Output()
		require.NoError(t, err, "run scripts/bootstrap")
		assert.Empty(t, complaints.String(), page)
		text := regexp.MustCompile(`.\x08`).ReplaceAllString(string(out), "")

		words := strings.Split(strings.TrimSuffix(filepath.Base(page), ".1"), "-")
		verb, _, err := root.Find(words[1:])
		require.NoError(t, err)
		assert.Contains(t, text, verb.Short)
		for line := range strings.Lines(verb.Example) {
			assert.Contains(t, text, strings.TrimSpace(line))
		}
		verb.Flags().VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				_, usage := pflag.UnquoteUsage(flag)
				assert.Contains(t, text, "--"+flag.Name)
				assert.Contains(t, text, usage)
			}
		})
	}
	page, err := os.ReadFile(filepath.Join(folder, "ffikit-symbolize.1"))
	require.NoError(t, err)
	assert.Contains(t, string(page), `.TH "FFIKIT\-SYMBOLIZE" "1" "Jan 1970"`)
}

func TestRoff(t *testing.T) {
	assert.Equal(t, `\&.TH \-\-x a\eb \(dq\(aq \[u2026]`, roff(`.TH --x a\b "' …`))
	assert.Equal(t, `\&\(aqq`, roff(`'q`))
}
