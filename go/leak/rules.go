package leak

import (
	"bytes"
	_ "embed"
	"io"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/suppress"
)

//go:embed default.rules
var defaultRules []byte

// ruleKinds are the kinds that rules may give; leak is LeakSanitizer's, whose
// files are rules too.
var ruleKinds = []string{string(model.GrowthStartUp), string(model.GrowthOneOff), string(model.GrowthCache), "leak"}

// Rules set allocation sites apart that hold memory for a known reason.
type Rules struct {
	// own are ffikit's: they match only frames from the leaf to the first of
	// the user's, so that a leak of a user's code is not hidden by who called it.
	own, users []suppress.Rule
}

// DefaultRules are those that ffikit brings, of default.rules.
func DefaultRules() *Rules {
	own, err := suppress.ReadRules(bytes.NewReader(defaultRules), "default.rules", ruleKinds...)
	if err != nil {
		panic(err) // a mistake of the build that embedded it; the tests read it
	}
	return &Rules{own: own}
}

// Add reads a user's rules, lines "KIND:PATTERN" with the reason as a comment
// above; name stands in errors. They match any frame, and come first.
func (r *Rules) Add(in io.Reader, name string) error {
	rules, err := suppress.ReadRules(in, name, ruleKinds...)
	r.users = append(r.users, rules...)
	return err
}

// find gives the rule for a stack; nil: none.
func (r *Rules) find(frames []model.Frame) *suppress.Rule {
	if r == nil {
		return nil
	}
	for i := range r.users {
		if r.users[i].Matches(frames) {
			return &r.users[i]
		}
	}
	inner := frames[:userEnd(frames)]
	for i := range r.own {
		if r.own[i].Matches(inner) {
			return &r.own[i]
		}
	}
	return nil
}

// userEnd is behind the first frame that is a user's.
func userEnd(frames []model.Frame) int {
	for i := range frames {
		if !frames[i].Runtime {
			return i + 1
		}
	}
	return len(frames)
}
