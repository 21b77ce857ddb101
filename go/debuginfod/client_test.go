package debuginfod_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/debuginfod"
)

// deliver serves builds by their IDs and counts requests.
func deliver(t *testing.T, builds ...fixture) (server string, requests *atomic.Int32) {
	requests = new(atomic.Int32)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		for _, f := range builds {
			if r.URL.Path == "/buildid/"+f.buildID+"/debuginfo" {
				_, _ = w.Write(f.bytes)
				return
			}
		}
		http.NotFound(w, r)
	}), requests
}

func TestServersInOrder(t *testing.T) {
	f := build(t, "the third has it")
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	empty, asked := deliver(t)
	full, requests := deliver(t, f)
	c := client(t, debuginfod.Options{Servers: []string{"http://127.0.0.1:1", broken, empty, full}})
	_, err := c.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
	assert.EqualValues(t, 1, asked.Load())
	assert.EqualValues(t, 1, requests.Load())
}

// A server that fails may have what the others have not: that is no 404.
func TestFailureIsNotMissing(t *testing.T) {
	f := build(t, "nobody has it")
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	empty, _ := deliver(t)
	cache := filepath.Join(t.TempDir(), "cache")
	c := client(t, debuginfod.Options{Servers: []string{broken, empty}, Folder: cache})
	_, err := c.Fetch(t.Context(), f.buildID)
	require.ErrorContains(t, err, "502")
	assert.NotErrorIs(t, err, debuginfod.ErrNotFound)
	assert.Empty(t, files(t, cache))
}

func TestMissingIsRemembered(t *testing.T) {
	f := build(t, "missing")
	empty, requests := deliver(t)
	cache := filepath.Join(t.TempDir(), "cache")
	opts := debuginfod.Options{Servers: []string{empty}, Folder: cache}
	ask := func() error {
		_, err := client(t, opts).Fetch(t.Context(), f.buildID)
		return err
	}
	require.ErrorIs(t, ask(), debuginfod.ErrNotFound)
	require.ErrorIs(t, ask(), debuginfod.ErrNotFound)
	assert.EqualValues(t, 1, requests.Load(), "the second time from memory")

	// Not for ever, and a clock that was wrong does not make it last.
	for _, when := range []time.Duration{-time.Hour, time.Hour} {
		at := time.Now().Add(when)
		require.NoError(t, os.Chtimes(filepath.Join(cache, f.buildID, "missing"), at, at))
		before := requests.Load()
		require.ErrorIs(t, ask(), debuginfod.ErrNotFound)
		assert.Equal(t, before+1, requests.Load())
	}
	// Not of other servers; and what is found replaces it.
	full, _ := deliver(t, f)
	opts.Servers = []string{full}
	require.NoError(t, ask())
	assert.Equal(t, []string{f.buildID + "/debuginfo"}, files(t, cache))
}

func TestBuildIDs(t *testing.T) {
	var requests atomic.Int32
	server := serve(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	cache := filepath.Join(t.TempDir(), "cache")
	c := client(t, debuginfod.Options{Servers: []string{server}, Folder: cache})
	for _, bad := range []string{
		"", "abc", "../../../../etc/passwd", "abcdef", "0123456789abcdefg0", "01234567/89abcdef", "0123456789abcde",
		"0123456789abcdef?x=", "0123456789ABCDEF\n1", strings.Repeat("ab", 65), "%2e%2e%2f%2e%2e%2f00",
	} {
		_, err := c.Fetch(t.Context(), bad)
		assert.ErrorIs(t, err, debuginfod.ErrBuildID, "%q", bad)
	}
	assert.Zero(t, requests.Load())
	assert.Empty(t, files(t, cache))
}

func TestUpperCaseBuildID(t *testing.T) {
	f := build(t, "loud")
	full, _ := deliver(t, f)
	c := client(t, debuginfod.Options{Servers: []string{full}})
	_, err := c.Fetch(t.Context(), strings.ToUpper(f.buildID))
	require.NoError(t, err)
}

func TestFetchesAreBounded(t *testing.T) {
	empty, requests := deliver(t)
	c := client(t, debuginfod.Options{Servers: []string{empty}, MaxFetches: 3})
	for i := range 10 {
		id := fmt.Sprintf("%040x", i)
		_, err := c.Fetch(t.Context(), id)
		if i < 3 {
			require.ErrorIs(t, err, debuginfod.ErrNotFound)
		} else {
			require.ErrorIs(t, err, debuginfod.ErrLimit)
		}
	}
	assert.EqualValues(t, 3, requests.Load())
}

// A server that cannot be reached costs its time once.
func TestUnreachableServerIsAskedOnce(t *testing.T) {
	var told []string
	c := client(t, debuginfod.Options{
		Servers: []string{"http://127.0.0.1:1"}, Progress: func(_, buildID string) { told = append(told, buildID) },
	})
	for i := range 3 {
		_, err := c.Fetch(t.Context(), fmt.Sprintf("%040x", i))
		require.ErrorContains(t, err, "refused")
	}
	assert.Len(t, told, 1)
}

func TestParseServers(t *testing.T) {
	servers, err := debuginfod.ParseServers(" https://a.example/  ima:enforcing\thttp://user:secret@b.example:8002/x?y=z#w\n")
	require.NoError(t, err)
	assert.Equal(t, []string{"https://a.example", "http://user:secret@b.example:8002/x"}, servers)
	for _, bad := range []string{"file:///srv", "ftp://a.example", "a.example", "http:a", "http://", "http://%zz", "javascript:alert(1)"} {
		_, err := debuginfod.ParseServers(bad)
		assert.Error(t, err, bad)
	}
	_, err = debuginfod.ParseServers("ftp://user:secret@a.example")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
	_, err = client(t, debuginfod.Options{Servers: []string{"http://user:secret@127.0.0.1:1"}}).Fetch(t.Context(), "0123456789abcdef")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
}

// Threads that ask for the same build make one request.
func TestOneRequestAtATime(t *testing.T) {
	f := build(t, "wanted by many")
	full, requests := deliver(t, f)
	c := client(t, debuginfod.Options{Servers: []string{full}})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			_, err := c.Fetch(t.Context(), f.buildID)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, requests.Load())
}

// Processes share a cache without locks: in the end there is one good file.
func TestProcesses(t *testing.T) {
	if server := os.Getenv("FFIKIT_TEST_SERVER"); server != "" {
		c := client(t, debuginfod.Options{Servers: []string{server}, Folder: os.Getenv("FFIKIT_TEST_FOLDER")})
		path, err := c.Fetch(t.Context(), os.Getenv("FFIKIT_TEST_BUILD"))
		require.NoError(t, err)
		require.Equal(t, os.Getenv("FFIKIT_TEST_BUILD"), readBuildID(t, path))
		return
	}
	f := build(t, "wanted by processes")
	// All are sent half of it before any gets the rest.
	const processes = 4
	var met sync.WaitGroup
	met.Add(processes)
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		half := len(f.bytes) / 2
		_, _ = w.Write(f.bytes[:half])
		w.(http.Flusher).Flush()
		met.Done()
		met.Wait()
		_, _ = w.Write(f.bytes[half:])
	})
	cache := filepath.Join(t.TempDir(), "cache")
	var group sync.WaitGroup
	for range processes {
		group.Go(func() {
			command := exec.Command(os.Args[0], "-test.run=^TestProcesses$")
			command.Env = append(os.Environ(), "FFIKIT_TEST_SERVER="+server, "FFIKIT_TEST_FOLDER="+cache, "FFIKIT_TEST_BUILD="+f.buildID)
			out, err := command.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
	group.Wait()
	assert.Equal(t, []string{f.buildID + "/debuginfo"}, files(t, cache))
	got, err := os.ReadFile(filepath.Join(cache, f.buildID, "debuginfo"))
	require.NoError(t, err)
	assert.Equal(t, f.bytes, got)
}
