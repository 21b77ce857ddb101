package debuginfod

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ffikit/ffikit/go/ownfolder"
)

// cache is a folder with a folder for each build, named by its ID, which holds
//
//	debuginfo   the debug file
//	missing     instead: no server had it; the file names which were asked
//	part-…      a download that is going on, or was broken off
//
// A build's folder is touched when its file is used: the file's own times stay
// as they are, since others take them for its identity. Processes share the
// folder without locks: files come into being by rename, whole and verified,
// and whichever of several equal ones comes last stays.
type cache struct {
	folder string
	root   *os.Root
	opts   *Options
	asked  string // a digest of the servers' names
}

const (
	debuginfoName = "debuginfo"
	missingName   = "missing"
	partPrefix    = "part-"
)

// openCache makes the folder if need be. It must be the user's alone: who can
// write into it could exchange what was verified. Paths are handed out, so that
// the folder of all caches must be the user's, too, where it is not the caller's
// choice.
func openCache(opts *Options) (*cache, error) {
	folder := opts.Folder
	if folder == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("%w: set XDG_CACHE_HOME to a folder for caches", err)
		}
		caches := filepath.Join(base, "ffikit")
		root, err := openFolder(caches, ownfolder.WritableByOthers)
		if err != nil {
			return nil, err
		}
		root.Close()
		folder = filepath.Join(caches, "debuginfod")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	root, err := openFolder(folder, ownfolder.OpenToOthers)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(strings.Join(opts.Servers, "\n")))
	return &cache{folder: folder, root: root, opts: opts, asked: hex.EncodeToString(digest[:])}, nil
}

func openFolder(folder string, forbidden fs.FileMode) (*os.Root, error) {
	root, err := ownfolder.Open(folder, forbidden)
	switch {
	case errors.Is(err, ownfolder.ErrRefused):
		return nil, fmt.Errorf("%s: %w: %w", folder, ErrFolder, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	return root, nil
}

func (c *cache) path(name string) string { return filepath.Join(c.folder, name) }

// has says whether the build's file is there.
func (c *cache) has(id string) bool {
	info, err := c.root.Stat(filepath.Join(id, debuginfoName))
	return err == nil && info.Mode().IsRegular()
}

// lookup gives the build's file, if it is there and what it should be.
func (c *cache) lookup(id string) (string, bool) {
	name := filepath.Join(id, debuginfoName)
	if !c.has(id) {
		return "", false
	}
	path := c.path(name)
	if verify(path, id) != nil {
		_ = c.root.Remove(name)
		return "", false
	}
	c.touch(id)
	return path, true
}

// touch marks a build as used now. Where that fails it goes a little earlier.
func (c *cache) touch(id string) {
	now := time.Now()
	_ = c.root.Chtimes(id, now, now)
}

// missing says whether these servers were asked a short time ago, in vain.
func (c *cache) missing(id string) bool {
	file, err := c.root.Open(filepath.Join(id, missingName))
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	// A clock that was set back must not make an answer last.
	if age := time.Since(info.ModTime()); age > c.opts.MissingFor || age < 0 {
		return false
	}
	asked, err := io.ReadAll(io.LimitReader(file, 1<<10))
	return err == nil && string(asked) == c.asked
}

// noteMissing is a convenience for later: where it fails nothing is lost.
func (c *cache) noteMissing(id string) {
	part, err := c.newPart(id)
	if err != nil {
		return
	}
	_, err = part.file.WriteString(c.asked)
	if err = errors.Join(err, part.file.Close()); err == nil {
		err = c.root.Rename(part.name, filepath.Join(id, missingName))
	}
	if err != nil {
		c.discard(part)
	}
	c.evict(id)
}

// part is a file that has no final name yet.
type part struct {
	id, name string
	file     *os.File
}

func (c *cache) newPart(id string) (*part, error) {
	for range 100 {
		if err := c.root.Mkdir(id, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		name := filepath.Join(id, partPrefix+rand.Text())
		file, err := c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return &part{id, name, file}, nil
		}
		// Another process may just have cleared the empty folder away.
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: cleared away again and again", c.path(id))
}

func (c *cache) discard(p *part) {
	_ = p.file.Close()
	_ = c.root.Remove(p.name)
	_ = c.root.Remove(p.id) // if nothing else is in it
}

// keep gives a verified part its final name, and makes room for it.
func (c *cache) keep(p *part, id string) (string, error) {
	name := filepath.Join(id, debuginfoName)
	if err := c.root.Rename(p.name, name); err != nil {
		return "", err
	}
	_ = c.root.Remove(filepath.Join(id, missingName))
	c.touch(id)
	c.evict(id)
	return c.path(name), nil
}

// build is one build's folder in the cache.
type build struct {
	id    string
	used  time.Time
	bytes int64
}

// clockSkew is how far the clocks of a file server and of this machine may
// differ.
const clockSkew = 10 * time.Minute

// maxBuilds bounds how many folders there may be, files or remembered answers.
const maxBuilds = 10_000

// evict clears away builds until the bounds are kept, the one not used longest
// first; never id's. It also removes what broken downloads left.
func (c *cache) evict(id string) {
	builds, total := c.builds()
	slices.SortFunc(builds, func(a, b build) int { return a.used.Compare(b.used) })
	for i, b := range builds {
		if total <= c.opts.MaxCacheBytes && len(builds)-i <= maxBuilds {
			return
		}
		if b.id == id {
			continue
		}
		if c.remove(b.id) == nil {
			total -= b.bytes
		}
	}
}

func (c *cache) builds() (builds []build, total int64) {
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return nil, 0
	}
	for _, entry := range entries {
		id, err := checkBuildID(entry.Name())
		if err != nil || id != entry.Name() || !entry.IsDir() {
			continue // not ours
		}
		info, err := entry.Info()
		if err != nil {
			continue
		}
		b := build{id: id, used: info.ModTime()}
		if time.Until(b.used) > clockSkew {
			b.used = time.Time{} // a wrong clock's; it would be the newest for ever
		}
		files, _ := fs.ReadDir(c.root.FS(), id)
		for _, file := range files {
			b.bytes += c.weigh(id, file)
		}
		total += b.bytes
		builds = append(builds, b)
	}
	return builds, total
}

// weigh gives the size of a file of the cache; it removes a part that nobody
// can be writing any more.
func (c *cache) weigh(id string, file fs.DirEntry) int64 {
	info, err := file.Info()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	age := time.Since(info.ModTime())
	if strings.HasPrefix(file.Name(), partPrefix) && (age > 2*c.opts.Timeout || age < -clockSkew) {
		if c.root.Remove(filepath.Join(id, file.Name())) == nil {
			return 0
		}
	}
	return info.Size()
}

// remove clears a build away; a download that goes on in it keeps its folder.
func (c *cache) remove(id string) error {
	err := c.root.Remove(filepath.Join(id, debuginfoName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = c.root.Remove(filepath.Join(id, missingName))
	_ = c.root.Remove(id)
	return nil
}
