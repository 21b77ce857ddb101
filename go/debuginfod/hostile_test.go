package debuginfod_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/debuginfod"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// noise is a body that compresses badly and is never looked at.
var noise = bytes.Repeat([]byte("\x7fELF noise"), 10_000)

func TestHostileServers(t *testing.T) {
	f, other := build(t, "asked for"), build(t, "another build")
	compressed := func(body []byte) []byte {
		var buffer bytes.Buffer
		w := gzip.NewWriter(&buffer)
		_, err := w.Write(body)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return buffer.Bytes()
	}
	endless := func(w http.ResponseWriter, r *http.Request, chunk []byte) {
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	// A member without contents, so that decoding never gives a byte.
	emptyMember := compressed(nil)
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		want   error
		says   string
	}{
		"another build": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(other.bytes) }, debuginfod.ErrMismatch, other.buildID},
		"no ELF file":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>sign in")) }, debuginfod.ErrMismatch, "no ELF magic"},
		"empty":         {func(http.ResponseWriter, *http.Request) {}, debuginfod.ErrMismatch, "empty"},
		"endless":       {func(w http.ResponseWriter, r *http.Request) { endless(w, r, noise) }, debuginfod.ErrLimit, "more than"},
		"bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			endless(w, r, compressed(make([]byte, 1<<20)))
		}, debuginfod.ErrLimit, "more than"},
		"empty members": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			endless(w, r, bytes.Repeat(emptyMember, 1000))
		}, nil, "EOF"},
		"huge length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000000000000")
			_, _ = w.Write(f.bytes)
		}, debuginfod.ErrLimit, "announces 9000000000000"},
		"huge size of its own": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-DEBUGINFOD-SIZE", "9000000000000")
			_, _ = w.Write(f.bytes)
		}, debuginfod.ErrLimit, "announces 9000000000000"},
		"nonsense size": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-DEBUGINFOD-SIZE", "-1")
			_, _ = w.Write(f.bytes)
		}, debuginfod.ErrMismatch, "-1"},
		"two sizes": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-DEBUGINFOD-SIZE", fmt.Sprint(len(f.bytes)+1))
			w.Header().Set("Content-Length", fmt.Sprint(len(f.bytes)))
			_, _ = w.Write(f.bytes)
		}, debuginfod.ErrMismatch, "announces both"},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(f.bytes)))
			_, _ = w.Write(f.bytes[:len(f.bytes)/2])
		}, nil, "EOF"},
		// HTTP 1.0 ends a body by closing: its length is nobody's word. The
		// file's own is in its section headers, here at its end.
		"truncated without length": {hijacked("HTTP/1.0 200 OK\r\n\r\n" + string(f.bytes[:len(f.bytes)-100])), debuginfod.ErrMismatch, "past the end"},
		"no HTTP":                  {hijacked("SSH-2.0-none\r\n"), nil, "malformed"},
		"endless header":           {hijacked("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), nil, "header"},
		"status":                   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, nil, "418"},
		"encoding": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
		}, debuginfod.ErrMismatch, `"br"`},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, debuginfod.ErrLimit, "5 redirects"},
		"a file":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file://"+f.debug, http.StatusFound) }, nil, `scheme "file"`},
		"another scheme": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "gopher://127.0.0.1/", http.StatusFound)
		}, nil, `scheme "gopher"`},
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			c := client(t, debuginfod.Options{Servers: []string{serve(t, test.handle)}, Folder: cache, MaxFileBytes: 4 << 20})
			path, err := c.Fetch(t.Context(), f.buildID)
			require.Error(t, err)
			assert.Empty(t, path)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			assert.NotErrorIs(t, err, debuginfod.ErrNotFound)
			assert.ErrorContains(t, err, test.says)
			assert.Empty(t, files(t, cache), "nothing of it stays, and it is not remembered as missing")
		})
	}
}

// hijacked answers with bytes of its own, and closes.
func hijacked(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = connection.Write([]byte(answer))
			connection.Close()
		}
	}
}

func TestSlowServers(t *testing.T) {
	f := build(t, "slowly")
	drip := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.Context().Err() == nil; i++ {
			_, _ = w.Write(f.bytes[i%len(f.bytes) : i%len(f.bytes)+1])
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	// Enough in each window, but never done.
	steady := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(noise)
			time.Sleep(5 * time.Millisecond)
		}
	}
	for name, test := range map[string]struct {
		handle         http.HandlerFunc
		stall, timeout time.Duration
		says           string
	}{
		"slow loris":  {drip, 100 * time.Millisecond, time.Hour, "less than 65536 bytes within 100ms"},
		"silent":      {silent, 100 * time.Millisecond, time.Hour, "less than 65536 bytes within 100ms"},
		"never ready": {steady, time.Hour, 300 * time.Millisecond, "not done within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			c := client(t, debuginfod.Options{Servers: []string{serve(t, test.handle)}, Folder: cache, StallTimeout: test.stall, Timeout: test.timeout})
			_, err := c.Fetch(t.Context(), f.buildID)
			require.ErrorIs(t, err, debuginfod.ErrStalled)
			assert.ErrorContains(t, err, test.says)
			assert.Empty(t, files(t, cache))
		})
	}
}

// The caller may give up; that is no answer for those who ask later.
func TestCancelled(t *testing.T) {
	f := build(t, "given up")
	var requests atomic.Int32
	started := make(chan struct{}, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			_, _ = w.Write(f.bytes[:10])
			w.(http.Flusher).Flush()
			started <- struct{}{}
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(f.bytes)
	})
	cache := filepath.Join(t.TempDir(), "cache")
	c := client(t, debuginfod.Options{Servers: []string{server}, Folder: cache})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	_, err := c.Fetch(ctx, f.buildID)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, files(t, cache))

	_, err = c.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
}

func TestCompressedTransfer(t *testing.T) {
	f := build(t, "compressed")
	for _, encoding := range []string{"gzip", "deflate"} {
		t.Run(encoding, func(t *testing.T) {
			c := client(t, debuginfod.Options{Servers: []string{serve(t, func(w http.ResponseWriter, r *http.Request) {
				assert.Contains(t, r.Header.Get("Accept-Encoding"), encoding)
				var buffer bytes.Buffer
				if encoding == "gzip" {
					z := gzip.NewWriter(&buffer)
					_, _ = z.Write(f.bytes)
					_ = z.Close()
				} else {
					z := zlib.NewWriter(&buffer)
					_, _ = z.Write(f.bytes)
					_ = z.Close()
				}
				w.Header().Set("Content-Encoding", encoding)
				w.Header().Set("X-DEBUGINFOD-SIZE", fmt.Sprint(len(f.bytes)))
				_, _ = w.Write(buffer.Bytes())
			})}})
			path, err := c.Fetch(t.Context(), f.buildID)
			require.NoError(t, err)
			assert.Equal(t, f.buildID, readBuildID(t, path))
		})
	}
}

func TestRedirectsAreFollowed(t *testing.T) {
	f := build(t, "elsewhere")
	c := client(t, debuginfod.Options{Servers: []string{serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/moved") {
			http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusMovedPermanently)
			return
		}
		_, _ = w.Write(f.bytes)
	})}})
	_, err := c.Fetch(t.Context(), f.buildID)
	require.NoError(t, err)
}

// What was asked for safely is not fetched in the open.
func TestNoWayFromHTTPSToHTTP(t *testing.T) {
	f := build(t, "safely")
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.bytes) })
	safe := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain+r.URL.Path, http.StatusFound)
	}))
	defer safe.Close()
	c := client(t, debuginfod.Options{Servers: []string{safe.URL}})
	debuginfod.TrustServer(c, safe)
	_, err := c.Fetch(t.Context(), f.buildID)
	assert.ErrorContains(t, err, "from https to http")
}
