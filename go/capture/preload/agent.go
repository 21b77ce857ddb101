package preload

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ffikit/ffikit/go/object"
)

// AgentEnv names the environment variable that overrides the search of
// FindAgent.
const AgentEnv = "FFIKIT_AGENT"

// agentName is the library's file.
const agentName = "libffikit_agent.so"

// FindAgent gives the path of the agent: what AgentEnv names, or
// what lies beside this command, in the library folder that belongs to it, or in
// a checkout's build folder. A nil error and an empty path mean that there is
// none here.
func FindAgent() (string, error) {
	if path := os.Getenv(AgentEnv); path != "" {
		if err := CheckAgent(path); err != nil {
			return "", fmt.Errorf("%s: %w", AgentEnv, err)
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
			path := filepath.Join(filepath.Dir(command), folder, agentName)
			if CheckAgent(path) == nil {
				return path, nil
			}
		}
	}
	return "", nil
}

// CheckAgent says what is wrong with path as an agent to preload. By its
// name its frames are known for its own.
func CheckAgent(path string) error {
	if base := filepath.Base(path); !strings.HasPrefix(base, "libffikit_agent.") {
		return fmt.Errorf("the companion is called %s, not %s", agentName, base)
	}
	file, err := object.Open(path)
	if err != nil {
		return fmt.Errorf("the companion: %w", err)
	}
	defer file.Close()
	want := elf.EM_X86_64
	if runtime.GOARCH == "arm64" {
		want = elf.EM_AARCH64
	}
	if file.Machine() != want {
		return fmt.Errorf("the companion %s is for %s", path, file.Machine())
	}
	return nil
}
