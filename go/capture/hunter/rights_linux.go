package hunter

import (
	"os"
	"syscall"
)

func isOwnUser(info os.FileInfo) bool {
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(status.Uid) == os.Getuid()
}

func isOwnGroup(info os.FileInfo) bool {
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(status.Gid) == os.Getgid()
}

func hasCapabilities(path string) bool {
	size, err := syscall.Getxattr(path, "security.capability", nil)
	return err == nil && size > 0
}
