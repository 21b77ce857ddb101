package symbolize

import (
	"os"
	"syscall"

	"github.com/ffikit/ffikit/go/codemap"
)

// tellsFilesApart: see identify.
const tellsFilesApart = true

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
