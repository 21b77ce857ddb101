package handbook

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
)

func TestPagesAreWhole(t *testing.T) {
	pages := Pages()
	require.NotEmpty(t, pages)
	for _, page := range pages {
		t.Run(page.Name, func(t *testing.T) {
			assert.NotEmpty(t, page.Summary)
			assert.NotEmpty(t, page.Shows)
			for _, heading := range []string{"\n## Faulty\n", "\n## Mended\n"} {
				assert.Contains(t, page.Text, heading)
			}
			variants := map[Variant]int{}
			for _, sample := range page.Samples {
				variants[sample.Variant]++
			}
			assert.Positive(t, variants[Faulty], "a page shows faulty code")
			assert.Positive(t, variants[Mended], "a page shows mended code")
		})
	}
}

func TestFind(t *testing.T) {
	for topic, want := range map[string]string{
		"dangling-vec": "dangling-vec", "heap-use-after-free": "heap-use-after-free",
		"SEGV": "segv", "segv": "segv", "indirect-leak": "direct-leak",
		"new-delete-type-mismatch": "alloc-dealloc-mismatch",
	} {
		page, ok := Find(topic)
		require.True(t, ok, topic)
		assert.Equal(t, want, page.Name)
	}
	_, ok := Find("no-such-topic")
	assert.False(t, ok)
}

// Whatever kind the corpus of real logs has, there is a page about it.
func TestFindKnowsEveryKindOfTheCorpus(t *testing.T) {
	logs, err := filepath.Glob("../testdata/corpus/*.txt")
	require.NoError(t, err)
	kinds := map[string]string{}
	for _, path := range logs {
		if strings.HasPrefix(filepath.Base(path), "unknown_kind.") {
			continue // made up, so that nobody can know it
		}
		log, err := os.ReadFile(path)
		require.NoError(t, err)
		set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: path, Reader: bytes.NewReader(log)})
		require.NoError(t, err)
		require.NotEmpty(t, set.Reports, path)
		for _, report := range set.Reports {
			kinds[report.Kind] = filepath.Base(path)
		}
	}
	require.Greater(t, len(kinds), 6, "kinds of the corpus")
	for kind, log := range kinds {
		_, ok := Find(kind)
		assert.True(t, ok, "%s, of %s, has no page", kind, log)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "<!-- kinds: shows: x -->\n# Title\n\nSummary.\n\n"
	for name, text := range map[string]string{
		"no comment":      "# Title\n\nSummary.\n\nText.\n",
		"no title":        "<!-- kinds: shows: x -->\nSummary.\n\nText.\n\nMore.\n",
		"unknown variant": head + "```c broken main.c\n```\n",
		"open fence":      head + "```c faulty main.c\nint main;\n",
	} {
		_, err := parse("page", text)
		assert.Error(t, err, name)
	}
	page, err := parse("page", head+"```c faulty main.c\nint main;\n```\n\n```text\nnot a sample\n```\n")
	require.NoError(t, err)
	assert.Equal(t, []Sample{{"c", Faulty, "main.c", "int main;\n"}}, page.Samples)
	assert.True(t, strings.HasPrefix(page.Text, "# Title"))
}
