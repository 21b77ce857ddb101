package ubsan

import "strings"

// Generic is the kind of a check that has no term of its own here.
const Generic = "undefined-behavior"

// kinds are the runtime's messages, by how they begin, with the term that it
// prints for them under report_error_type=1. Messages of some checks begin
// with a word of their own, see parts. (ubsan_checks.inc, ubsan_handlers.cpp;
// held against both runtimes' output by the tests.)
var kinds = []struct{ start, kind string }{
	{"signed integer overflow: ", "signed-integer-overflow"},
	{"unsigned integer overflow: ", "unsigned-integer-overflow"},
	{"negation of ", "signed-integer-overflow"},
	{"division by zero", "integer-divide-by-zero"},
	{"shift exponent ", "invalid-shift-exponent"},
	{"left shift of ", "invalid-shift-base"},
	{"index ", "out-of-bounds-index"},
	{"applying non-zero offset to non-null pointer ", "nullptr-after-nonzero-offset"},
	{"applying non-zero offset ", "nullptr-with-nonzero-offset"},
	{"applying zero offset to null pointer", "nullptr-with-offset"},
	{"addition of unsigned offset to ", "pointer-overflow"},
	{"subtraction of unsigned offset from ", "pointer-overflow"},
	{"pointer index expression with base ", "pointer-overflow"},
	{"execution reached an unreachable program point", "unreachable-call"},
	{"execution reached the end of a value-returning function", "missing-return"},
	{"variable length array bound evaluates to non-positive value ", "non-positive-vla-index"},
	{"null pointer passed as argument ", "invalid-null-argument"},
	{"null pointer returned from function declared to never return null", "invalid-null-return"},
	{"passing zero to ", "invalid-builtin-use"},
	{"assumption is violated during execution", "invalid-builtin-use"},
	{"invalid ObjC cast", "invalid-objc-cast"},
	{"call to function ", "function-type-mismatch"},
	{"control flow integrity check for type ", "cfi-bad-type"},
	{"check failed in ", "cfi-bad-type"},
}

// parts are messages whose telling words stand in the middle.
var parts = []struct{ part, kind string }{
	{" which does not point to an object of type ", "dynamic-type-mismatch"},
	{" with insufficient space for an object of type ", "insufficient-object-size"},
	{" null pointer of type ", "null-pointer-use"},
	{" misaligned address ", "misaligned-pointer-use"},
	{" is outside the range of representable values of type ", "float-cast-overflow"},
}

// Kind derives the check's term from its message.
func Kind(message string) string {
	for _, known := range kinds {
		if strings.HasPrefix(message, known.start) {
			return known.kind
		}
	}
	switch {
	case strings.HasPrefix(message, "division of "):
		return "signed-integer-overflow"
	case strings.HasPrefix(message, "assumption of ") && strings.Contains(message, " alignment "):
		return "alignment-assumption"
	case strings.HasPrefix(message, "load of value "):
		return loadKind(message)
	case strings.HasPrefix(message, "implicit conversion from type "):
		return conversionKind(message)
	}
	for _, known := range parts {
		if strings.Contains(message, known.part) {
			return known.kind
		}
	}
	return Generic
}

// loadKind tells a bool from an enumeration by the type that the message
// ends with: "…, which is not a valid value for type 'bool'".
func loadKind(message string) string {
	if strings.HasSuffix(message, "type 'bool'") || strings.HasSuffix(message, "type '_Bool'") ||
		strings.HasSuffix(message, "type 'BOOL'") {
		return "invalid-bool-load"
	}
	return "invalid-enum-load"
}

// conversionKind reads "implicit conversion from type 'int' of value -1
// (32-bit, signed) to type 'unsigned char' changed the value to 255 (8-bit,
// unsigned)", as ubsan_handlers.cpp decides it: an equal or greater width is a
// change of sign; a narrower one truncates, which is an unsigned truncation
// only between unsigned types.
func conversionKind(message string) string {
	from, to, ok := strings.Cut(message, ") to type ")
	if !ok {
		return Generic
	}
	fromBits, fromSigned, fromOK := width(from)
	toBits, toSigned, toOK := width(strings.TrimSuffix(to, ")"))
	switch {
	case !fromOK || !toOK:
		return Generic
	case toBits >= fromBits:
		return "implicit-integer-sign-change"
	case !fromSigned && !toSigned:
		return "implicit-unsigned-integer-truncation"
	}
	return "implicit-signed-integer-truncation"
}

// width reads "… (32-bit, signed" at the end of text.
func width(text string) (bits int, signed, ok bool) {
	open := strings.LastIndexByte(text, '(')
	if open < 0 {
		return 0, false, false
	}
	number, rest, found := strings.Cut(text[open+1:], "-bit")
	if !found || len(number) == 0 || len(number) > 4 {
		return 0, false, false
	}
	for _, digit := range []byte(number) {
		if digit < '0' || digit > '9' {
			return 0, false, false
		}
		bits = bits*10 + int(digit-'0')
	}
	return bits, strings.HasSuffix(rest, " signed"), true
}

// complete says that a message whose end may be missing has all that its kind
// was derived from.
func complete(message, kind string) bool {
	switch {
	case kind == Generic:
		return false
	case strings.HasPrefix(kind, "implicit-"):
		return strings.HasSuffix(message, ")")
	case kind == "invalid-bool-load" || kind == "invalid-enum-load":
		return strings.HasSuffix(message, "'") && strings.Count(message, "'") == 2
	case kind == "nullptr-with-nonzero-offset":
		return strings.HasSuffix(message, " to null pointer")
	}
	return true
}
