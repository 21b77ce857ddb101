// Package doctor tells whether compilers, runtimes and flags work together in
// one sanitized process of several languages.
//
// What enters are the object files that are to share a process (Modules) and
// the variables that steer their builds and runs (Environment); Findings
// leave, each with what was seen and the remedy. A healthy set-up has none.
package doctor

import "fmt"

// Check names what a finding is about. The names are stable: scripts match them.
type Check string

// The checks of modules.
const (
	CheckTwoRuntimes     Check = "two-runtimes"
	CheckStaticRuntime   Check = "missing-shared-libasan"
	CheckGoWithoutASan   Check = "go-without-asan"
	CheckNotInstrumented Check = "not-instrumented"
	CheckASanVersion     Check = "asan-version"
	CheckTailCalls       Check = "tail-calls"
	CheckNoDebugInfo     Check = "no-debug-info"
	CheckNoBuildID       Check = "no-build-id"
)

// The checks of the environment.
const (
	CheckRuntimeMissing Check = "runtime-missing"
	CheckCompanion      Check = "companion-missing"
	CheckCompiler       Check = "compiler"
	CheckFlags          Check = "flags"
	CheckToolchain      Check = "toolchain"
)

// Finding is one fault of a set-up.
type Finding struct {
	Check Check `json:"check"`
	// Subject is the file, the variable or the program that it is about.
	Subject string `json:"subject"`
	// Message says what was seen and what comes of it, Remedy what to do.
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s [%s]\n    remedy: %s", f.Subject, f.Message, f.Check, f.Remedy)
}
