package sanitizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLeakSuppressions(t *testing.T) {
	for options, want := range map[string]string{
		"":                                       "",
		"report_objects=1":                       "",
		"suppressions=leaks.supp":                "leaks.supp",
		"max_leaks=3:suppressions=a:verbosity=1": "a",
		`suppressions="with space:colon" x=1`:    "with space:colon",
		"suppressions='a b',suppressions=last":   "last",
		"suppressions=":                          "",
		`suppressions="never closed`:             "never closed",
		"suppressions":                           "",
		"=:=:='":                                 "",
	} {
		assert.Equal(t, want, LeakSuppressions(options), options)
	}
}

func TestEnvironment(t *testing.T) {
	command := &Command{NoLeaks: true}
	env := command.environment([]string{"ASAN_OPTIONS=handle_segv=0", "LD_PRELOAD=mine.so", "HOME=/", "FFIKIT_COMPANION=outer"}, "rt.so", "/tmp/my logs/log", "/tmp/my logs/stacks")
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	asan := values["ASAN_OPTIONS"]
	assert.Greater(t, strings.Index(asan, "handle_segv=0"), strings.Index(asan, "handle_segv=1"), "the user's setting comes later and wins")
	assert.True(t, strings.HasSuffix(asan, `log_path="/tmp/my logs/log"`), asan)
	assert.Contains(t, asan, "detect_leaks=0")
	assert.Equal(t, "rt.so:mine.so", values["LD_PRELOAD"], "the runtime comes first")
	assert.Equal(t, "malloc", values["PYTHONMALLOC"])
	assert.Equal(t, "/", values["HOME"])
	assert.NotContains(t, values, "FFIKIT_COMPANION", "an outer run's evidence is not ours")
	assert.Contains(t, asan, "fast_unwind_on_malloc=0:malloc_context_size=40:")
	assert.NotContains(t, values["LSAN_OPTIONS"], "report_objects")
}

func TestEnvironmentOfTheCompanion(t *testing.T) {
	command := &Command{Companion: "/lib/agent.so"}
	env := command.environment([]string{"LD_PRELOAD=mine.so", "LSAN_OPTIONS=report_objects=0"}, "rt.so", "/tmp/my logs/log", "/tmp/my logs/stacks")
	assert.Contains(t, env, "LD_PRELOAD=/lib/agent.so:rt.so:mine.so", "the companion comes first")
	assert.Contains(t, env, "FFIKIT_COMPANION=/tmp/my logs/stacks")
	assert.Contains(t, env, "LSAN_OPTIONS=print_suppressions=0:report_objects=0:report_objects=1")
	for _, entry := range env {
		if options, ok := strings.CutPrefix(entry, "ASAN_OPTIONS="); ok {
			for name, want := range map[string]string{"malloc_context_size": "2", "fast_unwind_on_malloc": "1", "verify_asan_link_order": "0"} {
				value, set := option(options, name)
				assert.True(t, set)
				assert.Equal(t, want, value, name)
			}
		}
	}
	// A program with a runtime of its own gets the companion alone.
	env = command.environment([]string{"PATH=/bin"}, "", "log", "stacks")
	assert.Contains(t, env, "LD_PRELOAD=/lib/agent.so")
}

func TestCompanionNotices(t *testing.T) {
	for options, want := range map[string]int{
		"": 0, "malloc_context_size=2": 0, "malloc_context_size=30": 1, "malloc_context_size=0": 1, "malloc_context_size=x": 0,
		"fast_unwind_on_malloc=1": 0, "fast_unwind_on_malloc=0,malloc_context_size=1": 2,
	} {
		assert.Len(t, CompanionNotices(options), want, options)
	}
}

func TestEvidenceBeside(t *testing.T) {
	for log, want := range map[string]string{
		"log.12": "stacks.12", "/tmp/kept/log.7": "/tmp/kept/stacks.7", "ci.log": "", "log.txt": "", "log": "", "mylog.7": "", "-": "",
	} {
		assert.Equal(t, want, EvidenceBeside(log), log)
	}
}
