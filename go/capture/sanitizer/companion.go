package sanitizer

import (
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/capture/preload"
)

// CompanionEnv names the environment variable that overrides the search of
// FindCompanion.
const CompanionEnv = preload.AgentEnv

// FindCompanion gives the path of the companion, which is ffikit's agent: see
// preload.FindAgent.
func FindCompanion() (string, error) { return preload.FindAgent() }

// evidenceEnv tells the companion the path prefix of its files.
const evidenceEnv = "FFIKIT_COMPANION"

// companionDefaults: the companion walks the stacks of allocations in the
// sanitizer's place, which keeps its own function and the caller. It must not
// keep less: LeakSanitizer takes memory whose caller it does not know for
// reachable (lsan_common.cpp, SuppressInvalid), and so would find no leak at all.
// The companion comes before the runtime, which would refuse that.
const companionDefaults = "fast_unwind_on_malloc=1:malloc_context_size=2:verify_asan_link_order=0"

// CompanionNotices says which of the user's own ASAN_OPTIONS undo what the
// companion is for.
func CompanionNotices(asanOptions string) []string {
	var notices []string
	if text, set := option(asanOptions, "malloc_context_size"); set {
		switch size, err := strconv.Atoi(text); {
		case err != nil: // the runtime's to refuse
		case size < 2:
			notices = append(notices, "malloc_context_size="+text+" in ASAN_OPTIONS: LeakSanitizer finds no leak with less than 2")
		case size > 2:
			notices = append(notices, "malloc_context_size="+text+" in ASAN_OPTIONS: the sanitizer walks the stack of each allocation too, which the companion would spare it")
		}
	}
	if text, set := option(asanOptions, "fast_unwind_on_malloc"); set && (text == "0" || text == "false" || text == "no") {
		notices = append(notices, "fast_unwind_on_malloc="+text+" in ASAN_OPTIONS: the sanitizer's slow unwinder runs at each allocation too, which the companion would spare it")
	}
	return notices
}

// option is the last value of a name in a list of sanitizer options. Names and
// values are as sanitizer_flag_parser.cpp reads them.
func option(options, wanted string) (value string, set bool) {
	const separators = " ,:\n\t\r"
	for rest := options; rest != ""; {
		rest = strings.TrimLeft(rest, separators)
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		end := strings.IndexAny(after, separators)
		if after != "" && (after[0] == '"' || after[0] == '\'') {
			quoted := after[:1]
			after = after[1:]
			end = strings.Index(after, quoted)
		}
		if end < 0 {
			end = len(after)
		}
		if name == wanted {
			value, set = after[:end], true
		}
		rest = strings.TrimLeft(after[end:], "\"'")
	}
	return value, set
}
