package ffikit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
)

// Met is told of each report as it comes, and how often it was met by then.
func TestMet(t *testing.T) {
	text := "a.c:1:2: runtime error: signed integer overflow\nb.c:3:4: runtime error: division by zero\na.c:1:2: runtime error: signed integer overflow\n"
	var met []string
	var counts []int
	options := ffikit.Options{Met: func(r *model.Report) error {
		assert.NotEmpty(t, r.Fingerprint)
		met, counts = append(met, r.Kind), append(counts, r.Count)
		return nil
	}}
	set, err := ffikit.Read(options, ffikit.Log{Name: "log", Reader: strings.NewReader(text)})
	require.NoError(t, err)
	require.Len(t, set.Reports, 2)
	assert.Equal(t, []string{set.Reports[0].Kind, set.Reports[1].Kind, set.Reports[0].Kind}, met)
	assert.Equal(t, []int{1, 1, 2}, counts)

	stop := errors.New("enough")
	options.Met = func(*model.Report) error { return stop }
	_, err = ffikit.Read(options, ffikit.Log{Name: "log", Reader: strings.NewReader(text)})
	require.ErrorIs(t, err, stop)
}
