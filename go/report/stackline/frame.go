package stackline

import (
	"bytes"

	"github.com/ffikit/ffikit/go/model"
)

// Mark is a stack line that was found but not yet read to its end.
type Mark struct {
	// Index is the number after '#', AbsAddr the address after it.
	Index   int
	AbsAddr uint64
	rest    []byte // after the address
	whole   bool
}

// Find looks for a stack line: "    #0 0x7f12 …", behind any foreign text or,
// where a log lost its indentation, at the start of the line.
func Find(line Line) (Mark, bool) {
	text := line.Text
	for from := 0; from < len(text); {
		hash := bytes.IndexByte(text[from:], '#')
		if hash < 0 {
			return Mark{}, false
		}
		hash += from
		if hash == 0 || bytes.HasSuffix(text[:hash], []byte("   ")) || len(bytes.TrimSpace(text[:hash])) == 0 {
			if mark, ok := markAt(text[hash+1:]); ok {
				mark.whole = line.Whole()
				// An address that nothing follows may have lost digits.
				return mark, mark.whole || len(mark.rest) > 0
			}
		}
		from = hash + 1
	}
	return Mark{}, false
}

// Broken says that the line is a stack line whose number or address cannot be
// read: it is too large, or no number.
func Broken(line Line) bool {
	text, ok := bytes.CutPrefix(bytes.TrimLeft(line.Text, " \t"), []byte("#"))
	if !ok || !line.Whole() {
		return false
	}
	digits := 0
	for digits < len(text) && (isDigit(text[digits]) || digits == 0 && text[0] == '-') {
		digits++
	}
	if digits == 0 || !bytes.HasPrefix(text[digits:], []byte(" 0x")) {
		return false
	}
	_, readable := markAt(text)
	return !readable
}

func markAt(text []byte) (Mark, bool) {
	index, length := Decimal(text)
	if length == 0 || length > 6 || !bytes.HasPrefix(text[length:], []byte(" 0x")) {
		return Mark{}, false
	}
	text = text[length+1:]
	address, length := Hex(text)
	if length == 0 || length < len(text) && text[length] != ' ' {
		return Mark{}, false
	}
	return Mark{Index: int(index), AbsAddr: address, rest: text[length:]}, true
}

// Module answers only the module and the offset of the line, which tell two
// processes apart. ok is false if the line names none.
func (m Mark) Module() (module []byte, offset uint64, ok bool) {
	place, found := cutModule(m.rest)
	if !found || len(place.module) == 0 {
		return nil, 0, false
	}
	return place.module, place.offset, true
}

// Frame reads the line. What it does not say stays empty; of a line that the
// log's end cut, only what cannot be half a word is taken.
func (m Mark) Frame(strings *Strings) model.Frame {
	frame := model.Frame{AbsAddr: model.AbsAddr(m.AbsAddr)}
	rest := bytes.TrimRight(m.rest, " ")
	if place, ok := cutModule(rest); ok {
		frame.Module = strings.String(place.module)
		frame.BuildID = strings.String(bytes.ToLower(place.buildID))
		frame.VirtAddr = model.VirtAddr(place.offset)
		frame.Function = strings.String(functionName(place.before))
		return frame
	}
	source := cutSource(cutIn(rest), m.whole)
	frame.Function = strings.String(functionName(source.function))
	frame.File = strings.String(source.file)
	frame.Line, frame.Column = source.line, source.column
	return frame
}

// cutIn drops the "in" between address and function.
func cutIn(text []byte) []byte {
	text = bytes.TrimLeft(text, " ")
	if bytes.Equal(text, []byte("in")) {
		return nil
	}
	return bytes.TrimLeft(bytes.TrimPrefix(text, []byte("in ")), " ")
}

// functionName drops what the runtimes print for "unknown".
func functionName(text []byte) []byte {
	text = bytes.TrimSpace(cutIn(text))
	switch string(text) {
	case "??", "<null>", "<unknown>", "(<unknown module>)":
		return nil
	}
	return text
}

type modulePlace struct {
	before  []byte // all that stands before the module
	module  []byte // empty: the runtime knew no module
	offset  uint64
	buildID []byte
}

var (
	buildIDOpen   = []byte("(BuildId: ")
	unknownModule = []byte("(<unknown module>)")
	offsetOpen    = []byte("+0x")
)

// cutModule reads "(MODULE+0xOFFSET)" and "(BuildId: HEX)" off the end of a
// stack line. A module's path may hold spaces and parentheses.
func cutModule(text []byte) (modulePlace, bool) {
	var place modulePlace
	text = bytes.TrimRight(text, " ")
	if bytes.HasSuffix(text, unknownModule) {
		place.before = text[:len(text)-len(unknownModule)]
		return place, true
	}
	if open := lastIndex(text, buildIDOpen); open > 0 {
		id := text[open+len(buildIDOpen):]
		end := bytes.IndexByte(id, ')')
		// A build ID that the log's end cut is dropped, its module is not.
		if end == len(id)-1 && end%2 == 0 && isHex(id[:end]) {
			place.buildID = id[:end]
		}
		if end < 0 || end == len(id)-1 {
			text = bytes.TrimRight(text[:open], " ")
		}
	}
	if !bytes.HasSuffix(text, []byte(")")) {
		return place, false
	}
	body := text[:len(text)-1]
	plus := lastIndex(body, offsetOpen)
	if plus < 0 {
		return place, false
	}
	offset, length := Hex(body[plus+1:])
	if length == 0 || plus+1+length != len(body) {
		return place, false
	}
	open := openingParenthesis(body[:plus])
	if open < 0 {
		return place, false
	}
	place.before, place.offset = text[:open], offset
	place.module = cutArchitecture(body[open+1 : plus])
	return place, true
}

// lastIndex is bytes.LastIndex for words near the end of a line, which it
// finds without hashing the line.
func lastIndex(text, word []byte) int {
	for end := len(text); ; {
		at := bytes.LastIndexByte(text[:end], word[0])
		if at < 0 || bytes.HasPrefix(text[at:], word) {
			return at
		}
		end = at
	}
}

func isHex(text []byte) bool {
	for _, c := range text {
		if _, ok := hexDigit(c); !ok {
			return false
		}
	}
	return len(text) > 0
}

// openingParenthesis finds where the module begins that body ends with: the
// parenthesis that matches the one after it, behind a space. Where the path's
// own parentheses do not match, the first that can begin an absolute path.
func openingParenthesis(body []byte) int {
	depth := 1
	for i := len(body) - 1; i >= 0; i-- {
		switch body[i] {
		case ')':
			depth++
		case '(':
			depth--
		}
		if depth == 0 {
			if i == 0 || body[i-1] == ' ' {
				return i
			}
			break
		}
	}
	if open := bytes.Index(body, []byte(" (/")); open >= 0 {
		return open + 1
	}
	if open := bytes.LastIndex(body, []byte(" (")); open >= 0 {
		return open + 1
	}
	return -1
}

// cutArchitecture drops the ":arm64" that Darwin's runtime puts behind a
// module.
func cutArchitecture(module []byte) []byte {
	colon := bytes.LastIndexByte(module, ':')
	if colon < 0 {
		return module
	}
	switch string(module[colon+1:]) {
	case "x86_64", "x86_64h", "i386", "arm64", "arm64e", "armv7", "armv7s", "armv7k":
		return module[:colon]
	}
	return module
}

// Place reads a place without a source line, as the headers of
// UndefinedBehaviorSanitizer may have it: "(MODULE+0xOFFSET) (BuildId: HEX)",
// "MODULE+0xOFFSET" or a bare address "0x7f12…".
func Place(text []byte, strings *Strings) (model.Frame, bool) {
	text = bytes.TrimSpace(text)
	if address, length := Hex(text); length == len(text) && bytes.HasPrefix(text, []byte("0x")) {
		return model.Frame{AbsAddr: model.AbsAddr(address)}, length > 0
	}
	if lastIndex(text, offsetOpen) < 0 {
		return model.Frame{}, false
	}
	if bytes.IndexByte(text, '(') < 0 {
		text = append(append([]byte{'('}, text...), ')')
	}
	place, ok := cutModule(text)
	if !ok || len(place.module) == 0 {
		return model.Frame{}, false
	}
	return model.Frame{
		Module:   strings.String(place.module),
		BuildID:  strings.String(bytes.ToLower(place.buildID)),
		VirtAddr: model.VirtAddr(place.offset),
	}, true
}
