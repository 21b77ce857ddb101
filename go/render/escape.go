package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes one line that may be printed anywhere of strangers' text: at
// most 4,096 characters of it, and nothing in it that a terminal obeys.
func Printable(s string) string { return printable(s, 0) }

// printable makes one line of text of whatever the evidence holds: control
// and format characters (ESC, NUL, newlines, bidi overrides, zero-width
// joiners) are written as \x1b, \n, \u202e; invalid UTF-8 becomes U+FFFD.
// At most maxRunes characters are looked at; 0 means maxPrintableRunes.
func printable(s string, maxRunes int) string {
	if maxRunes <= 0 {
		maxRunes = maxPrintableRunes
	}
	plain := len(s) <= maxRunes
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= 0x20 && s[i] < 0x7f
	}
	if plain {
		return s
	}
	var out strings.Builder
	n := 0
	for _, r := range s {
		if n == maxRunes {
			out.WriteRune('…')
			break
		}
		n++
		if r == ' ' || unicode.IsPrint(r) {
			out.WriteRune(r) // RuneError, for invalid bytes, is printable
			continue
		}
		out.WriteString(escaped(r))
	}
	return out.String()
}

// maxPrintableRunes bounds any single text of the evidence.
const maxPrintableRunes = 4096

func escaped(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// runes is the width of printable text, a column a character.
func runes(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, width int) string {
	if n := width - runes(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// shortenFunction fits a readable function name into width columns: the path
// of a trait goes first, then generic arguments, then parameters, then the
// middle.
func shortenFunction(name string, width int) string {
	if runes(name) <= width {
		return name
	}
	name = dropTraitPath(name)
	if runes(name) <= width {
		return name
	}
	name = elide(name, '<', '>', isGenericStart)
	if runes(name) <= width {
		return name
	}
	name = elide(name, '(', ')', func(s string, i int) bool { return i > 0 && s[i-1] != '.' })
	return shortenMiddle(name, width)
}

// dropTraitPath makes `<T as Drop>::drop` of `<T as core::ops::drop::Drop>::drop`.
func dropTraitPath(name string) string {
	head, trait, ok := strings.Cut(name, " as ")
	if !ok || !strings.HasPrefix(name, "<") {
		return name
	}
	end := strings.IndexAny(trait, "<>")
	if end < 0 {
		return name
	}
	if colons := strings.LastIndex(trait[:end], "::"); colons >= 0 {
		trait = trait[colons+2:]
	}
	return head + " as " + trait
}

// isGenericStart: the bracket at s[i] opens arguments, not a qualified path
// (`<T as Trait>::f`) nor an operator's name.
func isGenericStart(s string, i int) bool {
	return i > 0 && (!strings.ContainsRune("<( ,&*", rune(s[i-1])) || strings.HasSuffix(s[:i], "operator<< "))
}

// elide replaces what stands in brackets that start accepts by `…`, outermost
// first. Unbalanced names stay as they are.
func elide(s string, open, shut byte, start func(string, int) bool) string {
	var out strings.Builder
	depth, skip := 0, -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		plain := isOperatorSign(s, i)
		switch {
		case c == open && !plain:
			depth++
			if skip < 0 && start(s, i) {
				skip = depth
				out.WriteByte(open)
				out.WriteString("…")
			}
		case c == shut && !plain:
			if depth == skip {
				skip = -1
			}
			depth--
			if depth < 0 {
				return s
			}
		}
		if skip < 0 {
			out.WriteByte(c)
		}
	}
	if depth != 0 {
		return s
	}
	return out.String()
}

// isOperatorSign: the character at s[i] is part of an operator's name or of
// `->`, and opens or closes nothing.
func isOperatorSign(s string, i int) bool {
	before := s[:i]
	for _, name := range []string{"-", "operator", "operator<", "operator>", "operator-", "operator("} {
		if strings.HasSuffix(before, name) {
			return true
		}
	}
	return false
}

// shortenMiddle keeps both ends of s, the end a little longer: it tells more.
func shortenMiddle(s string, width int) string {
	all := []rune(s)
	if len(all) <= width {
		return s
	}
	if width < 3 {
		return string(all[:max(width, 0)])
	}
	head := (width - 1) * 2 / 5
	tail := width - 1 - head
	return string(all[:head]) + "…" + string(all[len(all)-tail:])
}

// shortenPlace fits file:line:column into width columns by leaving out
// leading folders.
func shortenPlace(place string, width int) string {
	if runes(place) <= width {
		return place
	}
	rest := place
	for {
		_, after, ok := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if !ok {
			return shortenMiddle(place, width)
		}
		rest = after
		if runes(rest)+2 <= width {
			return "…/" + rest
		}
	}
}
