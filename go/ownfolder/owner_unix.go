//go:build unix

package ownfolder

import (
	"io/fs"
	"syscall"
)

// ownerOf is the user whom the file belongs to, -1 where that is not known.
func ownerOf(info fs.FileInfo) (user int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, true
	}
	return int(stat.Uid), true
}
