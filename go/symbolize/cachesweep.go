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
)

// sweepDaily sweeps if nobody did today: marks are left also where no index is
// made.
func (c *Cache) sweepDaily() {
	if info, err := c.root.Stat(sweptName); err == nil && time.Since(info.ModTime()) < sweepEvery {
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
		age := time.Since(info.ModTime())
		switch {
		case strings.HasSuffix(name.Name(), indexSuffix):
			indexes = append(indexes, info)
		case strings.HasSuffix(name.Name(), seenSuffix) && age < seenLifetime:
			seen = append(seen, info)
		case strings.HasSuffix(name.Name(), seenSuffix),
			strings.HasPrefix(name.Name(), tempPrefix) && age > tempLifetime:
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
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
}
