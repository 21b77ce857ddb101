package stackline

import (
	"bytes"

	"github.com/ffikit/ffikit/go/model"
)

// Loose is a frame without a source place that stands anywhere in a line of
// any log.
type Loose struct {
	// Frame has a module and an address in it, and what else the line says.
	Frame model.Frame
	// Insert is where in the text words about the frame fit.
	Insert int
	// Return says that the address is a return address: the call lies before
	// it.
	Return bool
}

// Limits on what is looked for in one line.
const (
	maxLoose      = 16
	maxLooseBytes = 16 << 10
)

// Unplaced finds the frames in a line of which module and address are known,
// but no source place:
//
//	#1 0x55e0 in f (/usr/bin/app+0x1234) (BuildId: ab12)   sanitizers, LLVM
//	/usr/bin/app(+0x1234) [0x55e0], …(+0x1234)[0x55e0]     glibc's backtrace(3)
//	/usr/bin/app() [0x401234]                              the same, fixed program
//	/usr/bin/app[+0x1234]                                  others
//	/usr/bin/app+0x1234, (/usr/bin/app + 0x1234)           others
//	#00 pc 00001234  /system/lib/libc.so (BuildId: ab12)   Android
//
// A module is an absolute path, or one that begins with "./" or "../". Text
// without any is left fast.
func Unplaced(text []byte, strings *Strings, visit func(Loose)) {
	if !mayBeLoose(text) {
		return
	}
	text = bytes.TrimRight(text, "\r\n")
	if loose, ok := sanitizerFrame(text, strings); ok {
		if loose.Frame.Module != "" {
			visit(loose)
		}
		return
	}
	if loose, ok := androidFrame(text, strings); ok {
		visit(loose)
		return
	}
	for from, found := 0, 0; found < maxLoose; found++ {
		loose, end, ok := nextLoose(text, from, strings)
		if !ok {
			return
		}
		if loose.Frame.Module != "" {
			visit(loose)
		}
		from = end
	}
}

func mayBeLoose(text []byte) bool {
	if len(text) > maxLooseBytes || bytes.IndexByte(text, '/') < 0 {
		return false
	}
	return bytes.IndexByte(text, '+') >= 0 || bytes.Contains(text, fixedOpen) || bytes.Contains(text, []byte(" pc "))
}

// sanitizerFrame reads a stack line as the reports have it. One that has its
// place already is found, but has no module.
func sanitizerFrame(text []byte, strings *Strings) (Loose, bool) {
	mark, ok := Find(Line{Text: text})
	if !ok {
		return Loose{}, false
	}
	place, ok := cutModule(mark.rest)
	if !ok || !isModule(place.module) {
		return Loose{}, ok
	}
	if source := cutSource(cutIn(place.before), true); len(source.file) > 0 {
		return Loose{}, true
	}
	loose := Loose{Frame: mark.Frame(strings), Insert: len(text) - len(mark.rest) + len(place.before)}
	return loose, true
}

// androidFrame reads "#00 pc OFFSET  MODULE (FUNCTION+N) (BuildId: HEX)", as
// debuggerd writes it; the function need not be there.
func androidFrame(text []byte, strings *Strings) (Loose, bool) {
	at := bytes.Index(text, []byte(" pc "))
	if at < 0 {
		return Loose{}, false
	}
	offset, length := Hex(text[at+4:])
	rest := text[at+4+length:]
	path := bytes.TrimLeft(rest, " ")
	if length < 8 || len(path) == len(rest) || !isModule(path) {
		return Loose{}, false
	}
	module := path
	if end := bytes.Index(path, []byte(" (")); end >= 0 {
		module = path[:end]
	}
	loose := Loose{Insert: len(text) - len(path) + len(module)}
	loose.Frame = model.Frame{Module: strings.String(module), VirtAddr: model.VirtAddr(offset), BuildID: buildIDIn(path[len(module):], strings)}
	return loose, true
}

// buildIDIn reads the "(BuildId: HEX)" that text holds, if it does.
func buildIDIn(text []byte, strings *Strings) string {
	at := bytes.Index(text, buildIDOpen)
	if at < 0 {
		return ""
	}
	id, _, closed := bytes.Cut(text[at+len(buildIDOpen):], []byte(")"))
	if !closed || len(id)%2 != 0 || !isHex(id) {
		return ""
	}
	return strings.String(bytes.ToLower(id))
}

// nextLoose finds the next form of a module with an offset from from on; end is
// where to look for the one after it. A place that only looks like one has no
// module.
func nextLoose(text []byte, from int, strings *Strings) (loose Loose, end int, ok bool) {
	at, fixed := nextOffset(text, from)
	if at < 0 {
		return Loose{}, 0, false
	}
	if fixed {
		return fixedFrame(text, at, from, strings)
	}
	number := at + 1
	offset, length := Hex(text[number+countSpaces(text[number:]):])
	number += countSpaces(text[number:])
	end = number + length
	if length == 0 {
		return Loose{}, number + 2, true
	}
	before := bytes.TrimRight(text[from:at], " ")
	spaced := len(before) < at-from
	module, returns := []byte(nil), false
	switch last := len(before) - 1; {
	case last >= 0 && (before[last] == '(' || before[last] == '[') && !spaced:
		// MODULE(+0x1234), MODULE[+0x1234]
		if end >= len(text) || text[end] != shutting(before[last]) {
			return Loose{}, end, true
		}
		end++
		module, returns = lastWord(before[:last]), true
		if address := bytes.TrimPrefix(text[end:], []byte(" ")); bytes.HasPrefix(address, []byte("[0x")) {
			if shut := bytes.IndexByte(text[end:], ']'); shut > 0 {
				end += shut + 1 // the address in the process
			}
		}
	default:
		module = lastWord(before)
		inside := len(module) < len(before) && before[len(before)-len(module)-1] == '('
		if spaced && !inside {
			module = nil
		}
		if inside && end < len(text) && text[end] == ')' {
			end++
		}
	}
	if !isModule(module) {
		return Loose{}, end, true
	}
	loose = Loose{Insert: end, Return: returns}
	loose.Frame = model.Frame{Module: strings.String(module), VirtAddr: model.VirtAddr(offset)}
	if rest := text[end:]; bytes.HasPrefix(rest, []byte(" (BuildId: ")) {
		loose.Frame.BuildID = buildIDIn(rest, strings)
	}
	return loose, end, true
}

// nextOffset finds the next "+0x", "+ 0x", "() [0x" or "()[0x".
func nextOffset(text []byte, from int) (at int, fixed bool) {
	end := len(text)
	for at := from; at < end; {
		open := bytes.Index(text[at:end], fixedOpen)
		if open < 0 {
			break
		}
		open += at
		if rest := text[open+len(fixedOpen):]; bytes.HasPrefix(rest, []byte(" [0x")) || bytes.HasPrefix(rest, []byte("[0x")) {
			end, fixed = open, true
			break
		}
		at = open + len(fixedOpen)
	}
	for at := from; at < end; at++ {
		plus := bytes.IndexByte(text[at:end], '+')
		if plus < 0 {
			break
		}
		at += plus
		if rest := text[at+1:]; bytes.HasPrefix(rest, []byte("0x")) || bytes.HasPrefix(rest, []byte(" 0x")) {
			return at, false
		}
	}
	if fixed {
		return end, true
	}
	return -1, false
}

var fixedOpen = []byte("()")

// fixedFrame reads "MODULE() [0xADDRESS]": glibc knows no offset where the
// program lies at the addresses that its file says.
func fixedFrame(text []byte, at, from int, strings *Strings) (Loose, int, bool) {
	number := at + bytes.IndexByte(text[at:], '[') + 1
	address, length := Hex(text[number:])
	end := number + length
	if length == 0 || end >= len(text) || text[end] != ']' {
		return Loose{}, number + 2, true
	}
	module := lastWord(text[from:at])
	if !isModule(module) {
		return Loose{}, end, true
	}
	frame := model.Frame{Module: strings.String(module), VirtAddr: model.VirtAddr(address), AbsAddr: model.AbsAddr(address)}
	return Loose{Frame: frame, Insert: end + 1, Return: true}, end + 1, true
}

func countSpaces(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " ")) }

func shutting(open byte) byte {
	if open == '(' {
		return ')'
	}
	return ']'
}

// lastWord is what a module's path may be at the end of text: its last word,
// or, where the text begins with a path, all of it, since that may hold spaces.
func lastWord(text []byte) []byte {
	if line := bytes.TrimLeft(text, " \t"); isModule(line) && bytes.IndexAny(line, "()[]<>\"'`,;=") < 0 {
		return line
	}
	return text[bytes.LastIndexAny(text, " \t()[]<>\"'`,;=|")+1:]
}

func isModule(path []byte) bool {
	return len(path) > 1 && path[0] == '/' || bytes.HasPrefix(path, []byte("./")) || bytes.HasPrefix(path, []byte("../"))
}
