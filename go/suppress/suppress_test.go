package suppress

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

func leak(frames ...model.Frame) *model.Report {
	return &model.Report{
		Kind: "direct-leak", Leaked: &model.Leaked{SizeBytes: 64, ObjectsCount: 1},
		Stacks: []model.Stack{{Role: model.RoleAllocation, Frames: frames}},
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"cache", "store_cache_new", true},
		{"cache", "store_new", false},
		{"^store", "store_new", true},
		{"^store", "my_store", false},
		{"_new$", "store_new", true},
		{"_new$", "store_newer", false},
		{"^store_new$", "store_new", true},
		{"^store_new$", "store_new2", false},
		{"store*new", "a_store_cache_new_b", true},
		{"store*new", "new_store", false},
		{"^a*c$", "abc", true},
		{"^a*c$", "ac", true},
		{"^a*c$", "acd", false},
		{"^ab*ba$", "aba", false}, // the pieces must not overlap
		{"*", "anything", true},
		{"cache", "", false},
	} {
		assert.Equal(t, c.want, match(c.pattern, c.text), "%s in %q", c.pattern, c.text)
	}
}

func TestRulesMatchFunctionFileAndModule(t *testing.T) {
	frame := model.Frame{Function: "store::new", LinkageName: "_ZN5store3newEv", File: "/src/store.cc", Module: "/lib/libstore.so"}
	for _, pattern := range []string{"store::new", "_ZN5store", "store.cc", "libstore.so"} {
		list := &List{}
		require.NoError(t, list.Add(strings.NewReader("# a comment\n\n  leak:"+pattern+"  \n"), "rules"))
		assert.True(t, list.Leaves(leak(model.Frame{Function: "malloc"}, frame)), pattern)
		assert.False(t, list.Leaves(leak(model.Frame{Function: "malloc"})), pattern)
		assert.Equal(t, []model.Suppressed{{Rule: "leak:" + pattern, Count: 1}}, list.Counts())
	}
}

func TestOnlyLeaksAreLeftOut(t *testing.T) {
	list := &List{}
	require.NoError(t, list.Add(strings.NewReader("leak:store"), "rules"))
	fault := leak(model.Frame{Function: "store_new"})
	fault.Leaked = nil
	assert.False(t, list.Leaves(fault))
	assert.Empty(t, list.Counts())
}

func TestBuiltinSparesTheUsersLeaks(t *testing.T) {
	interpreter := model.Frame{Function: "PyUnicode_New", Runtime: true}
	list := Builtin()
	assert.True(t, list.Leaves(leak(interpreter, model.Frame{Function: "_PyEval_EvalFrameDefault", Runtime: true})))
	assert.False(t, list.Leaves(leak(interpreter, model.Frame{Function: "records.Record.name"})),
		"a str that an extension made and lost is a leak")
	line := model.Frame{Function: "<module>", Language: model.LanguagePython, File: "/app/keeper.py", Line: 3}
	assert.True(t, list.Leaves(leak(interpreter, line)), "whose line it is does not make an immortal string a leak")
	assert.False(t, list.Leaves(leak(interpreter, model.Frame{Function: "store_new"}, line)))
	assert.False(t, list.Leaves(leak(line)))

	starting := model.Frame{Function: "pthread_getattr_np", Runtime: true}
	assert.True(t, list.Leaves(leak(starting, model.Frame{Function: "start_thread", Runtime: true})))
	assert.False(t, list.Leaves(leak(starting, model.Frame{Function: "stack_of_this_thread"})), "attributes that nobody destroyed are a leak")
}

func TestMalformedRules(t *testing.T) {
	for _, text := range []string{"store", "leak:", "race:store", "leak:" + strings.Repeat("x", maxRuleBytes)} {
		err := (&List{}).Add(strings.NewReader("# first\n"+text+"\n"), "rules.supp")
		require.Error(t, err)
		assert.Contains(t, err.Error(), "rules.supp:2")
	}
}
