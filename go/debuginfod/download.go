package debuginfod

import (
	"compress/gzip"
	"compress/zlib"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/ffikit/ffikit/go/object"
)

// windowBytes is what a server must send in each StallTimeout.
const windowBytes = 64 << 10

// download asks one server and puts what it sends into the cache.
func (c *Client) download(ctx context.Context, server, id string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout,
		fmt.Errorf("%w: not done within %v", ErrStalled, c.opts.Timeout))
	defer cancel()
	watched, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pace := newPace(c.opts.StallTimeout, stop)
	defer pace.end()

	path, err := c.exchange(watched, pace, server, id)
	if cause := context.Cause(watched); err != nil && cause != nil {
		err = cause // "context canceled" does not say why
	}
	return path, err
}

func (c *Client) exchange(ctx context.Context, pace *pace, server, id string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/buildid/"+id+"/debuginfo", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("User-Agent", c.opts.UserAgent)
	request.Header.Set("Accept-Encoding", "gzip, deflate, identity")
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return "", ErrNotFound
	default:
		return "", fmt.Errorf("the server answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	size, err := c.announced(response)
	if err != nil {
		return "", err
	}
	body, err := c.decoded(response, pace)
	if err != nil {
		return "", err
	}
	return c.store(body, id, size)
}

// announced is the file's size as the server tells it, -1 where it does not.
func (c *Client) announced(response *http.Response) (int64, error) {
	plain := response.Header.Get("Content-Encoding")
	size := response.ContentLength
	if size > c.opts.MaxFileBytes {
		return 0, fmt.Errorf("%w: the server announces %d bytes, at most %d are taken", ErrLimit, size, c.opts.MaxFileBytes)
	}
	if plain != "" && plain != "identity" {
		size = -1
	}
	// debuginfod's own word for the size of the file itself.
	if text := response.Header.Get("X-Debuginfod-Size"); text != "" {
		own, err := strconv.ParseInt(text, 10, 64)
		if err != nil || own < 0 {
			return 0, fmt.Errorf("%w: the server announces a size of %.40q", ErrMismatch, text)
		}
		if own > c.opts.MaxFileBytes {
			return 0, fmt.Errorf("%w: the server announces %d bytes, at most %d are taken", ErrLimit, own, c.opts.MaxFileBytes)
		}
		if size >= 0 && size != own {
			return 0, fmt.Errorf("%w: the server announces both %d and %d bytes", ErrMismatch, size, own)
		}
		size = own
	}
	return size, nil
}

// decoded is the body as the file has it. What is sent is bounded here, what it
// decodes to by store.
func (c *Client) decoded(response *http.Response, pace *pace) (io.Reader, error) {
	// What decodes to little may be sent without end: gzip has empty blocks.
	sent := io.LimitReader(&pacedReader{response.Body, pace}, c.opts.MaxFileBytes+1)
	switch encoding := response.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return sent, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(sent)
	case "deflate":
		return zlib.NewReader(sent)
	default:
		return nil, fmt.Errorf("%w: content encoding %.40q", ErrMismatch, encoding)
	}
}

// store writes body into the cache and gives it its name once it is found to
// be what was asked for. size is -1 where it is not known.
func (c *Client) store(body io.Reader, id string, size int64) (path string, err error) {
	part, err := c.cache.newPart(id)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			c.cache.discard(part)
		}
	}()
	n, err := io.Copy(part.file, io.LimitReader(body, c.opts.MaxFileBytes+1))
	err = errors.Join(err, part.file.Close())
	switch {
	case err != nil:
		return "", err
	case n > c.opts.MaxFileBytes:
		return "", fmt.Errorf("%w: the file has more than %d bytes", ErrLimit, c.opts.MaxFileBytes)
	case size >= 0 && n != size:
		return "", fmt.Errorf("%w: %d bytes were announced, %d came", ErrMismatch, size, n)
	}
	if err := verify(c.cache.path(part.name), id); err != nil {
		return "", err
	}
	return c.cache.keep(part, id)
}

// verify says whether the file at path is the whole debug file of a build. A
// transfer that breaks off need not be an error to HTTP (version 1.0 ends a
// body by closing the connection).
func verify(path, id string) error {
	file, err := object.Open(path)
	if err != nil {
		var objectErr *object.Error
		if errors.As(err, &objectErr) && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: %s %w", ErrMismatch, objectErr.Reason, objectErr.Err)
		}
		return err
	}
	defer file.Close()
	if have := file.BuildID(); have != id {
		if have == "" {
			have = "none"
		}
		return fmt.Errorf("%w: the file's build ID is %s", ErrMismatch, have)
	}
	for _, section := range file.Sections() {
		end := section.FileOffset + section.SizeBytes
		if section.Type != elf.SHT_NOBITS && (end < section.FileOffset || end > uint64(file.SizeBytes())) {
			return fmt.Errorf("%w: section %.40s reaches past the file's end", ErrMismatch, section.Name)
		}
	}
	return nil
}

// pace ends a transfer that is too slow: in each window of time enough bytes
// must come.
type pace struct {
	timer  *time.Timer
	window time.Duration
	bytes  int64 // in this window
	late   func()
}

func newPace(window time.Duration, cancel context.CancelCauseFunc) *pace {
	p := &pace{window: window, late: func() { cancel(fmt.Errorf("%w: less than %d bytes within %v", ErrStalled, windowBytes, window)) }}
	p.timer = time.AfterFunc(window, p.late)
	return p
}

// came is told of bytes by the one goroutine that reads.
func (p *pace) came(n int) {
	if p.bytes += int64(n); p.bytes >= windowBytes {
		p.bytes = 0
		p.timer.Reset(p.window)
	}
}

func (p *pace) end() { p.timer.Stop() }

type pacedReader struct {
	r    io.Reader
	pace *pace
}

func (r *pacedReader) Read(into []byte) (int, error) {
	n, err := r.r.Read(into)
	r.pace.came(n)
	return n, err
}
