// Package suppress leaves out leaks that are known and accepted.
//
// Rules are in LeakSanitizer's own format, a line each: "leak:PATTERN". A leak
// is left out where the pattern matches a function, file or module of its
// allocation stack. LeakSanitizer cannot do it itself here: it matches names
// that it has symbolized, and ffikit lets it symbolize nothing.
//
// The format: https://github.com/google/sanitizers/wiki/AddressSanitizerLeakSanitizer#suppressions
package suppress

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// List is a set of rules that counts what each has left out. It is not safe
// for concurrent use.
type List struct {
	rules []*rule
}

type rule struct {
	text    string
	pattern string
	// own limits the rule to stacks without native code of the user's: what a
	// language's own machinery leaves behind, whatever Python line it runs.
	own   bool
	count int
}

// Builtin is a new list of what is no leak of anybody's program:
//
// CPython 3.12 made interned strings immortal and does not free them when it
// ends (measured: some 1,600 for a small program on 3.12.1, 2,800 on 3.13.0,
// none on 3.11.7). They are allocated in these two functions of its
// Objects/unicodeobject.c.
//
// A thread that starts while the program ends: the sanitizer's runtime asks for
// its stack (pthread_getattr_np), and LeakSanitizer does not look there yet.
func Builtin() *List {
	return &List{rules: []*rule{
		{text: "leak:PyUnicode_New", pattern: "PyUnicode_New", own: true},
		{text: "leak:resize_compact", pattern: "resize_compact", own: true},
		{text: "leak:pthread_getattr_np", pattern: "pthread_getattr_np", own: true},
	}}
}

// maxRuleBytes bounds a line of a suppression file.
const maxRuleBytes = 1 << 16

// Add reads the rules in r; name stands in errors.
func (l *List) Add(r io.Reader, name string) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRuleBytes)
	number := 0
	for lines.Scan() {
		number++
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		pattern, ok := strings.CutPrefix(text, "leak:")
		if !ok || pattern == "" {
			return fmt.Errorf("%s:%d: %q is no rule: want leak:PATTERN", name, number, text)
		}
		l.rules = append(l.rules, &rule{text: text, pattern: pattern})
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	return nil
}

// Leaves tells whether a rule leaves r out, and counts it there. r must be
// normalized: readable names and linkage names are both matched.
func (l *List) Leaves(r *model.Report) bool {
	if r.Leaked == nil {
		return false
	}
	for _, rule := range l.rules {
		if rule.matches(r) {
			rule.count++
			return true
		}
	}
	return false
}

// Counts tells what has been left out: the rules that did, in order.
func (l *List) Counts() []model.Suppressed {
	var counts []model.Suppressed
	for _, rule := range l.rules {
		if rule.count > 0 {
			counts = append(counts, model.Suppressed{Rule: rule.text, Count: rule.count})
		}
	}
	return counts
}

func (r *rule) matches(report *model.Report) bool {
	matched := false
	for i := range report.Stacks {
		for j := range report.Stacks[i].Frames {
			frame := &report.Stacks[i].Frames[j]
			if r.own && !frame.Runtime && frame.Language != model.LanguagePython {
				return false
			}
			matched = matched || matchesFrame(r.pattern, frame)
		}
	}
	return matched
}

// match is the sanitizers' template match: the pattern may lie anywhere in
// text, "*" stands for anything, a "^" in front and a "$" behind anchor it.
func match(pattern, text string) bool {
	if text == "" {
		return false
	}
	pattern, atStart := strings.CutPrefix(pattern, "^")
	pattern, atEnd := strings.CutSuffix(pattern, "$")
	pieces := strings.Split(pattern, "*")
	if atStart {
		rest, ok := strings.CutPrefix(text, pieces[0])
		if !ok {
			return false
		}
		if len(pieces) == 1 {
			return !atEnd || rest == ""
		}
		text, pieces = rest, pieces[1:]
	}
	if atEnd {
		rest, ok := strings.CutSuffix(text, pieces[len(pieces)-1])
		if !ok {
			return false
		}
		text, pieces = rest, pieces[:len(pieces)-1]
	}
	for _, piece := range pieces {
		_, rest, ok := strings.Cut(text, piece)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}
