package sanitizer

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/object"
)

// CompanionEnv names the environment variable that overrides the search of
// FindCompanion.
const CompanionEnv = "FFIKIT_AGENT"

// companionName is the file that records the stacks.
const companionName = "libffikit_agent.so"

// evidenceEnv tells the companion the path prefix of its files.
const evidenceEnv = "FFIKIT_COMPANION"

// FindCompanion gives the path of the companion: what CompanionEnv names, or
// what lies beside this command, in the library folder that belongs to it, or in
// a checkout's build folder. A nil error and an empty path mean that there is
// none here.
func FindCompanion() (string, error) {
	if path := os.Getenv(CompanionEnv); path != "" {
		if err := CheckCompanion(path); err != nil {
			return "", fmt.Errorf("%s: %w", CompanionEnv, err)
		}
		return filepath.Abs(path)
	}
	command, err := os.Executable()
	if err != nil {
		return "", nil
	}
	commands := []string{command}
	if target, err := filepath.EvalSymlinks(command); err == nil && target != command {
		commands = append(commands, target)
	}
	for _, command := range commands {
		for _, folder := range []string{".", "../lib/ffikit", "../lib", "../build/lib"} {
			path := filepath.Join(filepath.Dir(command), folder, companionName)
			if CheckCompanion(path) == nil {
				return path, nil
			}
		}
	}
	return "", nil
}

// CheckCompanion says what is wrong with path as a companion to preload. By its
// name its frames are known for its own.
func CheckCompanion(path string) error {
	if base := filepath.Base(path); !strings.HasPrefix(base, "libffikit_agent.") {
		return fmt.Errorf("the companion is called %s, not %s", companionName, base)
	}
	file, err := object.Open(path)
	if err != nil {
		return fmt.Errorf("the companion: %w", err)
	}
	defer file.Close()
	want := elf.EM_X86_64
	if machine() == "aarch64" {
		want = elf.EM_AARCH64
	}
	if file.Machine() != want {
		return fmt.Errorf("the companion %s is for %s", path, file.Machine())
	}
	return nil
}

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
