//go:build unix

package debuginfod

import (
	"io/fs"
	"os"
	"syscall"
)

// openBits are the permissions that a private folder has not.
const openBits = 0o077

func ownFolder(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
