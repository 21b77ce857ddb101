// Package stackline reads what the reports of all sanitizers have in common:
// the stack lines "#0 0x… in function file:line:column", the mark of a
// process "==PID==", and the bounds that a report must keep to.
//
// Lines enter, cleaned of colours, line ends and a log's prefixes; frames and
// stacks of package model leave. A line that is no stack line is refused, and
// what a line does not say stays empty. The formats were read from the
// runtimes of clang 19 and gcc 12 (their default stack_trace_format).
package stackline

import (
	"bytes"
)

// Line is one line of a log. Text is valid only during the call that it is
// handed to.
type Line struct {
	Text []byte
	// OffsetBytes is where the line starts in the log.
	OffsetBytes int64
	// Cut says that the line was longer than the reader's limit and Text is
	// its beginning; Unterminated that the log ends within or right after it,
	// without a line end: its last word may be half a word.
	Cut          bool
	Unterminated bool
}

// Whole says that all of the line is there.
func (l Line) Whole() bool { return !l.Cut && !l.Unterminated }

// Blank says that the line is empty but for white space, and no more of it is
// to come.
func (l Line) Blank() bool { return l.Whole() && len(bytes.TrimSpace(l.Text)) == 0 }

// CutPID splits a leading "==PID==" off. pid is 0 where there is none.
func CutPID(text []byte) (pid int, rest []byte) {
	trimmed := bytes.TrimLeft(text, " ")
	if !bytes.HasPrefix(trimmed, []byte("==")) {
		return 0, text
	}
	digits := 2
	for digits < len(trimmed) && digits < 12 && isDigit(trimmed[digits]) {
		pid = pid*10 + int(trimmed[digits]-'0')
		digits++
	}
	if digits == 2 || !bytes.HasPrefix(trimmed[digits:], []byte("==")) {
		return 0, text
	}
	return pid, bytes.TrimLeft(trimmed[digits+2:], " ")
}

// LastPID finds the last "==PID==" before the byte at end, which is where a
// header that stands behind foreign text begins. ok is false if there is none
// right before it.
func LastPID(text []byte, end int) (start, pid int, ok bool) {
	at := end
	for at > 0 && text[at-1] == ' ' {
		at--
	}
	if at < 5 || text[at-1] != '=' || text[at-2] != '=' {
		return 0, 0, false
	}
	digits := at - 2
	for digits > 0 && at-digits < 12 && isDigit(text[digits-1]) {
		digits--
	}
	if digits == at-2 || digits < 2 || text[digits-1] != '=' || text[digits-2] != '=' {
		return 0, 0, false
	}
	for _, digit := range text[digits : at-2] {
		pid = pid*10 + int(digit-'0')
	}
	return digits - 2, pid, true
}

// Hex reads the hexadecimal number that text begins with, 0x prefix optional,
// and returns how many bytes it took; 0 if there is none or it is too large.
func Hex(text []byte) (value uint64, length int) {
	if bytes.HasPrefix(text, []byte("0x")) {
		length = 2
	}
	digits := 0
	for length < len(text) {
		nibble, ok := hexDigit(text[length])
		if !ok {
			break
		}
		if digits++; digits > 16 {
			return 0, 0
		}
		value = value<<4 | uint64(nibble)
		length++
	}
	if digits == 0 {
		return 0, 0
	}
	return value, length
}

// Decimal reads the decimal number that text begins with; length is 0 if
// there is none or it is too large.
func Decimal(text []byte) (value uint64, length int) {
	for length < len(text) && isDigit(text[length]) {
		if value > (1<<63)/10 {
			return 0, 0
		}
		value = value*10 + uint64(text[length]-'0')
		length++
	}
	return value, length
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
