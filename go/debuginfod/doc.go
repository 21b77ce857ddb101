// Package debuginfod fetches separate debug files from debuginfod servers.
//
// A build ID enters, the path of a file in the user's own cache leaves. Nothing
// of it happens unless a caller makes a Client: a request tells a server which
// programs somebody looks at.
//
// A server is a stranger. What it sends gets its final name only if it is a
// whole ELF file whose build ID is the one that was asked for. Every request
// is bounded in bytes (as announced, as sent, and as decoded), in time (as a
// whole, and by the rate at which bytes come), and in redirects, which lead to
// http and https only and never from https to http. The cache is a folder of
// the user's that nobody else may enter; its size is bounded, too.
//
// The protocol is that of elfutils' debuginfod(8): GET
// /buildid/BUILDID/debuginfo, 404 where the server has none.
package debuginfod

import (
	"errors"
	"time"
)

// What can go wrong, to be tested with errors.Is.
var (
	// ErrNotFound: no server has a debug file of this build.
	ErrNotFound = errors.New("no debuginfod server has it")
	// ErrBuildID is a build ID that is none: hexadecimal digits are wanted, two
	// a byte, 4 to 64 bytes.
	ErrBuildID = errors.New("not a build ID")
	// ErrMismatch is a server that sent something else than it was asked for.
	ErrMismatch = errors.New("not the debug file that was asked for")
	// ErrLimit is a file, or a number of files, over the limits.
	ErrLimit = errors.New("over the limit")
	// ErrStalled is a server that sends too slowly, or nothing.
	ErrStalled = errors.New("the server sends too slowly")
	// ErrFolder is a cache folder that is not the user's alone.
	ErrFolder = errors.New("not a private folder")
)

// Options steer a Client. Zero values mean what is said of each.
type Options struct {
	// Servers are base URLs, asked in order; ParseServers makes them.
	Servers []string
	// Folder is the cache; "" means the folder ffikit/debuginfod in the user's
	// cache ($XDG_CACHE_HOME, or ~/.cache).
	Folder string
	// MaxFileBytes bounds one debug file (2 GiB), MaxCacheBytes all that are
	// kept (8 GiB): those not used longest go first.
	MaxFileBytes, MaxCacheBytes int64
	// MaxFetches bounds how many different builds one Client asks servers for
	// (1000): build IDs come from logs that strangers wrote.
	MaxFetches int
	// Timeout bounds a request as a whole (10 minutes). In each StallTimeout
	// (60 seconds) a server must send 64 KiB or all that there is.
	Timeout, StallTimeout time.Duration
	// MissingFor is how long it is remembered that no server had a file (10
	// minutes).
	MissingFor time.Duration
	// UserAgent names the program to the servers ("ffikit").
	UserAgent string
	// Progress, where not nil, is told of each download that begins.
	Progress func(server, buildID string)
}

func (o *Options) fill() {
	number := func(field *int64, value int64) {
		if *field <= 0 {
			*field = value
		}
	}
	duration := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	number(&o.MaxFileBytes, 2<<30)
	number(&o.MaxCacheBytes, 8<<30)
	o.MaxFileBytes = min(o.MaxFileBytes, o.MaxCacheBytes)
	if o.MaxFetches <= 0 {
		o.MaxFetches = 1000
	}
	duration(&o.Timeout, 10*time.Minute)
	duration(&o.StallTimeout, time.Minute)
	duration(&o.MissingFor, 10*time.Minute)
	if o.UserAgent == "" {
		o.UserAgent = "ffikit"
	}
}
