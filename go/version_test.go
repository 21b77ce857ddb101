package ffikit

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersionIsTheHeaders(t *testing.T) {
	header, err := os.ReadFile("cmd/libffikit/include/ffikit/ffikit.h")
	require.NoError(t, err)
	assert.Contains(t, string(header), "#define FFIKIT_VERSION \""+Version+"\"\n")
}
