package preload

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPreloadable(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "libffikit_agent.so")
	path, err := Preloadable(plain, t.TempDir())
	require.NoError(t, err)
	assert.Equal(t, plain, path)

	odd := filepath.Join(t.TempDir(), "My Projects: all", "libffikit_agent.so")
	require.NoError(t, os.MkdirAll(filepath.Dir(odd), 0o755))
	require.NoError(t, os.WriteFile(odd, []byte("library"), 0o600))
	path, err = Preloadable(odd, t.TempDir())
	require.NoError(t, err)
	assert.NotContains(t, path, " ")
	assert.Equal(t, "libffikit_agent.so", filepath.Base(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "library", string(text))

	_, err = Preloadable(odd, filepath.Dir(odd))
	assert.ErrorContains(t, err, "a space or a colon")
}
