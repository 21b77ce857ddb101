package suppress

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Rule sets stacks apart that a pattern matches. In a file it is a line
// "KIND:PATTERN", the pattern as in a suppression; the comment above it, which holds
// until the next one, is its reason.
type Rule struct {
	Kind, Pattern string
	// Reason is empty where the file gives none.
	Reason string
	// Text is the rule as the file has it.
	Text string
}

// maxRules bounds a file of rules.
const maxRules = 10_000

// ReadRules reads the rules in r, which must be of kinds; name stands in errors.
func ReadRules(r io.Reader, name string, kinds ...string) ([]Rule, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRuleBytes)
	var rules []Rule
	var reason []string
	number, inComment := 0, false
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		comment, isComment := strings.CutPrefix(text, "#")
		switch {
		case isComment && !inComment:
			reason = []string{strings.TrimSpace(comment)}
		case isComment:
			reason = append(reason, strings.TrimSpace(comment))
		}
		inComment = isComment
		if isComment || text == "" {
			continue
		}
		kind, pattern, ok := strings.Cut(text, ":")
		if !ok || pattern == "" || !slices.Contains(kinds, kind) {
			return nil, fmt.Errorf("%s:%d: %q is no rule: want KIND:PATTERN, KIND one of %s", name, number, text, strings.Join(kinds, ", "))
		}
		if len(rules) == maxRules {
			return nil, fmt.Errorf("%s:%d: more than %d rules", name, number, maxRules)
		}
		rules = append(rules, Rule{Kind: kind, Pattern: pattern, Reason: strings.Join(reason, " "), Text: text})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	return rules, nil
}

// Matches tells whether the pattern matches a function, file or module of
// normalized frames.
func (r *Rule) Matches(frames []model.Frame) bool {
	for i := range frames {
		if matchesFrame(r.Pattern, &frames[i]) {
			return true
		}
	}
	return false
}

func matchesFrame(pattern string, frame *model.Frame) bool {
	return match(pattern, frame.Function) || match(pattern, frame.LinkageName) ||
		match(pattern, frame.File) || match(pattern, frame.Module)
}
