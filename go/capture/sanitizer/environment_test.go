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
	env := command.environment([]string{"ASAN_OPTIONS=handle_segv=0", "LD_PRELOAD=mine.so", "HOME=/"}, "rt.so", "/tmp/my logs/log")
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
}
