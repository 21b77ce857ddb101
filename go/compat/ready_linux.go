package compat

import (
	"os"
	"syscall"
	"unsafe"
)

// pollEntry is struct pollfd of poll(2).
type pollEntry struct {
	descriptor      int32
	events, revents int16
}

// readiness asks the system whether file can be read without waiting. Where
// much came at once, more is given a moment to arrive.
func readiness(file *os.File) func(bulk bool) bool {
	const pollIn = 1
	conn, err := file.SyscallConn()
	if err != nil {
		return func(bool) bool { return false }
	}
	return func(bulk bool) bool {
		wait := syscall.Timespec{}
		if bulk {
			wait.Nsec = 2_000_000
		}
		ready := false
		err := conn.Control(func(descriptor uintptr) {
			entry := pollEntry{descriptor: int32(descriptor), events: pollIn}
			// SAFETY: entry and wait live until the call returns; ppoll does
			// not keep them.
			n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&entry)), 1, uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
			ready = errno == 0 && n == 1
		})
		return err == nil && ready
	}
}
