package sanitizer

import (
	"strings"

	"github.com/ffikit/ffikit/go/capture/preload"
)

// Options of the sanitizers. What a user has set in the environment comes
// after defaults, and so wins; what ffikit needs to read the logs comes last.
const (
	// unwindDefaults are for a run without the companion: the slow unwinder
	// uses CFI and so gets through frames without frame pointers.
	unwindDefaults = "fast_unwind_on_malloc=0:malloc_context_size=40"
	// asanDefaults: with handle_segv=1 the runtime reports faults, and
	// allow_user_segv_handler=1 lets Go install its handler over it, which
	// passes on the faults that did not happen in Go code.
	//
	// exitcode=0 keeps leaks from changing the command's own status: which of
	// them count is decided later, when they have names to match suppressions
	// by. What ends the process is then told by a signal, abort_on_error.
	asanDefaults = "detect_stack_use_after_return=1:" +
		"alloc_dealloc_mismatch=1:handle_segv=1:allow_user_segv_handler=1:exitcode=0:abort_on_error=1"
	ubsanDefaults = "print_stacktrace=1:report_error_type=1"
	lsanDefaults  = "print_suppressions=0"
	needed        = "symbolize=0:color=never"
)

// environment gives the environment of the command: base with the sanitizers'
// options, the runtime preloaded, and Python's allocator set to malloc so that
// the sanitizer sees each object. logs and evidence are path prefixes, to which
// the processes' numbers are added.
func (c *Command) environment(base []string, runtime, logs, evidence string) []string {
	env := preload.NewEnvironment(base)
	last := needed + ":log_path=" + quote(logs)
	unwind, objects := unwindDefaults, ""
	libraries := []string{c.Companion, runtime, env.Get("LD_PRELOAD")} // in this order, and before all other libraries
	env.Remove(evidenceEnv)
	if c.Companion != "" {
		unwind, objects = companionDefaults, "report_objects=1"
		env.Set(evidenceEnv, evidence)
	}

	leaks := "detect_leaks=1"
	if c.NoLeaks {
		leaks = "detect_leaks=0"
	}
	env.Set("ASAN_OPTIONS", join(unwind, asanDefaults, leaks, env.Get("ASAN_OPTIONS"), last))
	env.Set("UBSAN_OPTIONS", join(ubsanDefaults, env.Get("UBSAN_OPTIONS"), last))
	env.Set("LSAN_OPTIONS", join(lsanDefaults, env.Get("LSAN_OPTIONS"), objects))
	if env.Get("PYTHONMALLOC") == "" {
		env.Set("PYTHONMALLOC", "malloc")
	}
	if list := join(libraries...); list != "" {
		env.Set("LD_PRELOAD", list)
	}
	return env.List()
}

// join puts non-empty lists, of sanitizer options or of libraries, behind each
// other.
func join(lists ...string) string {
	var kept []string
	for _, list := range lists {
		if list != "" {
			kept = append(kept, list)
		}
	}
	return strings.Join(kept, ":")
}

// quote protects a value whose characters the sanitizers' flag parser would
// take for separators (it splits at these, and knows both quotes).
func quote(value string) string {
	if !strings.ContainsAny(value, " ,:\n\t\r\"'") {
		return value
	}
	if !strings.Contains(value, `"`) {
		return `"` + value + `"`
	}
	return "'" + value + "'"
}

// LeakSuppressions is the value of "suppressions" in a list of sanitizer
// options, such as LSAN_OPTIONS; "" where there is none. LeakSanitizer itself
// can match no functions here, so ffikit does it.
func LeakSuppressions(options string) string {
	value, _ := option(options, "suppressions")
	return value
}
