package procmaps

import (
	"os"
	"syscall"
)

// identity is a file's device and inode. The kernel packs both numbers of the
// device as include/linux/kdev_t.h, new_encode_dev, does.
func identity(path string) (major, minor uint32, inode uint64, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0, false
	}
	device := uint64(stat.Dev)
	major = uint32(device>>8&0xfff | device>>32&^uint64(0xfff))
	minor = uint32(device&0xff | device>>12&^uint64(0xff))
	return major, minor, stat.Ino, true
}
