package sanitizer

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ffikit/ffikit/go/object"
)

// RuntimeEnv names the environment variable that overrides the search of
// FindRuntime.
const RuntimeEnv = "FFIKIT_ASAN_RUNTIME"

// compilers are asked for their runtime in this order. 19 comes first since
// it is the version that the project tests with.
var compilers = []string{"clang-19", "clang", "clang-22", "clang-21", "clang-20", "clang-18", "clang-17", "clang-16"}

// FindRuntime gives the path of clang's shared ASan runtime: what RuntimeEnv
// names, or what the first clang on PATH reports.
func FindRuntime(ctx context.Context) (string, error) {
	if path := os.Getenv(RuntimeEnv); path != "" {
		return path, CheckRuntime(path)
	}
	name := "libclang_rt.asan-" + machine() + ".so"
	var tried []string
	for _, compiler := range compilers {
		path, err := runtimeOf(ctx, compiler, name)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, exec.ErrNotFound) {
			tried = append(tried, err.Error())
		}
	}
	if len(tried) == 0 {
		return "", fmt.Errorf("no clang on PATH: install clang-19 and libclang-rt-19-dev, or name the runtime by --runtime or %s", RuntimeEnv)
	}
	return "", fmt.Errorf("no shared ASan runtime (%s): install libclang-rt-19-dev, or name the runtime by --runtime or %s", strings.Join(tried, "; "), RuntimeEnv)
}

// CheckRuntime says what is wrong with path as a runtime to preload.
func CheckRuntime(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("ASan runtime: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("ASan runtime %s: not a regular file", path)
	}
	return nil
}

// runtimeOf asks one compiler. clang answers with the bare name where it does
// not have the file.
func runtimeOf(ctx context.Context, compiler, name string) (string, error) {
	program, err := exec.LookPath(compiler)
	if err != nil {
		return "", exec.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-print-file-name="+name).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	path := strings.TrimSpace(string(out))
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s has no %s", program, name)
	}
	return path, CheckRuntime(path)
}

// machine is the architecture as LLVM's runtime names spell it.
func machine() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return "x86_64"
}

// inspection is what matters of a program for preloading a runtime into it.
type inspection struct {
	// runtime: it has an ASan runtime by itself, so that clang's must not be
	// preloaded: one linked into it, or gcc's, which the loader finds. Clang's
	// shared one it does not find without help.
	runtime bool
	// unseen says why a runtime cannot be preloaded into it.
	unseen []string
}

func inspect(path string) inspection {
	var found inspection
	if info, err := os.Stat(path); err == nil && info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		found.unseen = append(found.unseen, "runs with another user's rights (setuid): nothing is preloaded into it, and it was not watched")
	}
	file, err := object.Open(path)
	if err != nil {
		return found // a script: its interpreter gets the preload
	}
	defer file.Close()
	if dynamic, _, err := file.Dynamic(); err == nil {
		for _, library := range dynamic.Needed {
			found.runtime = found.runtime || strings.HasPrefix(library, "libasan.so")
		}
	}
	// A file without symbols has nothing inside that we could see.
	_ = file.EachSymbol(func(symbol object.Symbol) bool {
		found.runtime = found.runtime || symbol.Name == "__asan_init" && !symbol.Undefined
		return !found.runtime
	})
	loaded := slices.ContainsFunc(file.Segments(), func(s object.Segment) bool { return s.Type == elf.PT_INTERP })
	if !loaded && !found.runtime {
		found.unseen = append(found.unseen, "statically linked: no runtime can be preloaded into it, and it was not watched, only the programs that it ran; build it with -fsanitize=address")
	}
	return found
}
