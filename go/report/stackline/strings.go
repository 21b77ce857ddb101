package stackline

import "strings"

// textLimitBytes bounds the text that one report may keep. A real report has
// some tens of KiB.
const textLimitBytes = 2 << 20

// Strings makes the strings of one report: valid UTF-8, each stored once, all
// of them together bounded. The zero value is ready.
type Strings struct {
	known     map[string]string
	usedBytes int
	full      bool
}

// String copies text. Invalid UTF-8 becomes U+FFFD. Once the report's text
// limit is reached the answer is empty and Full is true.
func (s *Strings) String(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if known, ok := s.known[string(text)]; ok {
		return known
	}
	if s.usedBytes+len(text) > textLimitBytes {
		s.full = true
		return ""
	}
	if s.known == nil {
		s.known = map[string]string{}
	}
	raw := string(text)
	valid := strings.ToValidUTF8(raw, "\uFFFD")
	s.known[raw] = valid
	s.usedBytes += len(text)
	return valid
}

// Full says that text was dropped.
func (s *Strings) Full() bool { return s.full }
