package doctor

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ffikit/ffikit/go/capture/sanitizer"
)

// Environment is where compilers, flags and options are looked for.
type Environment struct {
	// Getenv reads a variable, LookPath finds a program.
	Getenv   func(name string) string
	LookPath func(program string) (string, error)
	// Runtime finds clang's shared ASan runtime.
	Runtime func(context.Context) (string, error)
	// Companion finds the library that records whole stacks; an empty path
	// without an error: there is none.
	Companion func() (string, error)
}

// NewEnvironment is this process's own; getenv is normally os.Getenv.
func NewEnvironment(getenv func(string) string) Environment {
	return Environment{Getenv: getenv, LookPath: exec.LookPath, Runtime: sanitizer.FindRuntime, Companion: sanitizer.FindCompanion}
}

// CheckEnvironment looks at what a sanitized build and run would use here.
func CheckEnvironment(ctx context.Context, env Environment) []Finding {
	var findings []Finding
	if path, err := env.Runtime(ctx); err != nil {
		findings = append(findings, Finding{CheckRuntimeMissing, "clang's ASan runtime", err.Error(),
			"apt-get install clang-19 libclang-rt-19-dev, or set " + sanitizer.RuntimeEnv})
	} else if strings.HasPrefix(filepath.Base(path), "libasan.so") {
		findings = append(findings, Finding{CheckTwoRuntimes, sanitizer.RuntimeEnv,
			"it names gcc's runtime (" + path + "); code built by clang and rustc needs clang's",
			"unset it, or let it name libclang_rt.asan-x86_64.so"})
	}
	findings = append(findings, checkCompanion(env)...)
	findings = append(findings, checkCFlags(env)...)
	findings = append(findings, checkGo(ctx, env)...)
	findings = append(findings, checkRust(env)...)
	return append(findings, checkOptions(env)...)
}

// checkCompanion: without it, runs are slow and stacks end where Go begins.
func checkCompanion(env Environment) []Finding {
	path, err := env.Companion()
	switch {
	case err != nil:
		return []Finding{{CheckCompanion, sanitizer.CompanionEnv, err.Error(), "unset it, or let it name a libffikit_agent.so of this machine's kind"}}
	case path == "":
		return []Finding{{CheckCompanion, "libffikit_agent.so",
			"the companion is not beside this command nor in its library folder: sanitized runs are slower, and stacks end where Go begins and have no Python lines",
			"install ffikit from its wheel or by make install, or build it by make agent and name it by " + sanitizer.CompanionEnv}}
	}
	return nil
}

// sanitizes tells whether flags ask for AddressSanitizer.
func sanitizes(flags string) bool {
	for _, word := range strings.Fields(flags) {
		if list, ok := strings.CutPrefix(word, "-fsanitize="); ok && slices.Contains(strings.Split(list, ","), "address") {
			return true
		}
	}
	return false
}

func has(flags, word string) bool { return slices.Contains(strings.Fields(flags), word) }

// checkCFlags looks at the variables by which C, Cython and cgo get flags.
func checkCFlags(env Environment) []Finding {
	var findings []Finding
	for _, name := range []string{"CFLAGS", "CXXFLAGS", "CGO_CFLAGS"} {
		flags := env.Getenv(name)
		if !sanitizes(flags) {
			continue
		}
		missing := missingWords(flags, "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
		if !strings.Contains(" "+flags, " -g") {
			missing = append(missing, "-g")
		}
		if len(missing) > 0 {
			findings = append(findings, Finding{CheckFlags, name,
				"it asks for AddressSanitizer, but not for whole stacks and lines", "add " + strings.Join(missing, " ")})
		}
	}
	for _, name := range []string{"LDFLAGS", "CGO_LDFLAGS"} {
		flags := env.Getenv(name)
		if sanitizes(flags) && !has(flags, "-shared-libasan") && !gcc(env.Getenv("CC")) {
			findings = append(findings, Finding{CheckStaticRuntime, name,
				"it links AddressSanitizer without -shared-libasan: clang then links a runtime of its own into each program", "add -shared-libasan"})
		}
	}
	if cc := env.Getenv("CC"); gcc(cc) && (sanitizes(env.Getenv("CFLAGS")) || sanitizes(env.Getenv("CGO_CFLAGS"))) {
		findings = append(findings, Finding{CheckTwoRuntimes, "CC",
			"gcc (" + cc + ") brings its own ASan runtime; Rust's instrumentation needs clang's, and a process can have only one",
			"set CC=clang-19"})
	}
	return findings
}

func missingWords(flags string, words ...string) []string {
	var missing []string
	for _, word := range words {
		if !has(flags, word) {
			missing = append(missing, word)
		}
	}
	return missing
}

// gcc tells whether cc names gcc; "cc" and the empty default are not known.
func gcc(cc string) bool {
	words := strings.Fields(cc)
	return len(words) > 0 && strings.Contains(filepath.Base(words[0]), "gcc")
}

// checkGo looks at what `go build -asan` would do here.
func checkGo(ctx context.Context, env Environment) []Finding {
	goFlags := env.Getenv("GOFLAGS")
	sanitized := has(goFlags, "-asan") || has(goFlags, "-asan=true")
	if !sanitized && !sanitizes(env.Getenv("CGO_CFLAGS")) {
		return nil
	}
	var findings []Finding
	if !sanitized {
		findings = append(findings, Finding{CheckGoWithoutASan, "GOFLAGS",
			"CGO_CFLAGS asks for AddressSanitizer, but Go itself is built without it", "build with go build -asan, or put -asan into GOFLAGS"})
	}
	cc := env.Getenv("CC")
	if cc == "" {
		cc = goDefault(ctx, env, "CC")
	}
	if gcc(cc) && env.Getenv("CC") == "" {
		findings = append(findings, Finding{CheckCompiler, "CC",
			"Go uses " + cc + " here, whose ASan runtime is not the one that Rust's and clang's code needs", "set CC=clang-19"})
	}
	return findings
}

// goDefault asks `go env` for a setting; "" where there is no Go.
func goDefault(ctx context.Context, env Environment, name string) string {
	program, err := env.LookPath("go")
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "env", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// checkRust looks at the flags of a sanitized Rust build.
func checkRust(env Environment) []Finding {
	flags := strings.ReplaceAll(strings.ReplaceAll(env.Getenv("RUSTFLAGS"), "-Z ", "-Z"), "-C ", "-C")
	if !has(flags, "-Zsanitizer=address") {
		return nil
	}
	var findings []Finding
	if !has(flags, "-Zexternal-clangrt") {
		findings = append(findings, Finding{CheckTwoRuntimes, "RUSTFLAGS",
			"rustc links its own copy of the ASan runtime", "add -Zexternal-clangrt -Clinker=clang-19"})
	}
	if missing := missingWords(flags, "-Cforce-frame-pointers=yes"); len(missing) > 0 {
		findings = append(findings, Finding{CheckFlags, "RUSTFLAGS",
			"it asks for AddressSanitizer, but not for frame pointers", "add " + strings.Join(missing, " ")})
	}
	if env.Getenv("RUSTC_BOOTSTRAP") == "" && !strings.Contains(env.Getenv("RUSTUP_TOOLCHAIN"), "nightly") {
		findings = append(findings, Finding{CheckToolchain, "RUSTC_BOOTSTRAP",
			"a stable rustc refuses -Z flags", "set RUSTC_BOOTSTRAP=1, or use a nightly toolchain"})
	}
	return findings
}

// checkOptions looks at the run's own variables.
func checkOptions(env Environment) []Finding {
	var findings []Finding
	for _, notice := range sanitizer.CompanionNotices(env.Getenv("ASAN_OPTIONS")) {
		findings = append(findings, Finding{CheckFlags, "ASAN_OPTIONS", notice, "leave it out, or run ffikit sanitize --no-companion"})
	}
	options := strings.FieldsFunc(env.Getenv("ASAN_OPTIONS"), func(r rune) bool { return strings.ContainsRune(" ,:\n\t", r) })
	for _, option := range options {
		switch option {
		case "handle_segv=0":
			findings = append(findings, Finding{CheckFlags, "ASAN_OPTIONS",
				"handle_segv=0: a NULL dereference in C gives no sanitizer report", "leave it out"})
		case "allow_user_segv_handler=0", "handle_segv=2":
			findings = append(findings, Finding{CheckFlags, "ASAN_OPTIONS",
				option + ": Go can no longer turn a nil dereference of its own into a panic", "leave it out"})
		}
	}
	if preload := env.Getenv("LD_PRELOAD"); strings.Contains(preload, "libasan.so") {
		findings = append(findings, Finding{CheckTwoRuntimes, "LD_PRELOAD",
			"it preloads gcc's ASan runtime; ffikit sanitize preloads clang's", "unset LD_PRELOAD, or name the runtime by --runtime"})
	}
	return findings
}
