package debuginfod_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/debuginfod"
)

// realServer runs elfutils' debuginfod on folder, and waits until it has found
// the build.
func realServer(t *testing.T, folder, buildID string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())

	var log bytes.Buffer
	command := exec.Command("debuginfod", "-F", "-d", ":memory:", "-p", fmt.Sprint(port), folder)
	command.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start(), "run scripts/bootstrap")
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("debuginfod said:\n%s", log.String())
		}
	})
	server := fmt.Sprintf("http://127.0.0.1:%d", port)
	require.Eventually(t, func() bool {
		response, err := http.Get(server + "/buildid/" + buildID + "/debuginfo")
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond)
	return server
}

func TestRealServer(t *testing.T) {
	f := build(t, "served by elfutils")
	server := realServer(t, filepath.Dir(f.debug), f.buildID)
	cache := filepath.Join(t.TempDir(), "cache")
	c := client(t, debuginfod.Options{Servers: []string{server}, Folder: cache})

	path, err := c.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, f.bytes, got)
	assert.Equal(t, []string{f.buildID + "/debuginfo"}, files(t, cache))

	_, err = c.Fetch(t.Context(), "0123456789abcdef0123456789abcdef01234567")
	require.ErrorIs(t, err, debuginfod.ErrNotFound)

	// Another client has it from the cache: the server that it names is none.
	again := client(t, debuginfod.Options{Servers: []string{"http://127.0.0.1:1"}, Folder: cache})
	cached, err := again.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	assert.Equal(t, path, cached)
}
