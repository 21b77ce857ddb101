package normalize

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Cython's names for C functions, read off Cython's own output (testdata/
// cython holds the source and the recipe):
//
//	symbol  = [ "__pyx_fuse_" digits { "_" digits } ] body
//	        | "__pyx_U" (body without "__pyx_", in punycode)
//	body    = "__pyx_pf_" scopes [ counter ] name     a def function's body
//	        | "__pyx_gb_" scopes [ counter ] "generator" [ digits ]
//	        | "__pyx_f_"  scopes name                 a cdef function
//	        | "__pyx_pw_" scopes [ counter ] name     the wrapper Python calls
//	        | "__pyx_lambda_funcdef_" [ scopes ] "lambda" [ digits ]
//	        | "__pyx_pymod_exec_" name                the module's own statements
//	scopes  = scope { scope }
//	scope   = length identifier "_"                   package, module, class,
//	                                                  property, outer function
//	counter = digits                                  absent for the first one
//
// A counter and a scope's length look alike: `2ab_x` is the third function
// `ab_x` of its scope, or the function `x` of the class `ab`. The body and its
// wrapper, which stands next to it in every stack, have counters that differ
// by one, so that the pair has one common reading only (cythonHints.pair).
// Without it, the module's name from the file helps to end the module's part,
// and then a class is believed where it starts with a capital or underscore,
// or has a special method.
//
// The name of a generator's or lambda's function is not in its symbol: they
// read `<generator>` and `<lambda>`, with Cython's number where it has one.

// cythonHints are what the frame around a symbol tells.
type cythonHints struct {
	// pair is the symbol of the other half: the wrapper of a body, the body
	// of a wrapper.
	pair string
	// module is the last component of the module's name, or empty.
	module string
}

type cythonReading struct {
	scopes  []string
	counter int
	name    string
}

// maxCythonScopes bounds how deep a name may nest; packages, classes and
// functions of real sources nest a handful.
const maxCythonScopes = 64

const (
	cythonBody      = "__pyx_pf_"
	cythonWrapper   = "__pyx_pw_"
	cythonGenerator = "__pyx_gb_"
	cythonFunction  = "__pyx_f_"
	cythonLambda    = "__pyx_lambda_funcdef_"
	cythonModule    = "__pyx_pymod_exec_"
)

// cythonName gives the dotted Python name of a Cython symbol; ok is false for
// everything that stands for no function of the source.
func cythonName(symbol string, hints cythonHints) (dotted string, ok bool) {
	if !strings.HasPrefix(symbol, "__pyx_") {
		return "", false
	}
	symbol = bareCythonSymbol(symbol)
	if rest, ok := strings.CutPrefix(symbol, cythonModule); ok && isIdentifier(rest) {
		return rest + ".<module>", true
	}
	if rest, ok := strings.CutPrefix(symbol, cythonLambda); ok {
		return cythonLambdaName(symbol, rest, hints)
	}
	for _, prefix := range []string{cythonBody, cythonWrapper, cythonGenerator} {
		if rest, ok := strings.CutPrefix(symbol, prefix); ok {
			reading, ok := chooseReading(prefix, rest, hints)
			if !ok {
				return "", false
			}
			return reading.dotted(prefix), true
		}
	}
	if rest, ok := strings.CutPrefix(symbol, cythonFunction); ok {
		// No counter: every number is a length.
		readings := cythonReadings(rest)
		for i := len(readings) - 1; i >= 0; i-- {
			if r := readings[i]; r.counter == 0 && len(r.scopes) > 0 {
				return r.dotted(cythonFunction), true
			}
		}
	}
	return "", false
}

func (r cythonReading) dotted(prefix string) string {
	name := r.name
	if inner, ok := strings.CutPrefix(name, cythonLambda); ok {
		if lambda, ok := cythonLambdaName(name, inner, cythonHints{}); ok {
			if strings.Contains(lambda, ".") {
				return lambda
			}
			name = lambda
		}
	}
	if number, ok := strings.CutPrefix(name, "generator"); ok && prefix == cythonGenerator && (number == "" || isDigits(number)) {
		name = "<generator" + number + ">"
	}
	return strings.Join(append(append([]string{}, r.scopes...), name), ".")
}

// cythonLambdaName reads what follows "__pyx_lambda_funcdef_". Within a
// function the symbol has no scopes, but its wrapper has.
func cythonLambdaName(symbol, rest string, hints cythonHints) (string, bool) {
	if wrapper, ok := strings.CutPrefix(bareCythonSymbol(hints.pair), cythonWrapper); ok {
		for _, r := range cythonReadings(wrapper) {
			if r.name == symbol {
				return r.dotted(cythonWrapper), true
			}
		}
	}
	if number, ok := strings.CutPrefix(rest, "lambda"); ok && (number == "" || isDigits(number)) {
		return "<lambda" + number + ">", true
	}
	readings := cythonReadings(rest)
	for i := len(readings) - 1; i >= 0; i-- {
		number, ok := strings.CutPrefix(readings[i].name, "lambda")
		if ok && len(readings[i].scopes) > 0 && (number == "" || isDigits(number)) {
			return strings.Join(readings[i].scopes, ".") + ".<lambda" + number + ">", true
		}
	}
	return "", false
}

// cythonReadings lists all readings of `scopes [counter] name`, the one with
// the fewest scopes first.
func cythonReadings(rest string) []cythonReading {
	var readings []cythonReading
	var scopes []string
	for rest != "" {
		if len(scopes) == maxCythonScopes {
			return nil
		}
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 {
			if isIdentifier(rest) {
				readings = append(readings, cythonReading{scopes: clone(scopes), name: rest})
			}
			return readings
		}
		number, err := strconv.Atoi(rest[:digits])
		if err != nil || rest[0] == '0' {
			return readings
		}
		after := rest[digits:]
		if isIdentifier(after) {
			readings = append(readings, cythonReading{scopes: clone(scopes), counter: number, name: after})
		}
		scope, next, ok := cutScope(after, number)
		if !ok {
			return readings
		}
		scopes = append(scopes, scope)
		rest = next
	}
	return readings
}

// cutScope cuts an identifier of length characters and the underscore after it.
func cutScope(s string, length int) (scope, rest string, ok bool) {
	end := 0
	for n := 0; n < length; n++ {
		if end >= len(s) {
			return "", "", false
		}
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	if end >= len(s)-1 || s[end] != '_' || !isIdentifier(s[:end]) {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// chooseReading picks the reading of one symbol; at least one scope, the
// module, is there in every real name.
func chooseReading(prefix, rest string, hints cythonHints) (cythonReading, bool) {
	readings := cythonReadings(rest)
	kept := readings[:0]
	for _, r := range readings {
		if len(r.scopes) > 0 {
			kept = append(kept, r)
		}
	}
	readings = kept
	if len(readings) == 0 {
		return cythonReading{}, false
	}
	if len(readings) == 1 {
		return readings[0], true
	}
	if r, ok := readingOfPair(prefix, readings, hints.pair); ok {
		return r, true
	}
	// A scope more is taken while it is known to be part of the module's name
	// or looks like a class; the last reading has the most scopes.
	best := readings[0]
	for _, r := range readings[1:] {
		last := r.scopes[len(r.scopes)-1]
		inModule := hints.module != "" && contains(r.scopes, hints.module) && !contains(best.scopes, hints.module)
		special := strings.HasPrefix(r.name, "__") && strings.HasSuffix(r.name, "__")
		if inModule || special || looksLikeClass(last) || r.counter != 0 || best.counter%2 != wrapperParity(prefix) {
			best = r
		}
	}
	return best, true
}

// wrapperParity is the parity of counters in a module without generators,
// which take a number of their own: bodies are even, wrappers odd.
func wrapperParity(prefix string) int {
	if prefix == cythonWrapper {
		return 1
	}
	return 0
}

// readingOfPair finds the reading that body and wrapper have in common.
func readingOfPair(prefix string, readings []cythonReading, pair string) (cythonReading, bool) {
	pairPrefix, step := cythonWrapper, 1
	if prefix == cythonWrapper {
		pairPrefix, step = cythonBody, -1
	}
	rest, ok := strings.CutPrefix(bareCythonSymbol(pair), pairPrefix)
	if !ok {
		return cythonReading{}, false
	}
	for _, other := range cythonReadings(rest) {
		for _, r := range readings {
			if r.counter+step == other.counter && r.name == other.name &&
				strings.Join(r.scopes, ".") == strings.Join(other.scopes, ".") {
				return r, true
			}
		}
	}
	return cythonReading{}, false
}

// bareCythonSymbol is a symbol without what specializations, compilers and the
// encoding of names add to it.
func bareCythonSymbol(symbol string) string {
	return dropFusePrefixes(dropPunycode(dropCloneSuffixes(symbol)))
}

func dropFusePrefixes(symbol string) string {
	for {
		rest, ok := strings.CutPrefix(symbol, "__pyx_fuse_")
		if !ok {
			return symbol
		}
		inner := strings.TrimLeft(rest, "0123456789_")
		// The digits are followed by a whole name again, whose leading
		// underscores were just trimmed.
		if !strings.HasPrefix(inner, "pyx_") || !strings.HasSuffix(rest[:len(rest)-len(inner)], "__") {
			return symbol
		}
		symbol = "__" + inner
	}
}

func looksLikeClass(scope string) bool {
	return scope[0] == '_' || (scope[0] >= 'A' && scope[0] <= 'Z')
}

func isIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func contains(list []string, item string) bool {
	for _, s := range list {
		if s == item {
			return true
		}
	}
	return false
}

func clone(list []string) []string { return append([]string(nil), list...) }
