package hunter

import (
	"bufio"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/object"
)

// whyUntraceable says why nothing can be preloaded into a program; empty: as far
// as its file tells it can.
func whyUntraceable(path string) string {
	for range 4 { // scripts may be run by scripts
		if reason := whyPrivileged(path); reason != "" {
			return reason
		}
		next := interpreterOf(path)
		if next == "" {
			break
		}
		path = next
	}
	file, err := object.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	if file.Machine() != machine() {
		return "it is for another kind of processor (" + file.Machine().String() + ") than the agent"
	}
	if !slices.ContainsFunc(file.Segments(), func(s object.Segment) bool { return s.Type == elf.PT_INTERP }) {
		return "it is statically linked: no library can be preloaded into it (link it dynamically against glibc; for Go: CGO_ENABLED=1 and without -extldflags=-static)"
	}
	loader, err := file.Data(".interp")
	if err != nil {
		return ""
	}
	name := filepath.Base(strings.TrimRight(string(loader), "\x00"))
	switch {
	case strings.HasPrefix(name, "ld-musl"):
		return "it is built for musl (" + name + "): the agent needs glibc"
	case !strings.HasPrefix(name, "ld-linux") && name != "ld.so.1" && name != "ld64.so.2":
		return "its loader (" + name + ") is not glibc's"
	}
	return ""
}

// whyPrivileged: the loader drops LD_PRELOAD where a program gets rights that
// who starts it does not have.
func whyPrivileged(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.Mode()&os.ModeSetuid != 0 && !isOwnUser(info):
		return "it runs with another user's rights (setuid): nothing is preloaded into it"
	case info.Mode()&os.ModeSetgid != 0 && !isOwnGroup(info):
		return "it runs with another group's rights (setgid): nothing is preloaded into it"
	case os.Getuid() != 0 && hasCapabilities(path):
		return "its file has capabilities (getcap): nothing is preloaded into it"
	}
	return ""
}

// interpreterOf is what the first line of a script names; empty: it is none.
func interpreterOf(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	const longest = 4096
	line, _ := bufio.NewReader(io.LimitReader(file, longest)).ReadString('\n')
	words, isScript := strings.CutPrefix(line, "#!")
	fields := strings.Fields(words)
	if !isScript || len(fields) == 0 || !filepath.IsAbs(fields[0]) {
		return ""
	}
	return fields[0]
}

// machine is the processor that the agent is for.
func machine() object.Machine {
	if runtime.GOARCH == "arm64" {
		return elf.EM_AARCH64
	}
	return elf.EM_X86_64
}
