package doctor

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
)

// CheckModules looks at object files that are to share one sanitized process.
func CheckModules(modules []Module) []Finding {
	findings := checkRuntimes(modules)
	sanitized := false
	for i := range modules {
		sanitized = sanitized || modules[i].Instrumented || modules[i].RuntimeInside || modules[i].RuntimeNeeded != ""
	}
	for i := range modules {
		m := &modules[i]
		if sanitized {
			findings = append(findings, m.checkInstrumentation()...)
		}
		findings = append(findings, m.checkSymbols()...)
	}
	return findings
}

// checkRuntimes finds that more than one ASan runtime would come into the
// process: each would map the same shadow memory.
func checkRuntimes(modules []Module) []Finding {
	var findings []Finding
	users := map[string][]string{}
	for i := range modules {
		m := &modules[i]
		if m.RuntimeInside && !isRuntime(filepath.Base(m.Path)) {
			findings = append(findings, Finding{CheckStaticRuntime, m.Path,
				"the ASan runtime is linked into it; other modules then meet a second one, and libraries that are loaded later are not intercepted",
				"link with -shared-libasan (clang), without -static-libasan (gcc); in Rust with -Zexternal-clangrt"})
			users["its own copy"] = append(users["its own copy"], m.Path)
		}
		if m.RuntimeNeeded != "" {
			users[m.RuntimeNeeded] = append(users[m.RuntimeNeeded], m.Path)
		}
	}
	copies := len(users["its own copy"])
	if kinds := len(users); kinds > 1 || copies > 1 {
		findings = append(findings, Finding{CheckTwoRuntimes, strings.Join(sortedPaths(users), ", "),
			"they bring different ASan runtimes (" + listed(users) + "); a process can have only one: \"Shadow memory range interleaves\"",
			"build all of them with one compiler: CC=clang-19 for C, Cython and cgo, -Clinker=clang-19 -Zexternal-clangrt for Rust, -shared-libasan for each"})
	}
	return findings
}

func sortedPaths(users map[string][]string) []string {
	var paths []string
	for _, of := range users {
		paths = append(paths, of...)
	}
	sort.Strings(paths)
	return paths
}

func listed(users map[string][]string) string {
	var parts []string
	for runtime, paths := range users {
		sort.Strings(paths)
		parts = append(parts, fmt.Sprintf("%s: %s", runtime, baseNames(paths)))
	}
	sort.Strings(parts)
	return strings.Join(parts, "; ")
}

func baseNames(paths []string) string {
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return strings.Join(names, ", ")
}

// asanVersion is the interface that clang 9 to 22 and gcc 9 to 15 ask for.
const asanVersion = versionCheckPrefix + "8"

// checkInstrumentation is for modules of a set that has sanitized ones.
func (m *Module) checkInstrumentation() []Finding {
	var findings []Finding
	switch {
	case isRuntime(filepath.Base(m.Path)):
		return nil
	case m.Go && !m.GoASan:
		findings = append(findings, Finding{CheckGoWithoutASan, m.Path,
			"a Go build without -asan: accesses by Go code are not checked, and C memory that only Go points to is reported as leaked",
			`build it with CC=clang-19 CGO_LDFLAGS="-fsanitize=address,undefined -shared-libasan" go build -asan`})
	case !m.Instrumented && !m.RuntimeInside:
		findings = append(findings, Finding{CheckNotInstrumented, m.Path,
			"not built for AddressSanitizer, while others of the set are: its own accesses are not checked",
			"C and Cython: -fsanitize=address,undefined; Rust: RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address with --target"})
	}
	if m.ASanVersion != "" && m.ASanVersion != asanVersion {
		findings = append(findings, Finding{CheckASanVersion, m.Path,
			"its instrumentation asks for another version of the runtime (" + m.ASanVersion + ") than the one in use (" + asanVersion + ")",
			"build it with the compiler that the runtime comes with"})
	}
	return findings
}

// checkSymbols is about how readable a report will be.
func (m *Module) checkSymbols() []Finding {
	var findings []Finding
	if isRuntime(filepath.Base(m.Path)) {
		return nil
	}
	if !m.DebugInfo {
		findings = append(findings, Finding{CheckNoDebugInfo, m.Path,
			"no debug information: its frames will have no file and line",
			"C and Cython: -g -gdwarf-5; Rust: -Cdebuginfo=2; Go: build without -ldflags -s -w; and do not strip"})
	}
	if m.TailCalls {
		findings = append(findings, Finding{CheckTailCalls, m.Path,
			"built with tail calls: the caller's frame is gone when the callee faults, and stacks skip it",
			"C and Cython: -fno-optimize-sibling-calls -fno-omit-frame-pointer; Rust: build sanitized code without -O (opt-level 0 or 1)"})
	}
	if m.BuildID == "" && !m.Go {
		findings = append(findings, Finding{CheckNoBuildID, m.Path,
			"no build ID: a log cannot tell which build of it faulted, and it is symbolized only with --trust-paths",
			"link with -Wl,--build-id"})
	}
	return findings
}
