package stackline

import "bytes"

type sourcePlace struct {
	function     []byte
	file         []byte
	line, column int
}

// cutSource splits "FUNCTION FILE:LINE:COLUMN". Both may hold spaces,
// parentheses and colons, so where one ends is found by what can begin a
// path; see splitFunction. If the line is not whole, its last word or number
// may be cut, and is dropped.
func cutSource(text []byte, whole bool) sourcePlace {
	text = bytes.TrimRight(text, " ")
	path, numbers, count := cutNumbers(text)
	if !whole {
		switch count {
		case 0:
			return sourcePlace{}
		case 1:
			numbers, count = [2]int{}, 0
		default:
			numbers[1] = 0
		}
		text = path
	}
	split := splitFunction(path, count > 0)
	if split < 0 {
		// No place is named. What looks like a number belongs to the name
		// ("{lambda#1}:2" does not occur, "a::b:3" does not either).
		return sourcePlace{function: text}
	}
	place := sourcePlace{function: path[:split], file: path[split+1:], line: numbers[0], column: numbers[1]}
	if bytes.Equal(place.file, []byte("??")) {
		place.file, place.line, place.column = nil, 0, 0
	}
	return place
}

// Source splits "FILE:LINE:COLUMN", as it stands in the headers of
// UndefinedBehaviorSanitizer. count is how many numbers there were.
func Source(text []byte) (file []byte, line, column, count int) {
	path, numbers, count := cutNumbers(text)
	return path, numbers[0], numbers[1], count
}

// cutNumbers reads ":LINE" or ":LINE:COLUMN" off the end.
func cutNumbers(text []byte) (path []byte, numbers [2]int, count int) {
	path = text
	for count < 2 {
		colon := bytes.LastIndexByte(path, ':')
		if colon <= 0 || len(path)-colon > 11 {
			break
		}
		number, length := Decimal(path[colon+1:])
		unknown := bytes.Equal(path[colon+1:], []byte("?"))
		if !unknown && (length == 0 || colon+1+length != len(path) || number > 1<<31-1) {
			break
		}
		numbers[1] = numbers[0]
		numbers[0] = int(number)
		path = path[:colon]
		count++
	}
	return path, numbers, count
}

// splitFunction finds the space between function and file, or -1. In order of
// trust: a space before an absolute path (of Linux or of Windows) outside of
// all brackets; the first space, if the function is a plain identifier; the
// last space outside of brackets. numbered says that a line number followed,
// without which only an absolute path or
// the suffix of a source file is believed.
func splitFunction(text []byte, numbered bool) int {
	spaces, closed := outerSpaces(text)
	for _, at := range spaces {
		if isAbsolute(text[at+1:]) {
			return at
		}
	}
	if at := bytes.Index(text, []byte(" /")); at >= 0 && !closed {
		return at // brackets that never close
	}
	if len(spaces) == 0 || !numbered && !isSourceName(text[spaces[len(spaces)-1]+1:]) {
		return -1
	}
	if first := spaces[0]; isPlain(text[:first]) && bytes.IndexAny(text[first:], "(<") < 0 {
		return first
	}
	return spaces[len(spaces)-1]
}

// isSourceName knows a file by its suffix, as the runtimes print it where an
// object has symbols but no lines.
func isSourceName(name []byte) bool {
	dot := bytes.LastIndexByte(name, '.')
	if dot <= 0 {
		return false
	}
	switch string(name[dot+1:]) {
	case "c", "C", "cc", "cpp", "cxx", "c++", "h", "hpp", "m", "mm", "s", "S", "asm", "o", "go", "rs", "pyx", "d", "f90":
		return true
	}
	return false
}

// isPlain says that a function's name needs no demangling rules: letters,
// digits and the punctuation that C, Go and assemblers put into names.
func isPlain(name []byte) bool {
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= 0x80, isDigit(c):
		case bytes.IndexByte([]byte("_.$@:~/*()[]-"), c) >= 0:
		default:
			return false
		}
	}
	return len(name) > 0
}

func isAbsolute(path []byte) bool {
	if len(path) > 0 && path[0] == '/' {
		return true
	}
	return len(path) > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') &&
		(path[0]|0x20 >= 'a' && path[0]|0x20 <= 'z')
}

// outerSpaces lists the spaces that stand outside of all brackets. "->" and
// the name of a C++ operator close nothing. closed says that all brackets
// were closed.
func outerSpaces(text []byte) (spaces []int, closed bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[', '{', '<':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '>':
			if i > 0 && text[i-1] != '-' && text[i-1] != '=' {
				depth = max(depth-1, 0)
			}
		case ' ':
			if depth == 0 {
				spaces = append(spaces, i)
			}
		case 'o':
			if skip := operatorName(text[i:]); skip > 0 && (i == 0 || !isWord(text[i-1])) {
				i += skip - 1
			}
		}
		if len(spaces) == maxSpaces {
			break
		}
	}
	return spaces, depth == 0
}

// maxSpaces bounds how many places a name is tried to be split at.
const maxSpaces = 4096

func isWord(c byte) bool { return isDigit(c) || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// operatorName is the length of "operator<<" and its like at the start of
// text, with the space in "operator new[]" kept inside; 0 if there is none.
func operatorName(text []byte) int {
	rest, ok := bytes.CutPrefix(text, []byte("operator"))
	if !ok {
		return 0
	}
	for _, word := range []string{"()", "[]", "<=>", "<<=", ">>=", "<<", ">>", "->*", "->", "<=", ">=", "<", ">",
		" new[]", " delete[]", " new", " delete", "\"\" "} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return len("operator") + len(word)
		}
	}
	return 0
}
