package symbolize

import (
	"fmt"
	"os"
	"syscall"

	"github.com/ffikit/ffikit/go/codemap"
)

// identify fills in what the system knows of a file; false means that it
// cannot be told from others.
func identify(info os.FileInfo, id *codemap.Identity) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	id.Device, id.Inode, id.SizeBytes = uint64(stat.Dev), stat.Ino, uint64(info.Size())
	id.ModifiedNS, id.ChangedNS = stat.Mtim.Nano(), stat.Ctim.Nano()
	return true
}

// ownerOf is the user whom the file belongs to.
func ownerOf(info os.FileInfo) (user int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// private refuses what others than this process's user can change.
func private(info os.FileInfo) error {
	owner, ok := ownerOf(info)
	switch {
	case !ok:
		return fmt.Errorf("its owner is not known")
	case owner != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, not to %d", owner, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to it (mode %04o)", info.Mode().Perm())
	}
	return nil
}
