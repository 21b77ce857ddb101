package normalize

import (
	"slices"
	"strings"
)

// Misread tells whether the demangling library would give a wrong name for this
// one. In an unresolved name whose scope has template arguments (sr5is_okIT_EE5value
// is "is_ok<T>::value") it counts the scope's name among what later parts of the
// mangled name refer to by number, which the ABI does not: each such reference
// then means its neighbour. A mangled name is better than a wrong one, so such
// names, and a few that only look like them, are left as they are.
func Misread(name string) bool {
	if strings.HasPrefix(name, "_R") || !strings.Contains(name, "sr") {
		return false
	}
	last := lastReference(name)
	for i := 0; i < last; {
		digits, length := leadingNumber(name[i:last])
		switch {
		case digits > 0 && startsIdentifier(name[:i], name[i+digits]):
			i += digits + length
		case digits > 0:
			i += digits
		case strings.HasPrefix(name[i:last], "sr") && hasTemplateScope(name[i+2:last]):
			return true
		default:
			i++
		}
	}
	return false
}

// startsIdentifier tells by what stands around a number whether it is the length
// of the identifier behind it, and nothing else: S1_, T0_, A10_, Dv4_, fp0_,
// UlvE0_, Li5E. What may be either is taken for a number.
func startsIdentifier(before string, after byte) bool {
	if before == "" {
		return false
	}
	last := before[len(before)-1]
	if last == 'S' || last == 'T' || last == 'A' {
		return false
	}
	switch after {
	case '_':
		return last != 'E' && !slices.ContainsFunc([]string{"Dv", "DF", "fp", "Ut"}, func(s string) bool { return strings.HasSuffix(before, s) })
	case 'E':
		before = strings.TrimSuffix(before, "n")
		return last != 'E' && (len(before) < 2 || before[len(before)-2] != 'L')
	}
	return true
}

// lastReference is where the last reference by number (S_, S2_, SA_) starts, 0
// where there is none.
func lastReference(name string) int {
	for end := len(name) - 1; end > 0; end-- {
		if name[end] != '_' {
			continue
		}
		start := end - 1
		for start > 0 && (isDigits(name[start:start+1]) || name[start] >= 'A' && name[start] <= 'Z' && name[start] != 'S') {
			start--
		}
		if name[start] == 'S' {
			return start
		}
	}
	return 0
}

// hasTemplateScope tells whether what follows an "sr" is a scope with template
// arguments.
func hasTemplateScope(text string) bool {
	if rest, ok := strings.CutPrefix(text, "N"); ok {
		return strings.Contains(rest, "I") // a type of any form comes first
	}
	for {
		digits, length := leadingNumber(text)
		if digits == 0 || length >= len(text)-digits {
			return false
		}
		text = text[digits+length:]
		if text[0] == 'I' {
			return true
		}
	}
}

// leadingNumber reads decimal digits; what is more than any name is long is
// maxNameBytes.
func leadingNumber(text string) (digits, number int) {
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		number = min(10*number+int(text[digits]-'0'), maxNameBytes)
		digits++
	}
	return digits, number
}
