package compat

import (
	"bytes"
	"math"
	"strconv"
)

// sourceLines shows the source around a line. The file last shown is kept: the
// next address is likely to lie in it too.
type sourceLines struct {
	// count is how many lines are shown.
	count int

	path string
	text []byte
}

// appendTo shows count lines around line of the file; nothing where it cannot
// be read. Files are as the debug information names them, a stranger's word:
// only regular ones are opened, and no large ones.
func (s *sourceLines) appendTo(out []byte, path string, line int) []byte {
	if path == "" {
		return out
	}
	if path != s.path {
		text, err := readSmall(path, maxSourceBytes)
		if err != nil {
			text = nil
		}
		s.path, s.text = string(append([]byte(nil), path...)), text
	}
	first := max(1, line-s.count/2)
	last := first + s.count - 1
	rest := s.text
	for n := 1; n < first; n++ {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return out
		}
		rest = rest[end+1:]
	}
	// As wide as llvm has it, which is one less than needed for 10, 100, ...
	width := int(math.Ceil(math.Log10(float64(last))))
	for n := first; n <= last && len(rest) > 0; n++ {
		text, after, more := bytes.Cut(rest, []byte{'\n'})
		number := strconv.Itoa(n)
		for range width - len(number) {
			out = append(out, ' ')
		}
		out = append(out, number...)
		if n == line {
			out = append(out, " >: "...)
		} else {
			out = append(out, "  : "...)
		}
		out = append(append(out, bytes.TrimSuffix(text, []byte{'\r'})...), '\n')
		if !more {
			break
		}
		rest = after
	}
	return out
}
