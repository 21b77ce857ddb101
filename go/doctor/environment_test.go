package doctor

import (
	"context"
	"errors"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/capture/sanitizer"
)

func environment(variables map[string]string) Environment {
	return Environment{
		Getenv:    func(name string) string { return variables[name] },
		LookPath:  exec.LookPath,
		Runtime:   sanitizer.FindRuntime,
		Companion: func() (string, error) { return "/lib/libffikit_agent.so", nil },
	}
}

const goodCFlags = "-g -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-optimize-sibling-calls"

func TestHealthyEnvironmentIsSilent(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"nothing set": nil,
		"the recipe": {
			"CC": "clang-19", "CFLAGS": goodCFlags, "CGO_CFLAGS": goodCFlags, "GOFLAGS": "-asan",
			"CGO_LDFLAGS": "-fsanitize=address,undefined -shared-libasan",
			"RUSTFLAGS":   "-Zsanitizer=address -Zexternal-clangrt -Cforce-frame-pointers=yes", "RUSTC_BOOTSTRAP": "1",
		},
		"no sanitizer at all": {"CC": "gcc", "CFLAGS": "-O2", "RUSTFLAGS": "-Ctarget-cpu=native"},
	} {
		assert.Empty(t, CheckEnvironment(context.Background(), environment(variables)), name)
	}
}

func TestSeededEnvironmentFaults(t *testing.T) {
	for name, seed := range map[string]struct {
		variables map[string]string
		check     Check
		subject   string
		remedy    string
	}{
		"C without frames":        {map[string]string{"CFLAGS": "-g -fsanitize=address"}, CheckFlags, "CFLAGS", "-fno-optimize-sibling-calls"},
		"C without -g":            {map[string]string{"CFLAGS": "-fsanitize=address -fno-omit-frame-pointer -fno-optimize-sibling-calls"}, CheckFlags, "CFLAGS", "-g"},
		"link without shared":     {map[string]string{"CC": "clang-19", "LDFLAGS": "-fsanitize=address"}, CheckStaticRuntime, "LDFLAGS", "-shared-libasan"},
		"gcc":                     {map[string]string{"CC": "gcc", "CFLAGS": goodCFlags}, CheckTwoRuntimes, "CC", "clang-19"},
		"cgo but not Go":          {map[string]string{"CC": "clang-19", "CGO_CFLAGS": goodCFlags}, CheckGoWithoutASan, "GOFLAGS", "-asan"},
		"Go's own gcc":            {map[string]string{"GOFLAGS": "-asan"}, CheckCompiler, "CC", "CC=clang-19"},
		"Rust's own runtime":      {map[string]string{"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address -Cforce-frame-pointers=yes"}, CheckTwoRuntimes, "RUSTFLAGS", "-Zexternal-clangrt"},
		"stable Rust":             {map[string]string{"RUSTFLAGS": "-Z sanitizer=address -Z external-clangrt -C force-frame-pointers=yes"}, CheckToolchain, "RUSTC_BOOTSTRAP", "RUSTC_BOOTSTRAP=1"},
		"Rust without frames":     {map[string]string{"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address -Zexternal-clangrt"}, CheckFlags, "RUSTFLAGS", "force-frame-pointers"},
		"segv off":                {map[string]string{"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0"}, CheckFlags, "ASAN_OPTIONS", "leave"},
		"every stack twice":       {map[string]string{"ASAN_OPTIONS": "malloc_context_size=30"}, CheckFlags, "ASAN_OPTIONS", "--no-companion"},
		"Go's handler shut out":   {map[string]string{"ASAN_OPTIONS": "allow_user_segv_handler=0"}, CheckFlags, "ASAN_OPTIONS", "leave"},
		"gcc's runtime preloaded": {map[string]string{"LD_PRELOAD": "/usr/lib/libasan.so.8"}, CheckTwoRuntimes, "LD_PRELOAD", "unset"},
	} {
		t.Run(name, func(t *testing.T) {
			findings := CheckEnvironment(context.Background(), environment(seed.variables))
			require.Len(t, findings, 1)
			assert.Equal(t, seed.check, findings[0].Check)
			assert.Equal(t, seed.subject, findings[0].Subject)
			assert.Contains(t, findings[0].Remedy, seed.remedy)
		})
	}
}

func TestMissingAndForeignRuntime(t *testing.T) {
	env := environment(nil)
	env.Runtime = func(context.Context) (string, error) { return "", errors.New("no clang on PATH") }
	assert.Equal(t, []Check{CheckRuntimeMissing}, checks(CheckEnvironment(context.Background(), env)))

	env.Runtime = func(context.Context) (string, error) { return "/usr/lib/gcc/libasan.so.8", nil }
	assert.Equal(t, []Check{CheckTwoRuntimes}, checks(CheckEnvironment(context.Background(), env)))
}

func TestMissingAndForeignCompanion(t *testing.T) {
	env := environment(nil)
	env.Companion = func() (string, error) { return "", nil }
	findings := CheckEnvironment(context.Background(), env)
	require.Equal(t, []Check{CheckCompanion}, checks(findings))
	assert.Contains(t, findings[0].Remedy, "make agent")

	env.Companion = func() (string, error) { return "", errors.New("FFIKIT_AGENT: no such file") }
	findings = CheckEnvironment(context.Background(), env)
	require.Equal(t, []Check{CheckCompanion}, checks(findings))
	assert.Contains(t, findings[0].Message, "no such file")
}
