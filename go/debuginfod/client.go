package debuginfod

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Client fetches debug files. It is safe for concurrent use.
type Client struct {
	opts  Options
	http  *http.Client
	cache *cache

	mu sync.Mutex // guards what follows
	// fetches are the builds that were asked for, each once.
	fetches map[string]*fetch
	// down are servers that could not be reached: they are not tried again.
	down map[string]error
}

// fetch is the one request for a build; its result is there once done is
// closed.
type fetch struct {
	done chan struct{}
	path string
	err  error
}

// New makes a Client, and its cache folder. Close ends it.
func New(opts Options) (*Client, error) {
	opts.fill()
	for i, server := range opts.Servers {
		parsed, err := ParseServers(server)
		if err != nil {
			return nil, err
		}
		if len(parsed) != 1 {
			return nil, fmt.Errorf("debuginfod: server %d is not one URL", i+1)
		}
	}
	cache, err := openCache(&opts)
	if err != nil {
		return nil, fmt.Errorf("debuginfod: %w", err)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &Client{
		opts: opts, cache: cache, fetches: map[string]*fetch{}, down: map[string]error{},
		http: &http.Client{
			CheckRedirect: checkRedirect,
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            dialer.DialContext,
				TLSHandshakeTimeout:    10 * time.Second,
				ForceAttemptHTTP2:      true,
				MaxResponseHeaderBytes: 64 << 10,
				IdleConnTimeout:        30 * time.Second,
				// What a server compresses is decoded here, where the bound on
				// its size is.
				DisableCompression: true,
			},
		},
	}, nil
}

// Close gives back connections and the folder. What was fetched stays.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.cache.root.Close()
}

const maxRedirects = 5

func checkRedirect(request *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d redirects", ErrLimit, maxRedirects)
	case !allowed(request.URL):
		return fmt.Errorf("redirected to a URL of scheme %q, want http or https", request.URL.Scheme)
	case via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https":
		return errors.New("redirected from https to http")
	}
	return nil
}

// Fetch gives the path of the debug file of a build, from the cache or from the
// first server that has it. The file stays there until the cache needs its
// room: open it at once. Where no server has one the error is ErrNotFound.
// What failed once is not tried again by the same Client, unless it was ctx that
// ended.
func (c *Client) Fetch(ctx context.Context, buildID string) (string, error) {
	id, err := checkBuildID(buildID)
	if err != nil {
		return "", err
	}
	for {
		c.mu.Lock()
		f, met := c.fetches[id]
		if !met {
			if len(c.fetches) >= c.opts.MaxFetches {
				c.mu.Unlock()
				return "", fmt.Errorf("debuginfod: %w: %d builds were asked for already", ErrLimit, c.opts.MaxFetches)
			}
			f = &fetch{done: make(chan struct{})}
			c.fetches[id] = f
		}
		c.mu.Unlock()
		if !met {
			c.run(ctx, id, f)
			return f.path, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if f.err != nil && !ended(f.err) {
			return "", f.err
		}
		if f.err == nil && c.cache.has(id) {
			return f.path, nil
		}
		c.forget(id, f) // it was cleared away, or its asker gave up
	}
}

// ended: the error is that of a context of the caller's.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, errEnded)
}

var errEnded = errors.New("the caller's time is over")

func (c *Client) forget(id string, f *fetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetches[id] == f {
		delete(c.fetches, id)
	}
}

func (c *Client) run(ctx context.Context, id string, f *fetch) {
	defer close(f.done)
	f.path, f.err = c.fetch(ctx, id)
	if f.err == nil {
		return
	}
	if err := ctx.Err(); err != nil {
		f.err = errors.Join(errEnded, err)
	}
	if f.err = fmt.Errorf("debuginfod: build %s: %w", id, f.err); ended(f.err) {
		c.forget(id, f)
	}
}

// fetch asks the cache, then the servers in order.
func (c *Client) fetch(ctx context.Context, id string) (string, error) {
	if path, ok := c.cache.lookup(id); ok {
		return path, nil
	}
	if c.cache.missing(id) {
		return "", ErrNotFound
	}
	if len(c.opts.Servers) == 0 {
		return "", errors.New("no server is named")
	}
	var failures []error
	for _, server := range c.opts.Servers {
		path, err := c.from(ctx, server, id)
		if err == nil {
			return path, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if !errors.Is(err, ErrNotFound) {
			failures = append(failures, fmt.Errorf("%s: %w", redacted(server), err))
		}
	}
	if len(failures) > 0 {
		return "", errors.Join(failures...)
	}
	c.cache.noteMissing(id)
	return "", ErrNotFound
}

// from asks one server, unless it could not be reached before.
func (c *Client) from(ctx context.Context, server, id string) (string, error) {
	c.mu.Lock()
	err := c.down[server]
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	if c.opts.Progress != nil {
		c.opts.Progress(redacted(server), id)
	}
	path, err := c.download(ctx, server, id)
	var dial *net.OpError
	if ctx.Err() == nil && errors.As(err, &dial) && dial.Op == "dial" {
		c.mu.Lock()
		c.down[server] = fmt.Errorf("could not be reached before: %w", dial.Err)
		c.mu.Unlock()
	}
	// The URL is named already, and holds more than one wants to read.
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	return path, err
}
