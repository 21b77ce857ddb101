package symbolize

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
	"time"
)

const (
	// A file that is being written is done or abandoned after an hour; what was
	// used once, a month ago, is as good as never used.
	tempLifetime = time.Hour
	seenLifetime = 30 * 24 * time.Hour
	sweepEvery   = 24 * time.Hour
	maxSeen      = 4096
	// clockSkew is how far the clocks of a file server and of this machine may
	// differ: what is being written must not look old.
	clockSkew = 10 * time.Minute
)

// sweepDaily sweeps if nobody did today: marks are left also where no index is
// made.
func (c *Cache) sweepDaily() {
	if info, err := c.root.Stat(sweptName); err == nil && !older(info.ModTime(), sweepEvery) {
		return
	}
	if c.root.WriteFile(sweptName, nil, 0o600) == nil {
		now := time.Now()
		_ = c.root.Chtimes(sweptName, now, now) // else the next one sweeps, too
		c.sweep()
	}
}

// sweep removes what is too old or too much, least recently used first. What
// fails, as another process may be at it, is tried again next time.
func (c *Cache) sweep() {
	names, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return
	}
	var indexes, seen []fs.FileInfo
	for _, name := range names {
		info, err := name.Info()
		if err != nil || !ours(name.Name()) {
			continue
		}
		switch {
		case strings.HasSuffix(name.Name(), indexSuffix):
			indexes = append(indexes, info)
		case strings.HasSuffix(name.Name(), seenSuffix) && !older(info.ModTime(), seenLifetime):
			seen = append(seen, info)
		case strings.HasSuffix(name.Name(), seenSuffix),
			strings.HasSuffix(name.Name(), makingSuffix) && spentClaim(info),
			strings.HasPrefix(name.Name(), tempPrefix) && older(info.ModTime(), tempLifetime):
			_ = c.root.Remove(name.Name())
		}
	}
	newestFirst(indexes)
	left := c.limit
	for _, info := range indexes {
		if left -= info.Size(); left < 0 {
			_ = c.root.Remove(info.Name())
			left += info.Size() // a smaller, older one may still fit
		}
	}
	newestFirst(seen)
	for _, info := range seen[min(maxSeen, len(seen)):] {
		_ = c.root.Remove(info.Name())
	}
}

func newestFirst(files []fs.FileInfo) {
	used := func(info fs.FileInfo) time.Time {
		if time.Until(info.ModTime()) > clockSkew {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(used(b).Compare(used(a)), cmp.Compare(a.Name(), b.Name()))
	})
}

// older tells whether at is longer ago than life. A time that is yet to come
// counts as old: a clock that was wrong left it, and it would stay young for
// ever.
func older(at time.Time, life time.Duration) bool {
	age := time.Since(at)
	return age > life || age < -clockSkew
}
