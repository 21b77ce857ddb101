package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
)

// lateBytes is how much memory the command may hold before garbage is collected
// the first time. Most runs end below it: a look-up of one address would else
// spend a quarter of its time collecting next to nothing, because the sections
// that it could read count as memory before they are read.
const lateBytes = 64 << 20

// collectLate puts off the first collection; from then on garbage is collected
// as always. Who sets Go's own variables for that has the say.
func collectLate() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(lateBytes)
	first := new([16]byte)
	runtime.SetFinalizer(first, func(*[16]byte) {
		if set := debug.SetGCPercent(100); set >= 0 {
			debug.SetGCPercent(set) // meanwhile, by who knew better
		}
		debug.SetMemoryLimit(math.MaxInt64)
	})
}
