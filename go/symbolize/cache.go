package symbolize

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/ownfolder"
)

// DefaultCacheBytes bounds the cache where nothing else is asked for.
const DefaultCacheBytes = 1 << 30

// The files of a cache: an index, the mark of a file that was used but has no
// index, the mark of an index that is being made or could not be, a file that is
// being written, and the time of the last sweep.
const (
	indexSuffix  = ".map"
	seenSuffix   = ".seen"
	makingSuffix = ".making"
	tempPrefix   = "tmp-"
	sweptName    = "swept"
)

// touchAfter is how old the time of an index's last use may be: writing it at
// each use would cost more than it tells.
const touchAfter = time.Hour

// DefaultCacheDir is $FFIKIT_CACHE_DIR, else ffikit below $XDG_CACHE_HOME, else
// below ~/.cache.
func DefaultCacheDir() (string, error) {
	if dir := os.Getenv("FFIKIT_CACHE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	// The XDG specification has relative paths ignored.
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ffikit"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return "", errors.New("no folder for the cache: FFIKIT_CACHE_DIR, XDG_CACHE_HOME and HOME are not set")
	}
	return filepath.Join(home, ".cache", "ffikit"), nil
}

// Cache is a folder of index files, private to its user. Any number of
// processes may use it at once: files come into it whole, by renaming, and an
// index says itself which file it is of. It is safe for concurrent use.
type Cache struct {
	dir   string
	root  *os.Root
	limit int64
}

// OpenCache opens the cache in dir and makes the folder if it is not there;
// empty means DefaultCacheDir. It is refused if it is a symbolic link, belongs
// to another user, or others may write to it (ErrCacheRefused): who can write an
// index says what functions are called. limitBytes bounds its size, 0 means DefaultCacheBytes.
// The caller closes it.
func OpenCache(dir string, limitBytes int64) (*Cache, error) {
	var err error
	if dir == "" {
		dir, err = DefaultCacheDir()
	} else {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if limitBytes == 0 {
		limitBytes = DefaultCacheBytes
	}
	c := &Cache{dir: dir, limit: limitBytes}
	if err := c.open(); err != nil {
		return nil, fmt.Errorf("cache %s is not used: %w", dir, err)
	}
	return c, nil
}

func (c *Cache) open() (err error) {
	if !tellsFilesApart {
		return errors.New("the cache is for Linux")
	}
	c.root, err = ownfolder.Open(c.dir, ownfolder.WritableByOthers)
	return err
}

// Dir is the cache's folder.
func (c *Cache) Dir() string { return c.dir }

// Close gives back the folder.
func (c *Cache) Close() error { return c.root.Close() }

// keyOfFiles names the index of what is made of these files.
func keyOfFiles(files []codemap.Identity) string {
	hash := fnv.New128a()
	le := binary.LittleEndian
	data := le.AppendUint32(nil, codemap.Version)
	for i := range files {
		id := &files[i]
		for _, number := range []uint64{id.Device, id.Inode, id.SizeBytes, uint64(id.ModifiedNS), uint64(id.ChangedNS), uint64(len(id.BuildID))} {
			data = le.AppendUint64(data, number)
		}
		data = append(data, id.BuildID...)
	}
	_, _ = hash.Write(data) // a hash takes everything
	return hex.EncodeToString(hash.Sum(nil))
}

func sameFiles(a, b []codemap.Identity) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		x.Path, y.Path = "", ""
		if x != y {
			return false
		}
	}
	return true
}

// ErrCacheRefused is a folder that is not its user's alone.
var ErrCacheRefused = ownfolder.ErrRefused

// errNoIndex means that there is none of these files, or none that may be read.
var errNoIndex = errors.New("no index")

// find opens the index that was made of files. The caller closes the file. What
// is damaged or of another version is removed, and the error says so.
func (c *Cache) find(files []codemap.Identity) (*codemap.Reader, *os.File, error) {
	name := keyOfFiles(files) + indexSuffix
	reader, file, err := c.openEntry(name)
	if err == nil && !sameFiles(reader.Identities(), files) {
		file.Close()
		err = fmt.Errorf("%w: it is of another file", codemap.ErrDamaged)
	}
	switch {
	case err == nil:
		c.touch(name, file)
		return reader, file, nil
	case errors.Is(err, codemap.ErrDamaged), errors.Is(err, codemap.ErrVersion):
		c.discard(files)
		return nil, nil, fmt.Errorf("cache %s: %s: %w", c.dir, name, err)
	}
	return nil, nil, errNoIndex
}

func (c *Cache) openEntry(name string) (*codemap.Reader, *os.File, error) {
	file, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = codemap.ErrDamaged
	}
	if err == nil {
		err = ownfolder.Check(info, ownfolder.WritableByOthers)
	}
	var reader *codemap.Reader
	if err == nil {
		reader, err = codemap.Open(file, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return reader, file, nil
}

// touch says that the index was used.
func (c *Cache) touch(name string, file *os.File) {
	if info, err := file.Stat(); err == nil && older(info.ModTime(), touchAfter) {
		now := time.Now()
		_ = c.root.Chtimes(name, now, now) // of a folder that is read only, nothing is evicted
	}
}

// discard removes the index of files.
func (c *Cache) discard(files []codemap.Identity) {
	_ = c.root.Remove(keyOfFiles(files) + indexSuffix) // another process may have done so
}

// use marks that files are used and returns how often they were before, without
// an index.
func (c *Cache) use(files []codemap.Identity) (earlier int, err error) {
	file, err := c.root.OpenFile(keyOfFiles(files)+seenSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return 0, c.writeError(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, c.writeError(errors.Join(err, errors.New("no regular file")))
	}
	// One byte a use; appending is atomic between processes.
	if earlier = int(info.Size()); earlier < maxUses {
		if _, err = file.Write([]byte{'.'}); err != nil {
			return earlier, c.writeError(err)
		}
	}
	if earlier == 0 {
		c.sweepDaily()
	}
	return earlier, nil
}

func (c *Cache) writeError(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err) // the folder is named
	}
	return fmt.Errorf("cache %s: %w", c.dir, err)
}

// publish writes the index of files. It appears whole or not at all.
func (c *Cache) publish(files []codemap.Identity, source codemap.Source) (sizeBytes int64, err error) {
	temp := tempPrefix + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(rand.Uint64(), 36)
	file, err := c.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, c.writeError(err)
	}
	out := &limited{w: file, left: c.limit}
	buffered := bufio.NewWriterSize(out, 256<<10)
	err = codemap.Encode(buffered, files, source)
	if err == nil {
		err = buffered.Flush()
	}
	err = errors.Join(err, file.Close())
	key := keyOfFiles(files)
	if err == nil {
		err = c.root.Rename(temp, key+indexSuffix)
	}
	if err != nil {
		_ = c.root.Remove(temp) // the next sweep tries again
		return 0, c.writeError(err)
	}
	for _, suffix := range []string{seenSuffix, makingSuffix} {
		_ = c.root.Remove(key + suffix) // an index is better evidence
	}
	c.sweep()
	return c.limit - out.left, nil
}

// limited writes at most left bytes.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(data []byte) (int, error) {
	if int64(len(data)) > l.left {
		return 0, errors.New("an index larger than the cache may be")
	}
	l.left -= int64(len(data))
	return l.w.Write(data)
}

// CacheEntry is one index of a Cache.
type CacheEntry struct {
	// Name is the file's name in the cache's folder.
	Name      string
	SizeBytes int64
	// Used is when it was made or used, give or take an hour.
	Used time.Time
	// Files are what it was made of, the module first; Err says why it is of
	// no use, if it is not.
	Files []codemap.Identity
	Err   error
}

// Entries lists the indexes in the cache by name.
func (c *Cache) Entries() ([]CacheEntry, error) {
	names, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return nil, c.writeError(err)
	}
	var entries []CacheEntry
	for _, name := range names {
		info, err := name.Info()
		if err != nil || !strings.HasSuffix(name.Name(), indexSuffix) {
			continue
		}
		entry := CacheEntry{Name: name.Name(), SizeBytes: info.Size(), Used: info.ModTime()}
		reader, file, err := c.openEntry(name.Name())
		if entry.Err = err; err == nil {
			entry.Files = reader.Identities()
			file.Close()
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// Clear removes all that ffikit put into the cache and returns how many indexes
// that were. Other files stay, also what another process is writing, and so does
// the folder.
func (c *Cache) Clear() (removed int, err error) {
	names, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return 0, c.writeError(err)
	}
	for _, name := range names {
		info, infoErr := name.Info()
		if infoErr != nil || !ours(name.Name()) ||
			strings.HasPrefix(name.Name(), tempPrefix) && !older(info.ModTime(), tempLifetime) ||
			strings.HasSuffix(name.Name(), makingSuffix) && info.Size() == 0 && !spentClaim(info) {
			continue
		}
		removeErr := c.root.Remove(name.Name())
		switch {
		case removeErr == nil && strings.HasSuffix(name.Name(), indexSuffix):
			removed++
		case removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) && err == nil:
			err = c.writeError(removeErr)
		}
	}
	return removed, err
}

// ours tells whether a file of that name is one that a Cache makes.
func ours(name string) bool {
	if name == sweptName || strings.HasPrefix(name, tempPrefix) {
		return true
	}
	for _, suffix := range []string{indexSuffix, seenSuffix, makingSuffix} {
		if key, ok := strings.CutSuffix(name, suffix); ok {
			raw, err := hex.DecodeString(key)
			return err == nil && len(raw) == 16
		}
	}
	return false
}
