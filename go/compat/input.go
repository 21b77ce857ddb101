package compat

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// input reads lines as C's fgets does with a buffer of a fixed size: a longer
// line comes in pieces, so that no line is unbounded.
type input struct {
	from io.Reader
	// ready tells whether a read would return at once.
	ready func(bulk bool) bool
	// longest is the length of a piece, line feed included.
	longest    int
	buffer     []byte
	start, end int
	bulk, eof  bool
}

func newInput(from io.Reader, longest int) *input {
	in := &input{from: from, longest: longest, buffer: make([]byte, inputBytes), ready: func(bool) bool { return false }}
	if file, ok := from.(*os.File); ok {
		in.ready = readiness(file)
	}
	return in
}

// line returns the next line that is there in full, without its line feed; at
// the end of input also what is left. The bytes are good until fill.
func (in *input) line() ([]byte, bool) {
	there := in.buffer[in.start:in.end]
	if len(there) > in.longest {
		there = there[:in.longest]
	}
	if at := bytes.IndexByte(there, '\n'); at >= 0 {
		in.start += at + 1
		return there[:at], true
	}
	if len(there) == in.longest || in.eof && len(there) > 0 {
		in.start += len(there)
		return there, true
	}
	return nil, false
}

// fill reads once; it blocks until there is something.
func (in *input) fill() error {
	copy(in.buffer, in.buffer[in.start:in.end])
	in.start, in.end = 0, in.end-in.start
	for range 100 {
		n, err := in.from.Read(in.buffer[in.end:])
		in.end += n
		// Who sends this much at once is not waiting for an answer to each line.
		in.bulk = n >= inputBytes/2
		if errors.Is(err, io.EOF) {
			in.eof = true
			return nil
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
