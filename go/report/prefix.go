package report

import (
	"bytes"

	"github.com/ffikit/ffikit/go/report/stackline"
)

// cleanLine drops what terminals and log collectors put around a line: the
// line end's CR, what a progress bar wrote before, colours, timestamps, names
// of streams, processes and containers. source holds the prefixes that tell
// where the line came from, timestamps left out: lines of different sources
// never belong to one report. Both answers lie in text or in scratch.
func cleanLine(text []byte, scratch *[]byte) (clean, source []byte) {
	text = bytes.TrimRight(text, "\r")
	if at := bytes.LastIndexByte(text, '\r'); at >= 0 {
		text = text[at+1:]
	}
	if bytes.IndexByte(text, 0x1b) >= 0 {
		*scratch = dropEscapes((*scratch)[:0], text)
		text = *scratch
	}
	return cutPrefixes(text)
}

// dropEscapes copies text without its control sequences (ECMA-48: CSI … final
// byte, OSC … BEL or ST, or ESC and one byte).
func dropEscapes(into, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] != 0x1b {
			into = append(into, text[i])
			continue
		}
		if i++; i >= len(text) {
			break
		}
		switch text[i] {
		case '[':
			for i++; i < len(text) && text[i] >= 0x20 && text[i] <= 0x3f; i++ {
			}
		case ']':
			end := bytes.IndexAny(text[i:], "\a\x1b")
			if end < 0 {
				return into
			}
			if i += end; text[i] == 0x1b {
				i++
			}
		}
	}
	return into
}

// maxPrefixes bounds how many prefixes a line may have, one behind another.
const maxPrefixes = 6

func cutPrefixes(text []byte) (clean, source []byte) {
	for range maxPrefixes {
		if len(text) < 3 {
			break
		}
		if length := timestamp(text); length > 0 {
			text = text[length:]
			continue
		}
		length, names := collectorPrefix(text)
		if length == 0 {
			break
		}
		if names && source == nil {
			source = text[:length]
		}
		text = text[length:]
	}
	return text, source
}

// timestamp measures "2026-11-23T10:00:00.123Z ", with a space or in brackets
// as well, "10:00:00.123 ", and syslog's "Nov 23 10:00:00 host name[12]: ".
func timestamp(text []byte) int {
	c := text[0]
	if c != '[' && (c < '0' || c > '9') && (c < 'A' || c > 'S') {
		return 0
	}
	at := 0
	if c == '[' {
		at = 1
	}
	syslog := false
	if length := match(text[at:], "0000-00-00"); length > 0 {
		at += length
		if at >= len(text) || text[at] != 'T' && text[at] != ' ' {
			return 0
		}
		at++
	} else if length := match(text[at:], "aaa 00 "); length > 0 {
		at, syslog = at+length, true
	} else if length := match(text[at:], "0000/00/00 "); length > 0 {
		at += length
	}
	length := match(text[at:], "00:00:00")
	if length == 0 {
		return 0
	}
	at += length
	if at < len(text) && (text[at] == '.' || text[at] == ',') {
		for at++; at < len(text) && isDigit(text[at]); at++ {
		}
	}
	at += zone(text[at:])
	if c == '[' {
		if at >= len(text) || text[at] != ']' {
			return 0
		}
		at++
	}
	// A line that was empty may have lost the space behind its prefix.
	if at == len(text) {
		return at
	}
	if text[at] != ' ' && text[at] != '\t' {
		return 0
	}
	at++
	if syslog {
		at += syslogName(text[at:])
	}
	return at
}

func zone(text []byte) int {
	switch {
	case len(text) > 0 && text[0] == 'Z':
		return 1
	case match(text, "+00:00") > 0 || match(text, "-00:00") > 0:
		return 6
	case match(text, "+0000") > 0 || match(text, "-0000") > 0:
		return 5
	}
	return 0
}

// syslogName measures "host name[12]: ".
func syslogName(text []byte) int {
	end := bytes.Index(text, []byte(": "))
	if end < 0 || end > 256 || bytes.Count(text[:end], []byte(" ")) != 1 {
		return 0
	}
	return end + 2
}

// match compares text with a pattern in which 0 stands for a digit (or a
// space for its tens) and a for a letter; it answers the pattern's length or 0.
func match(text []byte, pattern string) int {
	if len(text) < len(pattern) {
		return 0
	}
	for i := range len(pattern) {
		c := text[i]
		switch pattern[i] {
		case '0':
			if !isDigit(c) && (c != ' ' || i == 0 || pattern[i-1] != ' ') {
				return 0
			}
		case 'a':
			if c|0x20 < 'a' || c|0x20 > 'z' {
				return 0
			}
		default:
			if c != pattern[i] {
				return 0
			}
		}
	}
	return len(pattern)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// collectorPrefix measures a prefix of a CI or a log collector; names says
// that it names a source.
func collectorPrefix(text []byte) (length int, names bool) {
	switch c := text[0]; {
	case c == '#':
		return hosted(text, "##[", "]"), false
	case c == ':':
		return hosted(text, "::", "::"), false
	case c == '[':
		return bracketed(text), true
	case c == 's':
		// The kubelet's container runtime interface: "stderr F line".
		for _, word := range []string{"stdout F ", "stderr F ", "stdout P ", "stderr P "} {
			if bytes.HasPrefix(text, []byte(word)) {
				return len(word), false
			}
		}
	case c == 'E':
		if bytes.HasPrefix(text, []byte("E   ")) { // pytest
			return 4, false
		}
	}
	if length := numbered(text); length > 0 {
		return length, true
	}
	return service(text), true
}

// hosted measures "##[error]" and "::error file=x::".
func hosted(text []byte, open, shut string) int {
	if !bytes.HasPrefix(text, []byte(open)) || len(text) == len(open) || text[len(open)]|0x20 < 'a' || text[len(open)]|0x20 > 'z' {
		return 0
	}
	end := bytes.Index(text[len(open):], []byte(shut))
	if end < 0 || end > 256 {
		return 0
	}
	return len(open) + end + len(shut)
}

// bracketed measures "[pid 12] ", "[pod/name/container] ", "[stderr] ".
func bracketed(text []byte) int {
	for i := 1; i < len(text) && i < 256; i++ {
		switch c := text[i]; {
		case c == ']':
			if i > 1 && i+1 < len(text) && text[i+1] == ' ' {
				return i + 2
			}
			if i > 1 && i+1 == len(text) {
				return i + 1
			}
			return 0
		case isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || bytes.IndexByte([]byte(" _-./:@"), c) >= 0:
		default:
			return 0
		}
	}
	return 0
}

// numbered measures ctest's "12: ".
func numbered(text []byte) int {
	i := 0
	for i < len(text) && i < 6 && isDigit(text[i]) {
		i++
	}
	if i == 0 || i >= len(text) || text[i] != ':' {
		return 0
	}
	if i+1 == len(text) {
		return i + 1
	}
	if text[i+1] != ' ' {
		return 0
	}
	return i + 2
}

// service measures docker compose's "web-1  | ".
func service(text []byte) int {
	i := 0
	for i < len(text) && i < 128 && (isDigit(text[i]) || text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z' ||
		text[i] == '_' || text[i] == '-' || text[i] == '.') {
		i++
	}
	if i == 0 {
		return 0
	}
	name := i
	for i < len(text) && text[i] == ' ' {
		i++
	}
	if i == name || i >= len(text) || text[i] != '|' {
		return 0
	}
	if i+1 == len(text) {
		return i + 1
	}
	if text[i+1] != ' ' {
		return 0
	}
	return i + 2
}

// marginOf answers what stands before the "==PID==" of a report's first line,
// or before the "FILE:LINE:COLUMN: runtime error": the prefix of a logger that
// is not known by name.
func marginOf(text []byte) []byte {
	if at := bytes.Index(text, []byte(": runtime error: ")); at >= 0 {
		if logger := bytes.LastIndex(text[:at], []byte(": ")); logger >= 0 {
			return text[:logger+2]
		}
		return nil
	}
	for at := 0; ; at += 2 {
		next := bytes.Index(text[at:], []byte("=="))
		if next < 0 || next+at > 256 {
			return nil
		}
		if at += next; at > 0 {
			if pid, _ := stackline.CutPID(text[at:]); pid != 0 {
				return text[:at]
			}
		} else if pid, _ := stackline.CutPID(text); pid != 0 {
			return nil
		}
	}
}

// marginLength measures the margin at the start of text, where numbers (of
// lines, times, processes) may differ; 0 if it is not there.
func marginLength(text, margin []byte) int {
	at := 0
	for i := 0; i < len(margin); {
		if at >= len(text) {
			return 0
		}
		if !isDigit(margin[i]) {
			if margin[i] != text[at] {
				return 0
			}
			i, at = i+1, at+1
			continue
		}
		if !isDigit(text[at]) {
			return 0
		}
		for ; i < len(margin) && isDigit(margin[i]); i++ {
		}
		for ; at < len(text) && isDigit(text[at]); at++ {
		}
	}
	return at
}
