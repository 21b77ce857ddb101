package normalize

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// pastGoSignal says why a fault's stack shows its handler in place of its callers.
const pastGoSignal = "the sanitizer was called by Go's signal handler and could not walk past it: the callers are unknown"

// isGoSignal tells frames of Go's signal handler (runtime/sys_linux_amd64.s,
// runtime/signal_unix.go). The kernel called it, not the frames next to it:
// a fault in C is forwarded to the sanitizer, which puts the faulting frame
// before the frames of its own handler.
func isGoSignal(f *model.Frame) bool {
	if !f.Runtime || f.Machinery != ownerGo {
		return false
	}
	switch strings.TrimSuffix(f.Function, ".abi0") {
	case "runtime.sigfwd", "runtime.sigfwdgo", "runtime.sigtramp", "runtime.sigtrampgo", "runtime.cgoSigtramp":
		return true
	}
	return false
}

// endsInGoSignal tells whether a stack ends in Go's signal handler.
func endsInGoSignal(frames []model.Frame) bool {
	return len(frames) > 1 && isGoSignal(&frames[len(frames)-1])
}
