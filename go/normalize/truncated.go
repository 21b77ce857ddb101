package normalize

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Why a sanitizer's stack ends at Go before the root of its thread.
const (
	// pastGoSignal: a fault's stack shows its handler in place of its callers.
	pastGoSignal = "the sanitizer was called by Go's signal handler and could not walk past it: the callers are unknown"
	// pastSystemStack: Go calls C on the thread's system stack (g0), whose
	// frames say nothing of the goroutine that switched to it.
	pastSystemStack = "the sanitizer cannot walk from Go's system stack to the goroutine's: the Go callers are unknown"
	// pastGoAccess: Go's instrumentation hands over the address of the access
	// alone (runtime/asan.go), with no frame pointers to walk.
	pastGoAccess = "an access by Go code gives the sanitizer one address, without frame pointers to walk: the callers are unknown"
	// pastGoCode: the same outcome, where the cause is not known.
	pastGoCode = "the sanitizer did not walk past this Go function: the callers are unknown"
)

// endsEarly says why a normalized stack ends before its root, judging by its
// root-most frame; empty where no reason is known.
func endsEarly(s *model.Stack) string {
	if len(s.Frames) == 0 {
		return ""
	}
	root := &s.Frames[len(s.Frames)-1]
	switch {
	case isGoSignal(root):
		if len(s.Frames) == 1 {
			return "" // the handler itself is at fault
		}
		return pastGoSignal
	case isGoStackSwitch(root):
		return pastSystemStack
	case root.Language != model.LanguageGo || root.Function == "" || isGoRoot(root):
		return ""
	case s.Role == model.RoleFault && isOneCall(s.Frames):
		return pastGoAccess
	}
	return pastGoCode
}

// isGoSignal tells frames of Go's signal handler (runtime/sys_linux_amd64.s,
// runtime/signal_unix.go). The kernel called it, not the frames next to it:
// a fault in C is forwarded to the sanitizer, which puts the faulting frame
// before the frames of its own handler.
func isGoSignal(f *model.Frame) bool {
	switch goRuntimeFunction(f) {
	case "sigfwd", "sigfwdgo", "sigtramp", "sigtrampgo", "cgoSigtramp":
		return true
	}
	return false
}

// isGoStackSwitch tells the functions that leave a goroutine's stack for the
// thread's system stack (runtime/asm_amd64.s).
func isGoStackSwitch(f *model.Frame) bool {
	switch goRuntimeFunction(f) {
	case "asmcgocall", "systemstack", "mcall", "morestack":
		return true
	}
	return false
}

// isGoRoot tells where goroutines, Go's threads and Go programs begin: behind
// these nobody calls.
func isGoRoot(f *model.Frame) bool {
	if strings.HasPrefix(f.Function, "_rt0_") {
		return true
	}
	switch goRuntimeFunction(f) {
	case "goexit", "goexit0", "goexit1", "main", "rt0_go", "mstart", "mstart0", "mstart1":
		return true
	}
	return false
}

// goRuntimeFunction is the name of a function of Go's package runtime within
// that package; empty for any other frame.
func goRuntimeFunction(f *model.Frame) string {
	if !f.Runtime || f.Machinery != ownerGo {
		return ""
	}
	name, ok := strings.CutPrefix(strings.TrimSuffix(f.Function, ".abi0"), "runtime.")
	if !ok {
		return ""
	}
	return name
}

// isOneCall tells a stack of one physical frame: the calls before its last
// were inlined into that.
func isOneCall(frames []model.Frame) bool {
	for i := range frames[:len(frames)-1] {
		if !frames[i].Inlined {
			return false
		}
	}
	return true
}
