package symbolize

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/ffikit/ffikit/go/codemap"
)

// claimLifetime is after what time the mark of an index in the making is that of
// a process that ended over it; failedLifetime is how long it is remembered that
// an index could not be made. What is made of other files is claimed anew.
const (
	claimLifetime  = time.Hour
	failedLifetime = 24 * time.Hour
)

// claim tells whether the caller is to make the index of files, which ends with
// publish, giveUp or release. One of many processes does, whichever is first;
// and none does where it failed a short time ago.
func (c *Cache) claim(files []codemap.Identity) (bool, error) {
	name := keyOfFiles(files) + makingSuffix
	for range 2 {
		file, err := c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return true, file.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return false, c.writeError(err)
		}
		info, err := c.root.Lstat(name)
		if err == nil && !spentClaim(info) {
			return false, nil
		}
		_ = c.root.Remove(name) // of several that see it spent, more than one may get it
	}
	return false, nil
}

// spentClaim tells whether a claim is as good as none: one that failed is not
// empty.
func spentClaim(info fs.FileInfo) bool {
	if info.Size() > 0 {
		return older(info.ModTime(), failedLifetime)
	}
	return older(info.ModTime(), claimLifetime)
}

// giveUp leaves in the claim why the index could not be made.
func (c *Cache) giveUp(files []codemap.Identity, reason error) {
	file, err := c.root.OpenFile(keyOfFiles(files)+makingSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return // the claim, if it is there, keeps others away for a while
	}
	text := reason.Error()
	_, _ = file.WriteString(text[:min(len(text), maxReasonBytes)] + "\n")
	_ = file.Close()
}

// maxReasonBytes bounds what is noted of a failure; damage may name a lot.
const maxReasonBytes = 4096

// release ends a claim without a result.
func (c *Cache) release(files []codemap.Identity) {
	_ = c.root.Remove(keyOfFiles(files) + makingSuffix)
}
