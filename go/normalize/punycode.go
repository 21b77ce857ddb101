package normalize

import (
	"strings"
	"unicode/utf8"
)

// dropPunycode undoes Cython's form of names that are not ASCII: the whole
// symbol in punycode with `_` for its hyphen, and then its first "__pyx_"
// replaced by "__pyx_U".
func dropPunycode(symbol string) string {
	encoded, ok := strings.CutPrefix(symbol, "__pyx_U")
	if !ok {
		return symbol
	}
	cut := strings.LastIndexByte(encoded, '_')
	if cut < 0 || len(encoded) > maxPunycodeBytes {
		return symbol
	}
	decoded, ok := punycode("__pyx_"+encoded[:cut], encoded[cut+1:])
	if !ok {
		return symbol
	}
	return decoded
}

// maxPunycodeBytes bounds what is decoded: inserting takes quadratic time.
const maxPunycodeBytes = 1024

// punycode decodes RFC 3492 section 6.2, its parameters those of section 5.
func punycode(basic, extended string) (string, bool) {
	const base, tMin, tMax, initialBias, initialN = 36, 1, 26, 72, 128
	out := []rune(basic)
	n, at, bias := initialN, 0, initialBias
	for i := 0; i < len(extended); {
		old, weight := at, 1
		for k := base; ; k += base {
			if i == len(extended) {
				return "", false
			}
			digit := punycodeDigit(extended[i])
			i++
			if digit < 0 || at > (utf8.MaxRune*(maxPunycodeBytes+1)-at)/weight {
				return "", false
			}
			at += digit * weight
			threshold := min(max(k-bias, tMin), tMax)
			if digit < threshold {
				break
			}
			if weight > utf8.MaxRune*maxPunycodeBytes {
				return "", false
			}
			weight *= base - threshold
		}
		bias = punycodeBias(at-old, len(out)+1, old == 0)
		n += at / (len(out) + 1)
		at %= len(out) + 1
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		out = append(out, 0)
		copy(out[at+1:], out[at:])
		out[at] = rune(n)
		at++
	}
	return string(out), true
}

// punycodeBias is section 6.1.
func punycodeBias(delta, count int, first bool) int {
	const base, tMin, tMax, skew, damp = 36, 1, 26, 38, 700
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / count
	k := 0
	for ; delta > (base-tMin)*tMax/2; k += base {
		delta /= base - tMin
	}
	return k + (base-tMin+1)*delta/(delta+skew)
}

func punycodeDigit(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= '0' && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}
