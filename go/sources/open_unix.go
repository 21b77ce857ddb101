//go:build unix

package sources

import "syscall"

// openFlags keep the opening of a pipe, which took the place of the regular
// file that was looked at, from waiting for its writer.
const openFlags = syscall.O_NONBLOCK
