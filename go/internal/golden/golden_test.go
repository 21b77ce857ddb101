package golden

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder is a test that may fail without failing this one.
type recorder struct{ said []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) FailNow() { runtime.Goexit() }

// judged runs Assert and gives what the test was told.
func judged(name, got string) []string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Assert(r, name, []byte(got))
	}()
	<-done
	return r.said
}

func TestAssert(t *testing.T) {
	if *update {
		t.Fatal("golden's own test is not run with -update")
	}
	assert.Empty(t, judged("right.txt", "right\n"))
	assert.NotEmpty(t, judged("right.txt", "wrong\n"))
	assert.NotEmpty(t, judged("missing.txt", ""), "a file that is not there is no empty file")
}

func TestUpdate(t *testing.T) {
	t.Setenv("CI", "")
	t.Chdir(t.TempDir())
	*update = true
	defer func() { *update = false }()
	require.Empty(t, judged("new/file.txt", "made\n"))
	text, err := os.ReadFile("testdata/new/file.txt")
	require.NoError(t, err)
	assert.Equal(t, "made\n", string(text))

	t.Setenv("CI", "true")
	assert.NotEmpty(t, judged("new/file.txt", "other\n"), "CI never writes what it then compares with")
	text, err = os.ReadFile("testdata/new/file.txt")
	require.NoError(t, err)
	assert.Equal(t, "made\n", string(text))
}
