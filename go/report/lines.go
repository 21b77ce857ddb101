package report

import (
	"bytes"
	"errors"
	"io"

	"github.com/ffikit/ffikit/go/report/stackline"
)

const (
	// maxLineBytes is where a line is cut. Reports have lines of some KiB at
	// most: demangled names.
	maxLineBytes = 64 << 10
	// chunkBytes is how much is read at once.
	chunkBytes = 256 << 10
	// maxEmptyReads is how often a reader may answer nothing at all.
	maxEmptyReads = 100
)

// lineReader cuts a stream into lines, in memory that does not depend on the
// stream.
type lineReader struct {
	reader io.Reader
	buffer []byte
	start  int // of what is not handed out yet
	end    int
	offset int64 // of buffer[start] in the stream
	err    error // what ended the stream
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{reader: r, buffer: make([]byte, chunkBytes)}
}

// next answers the next line without its end; its Text is valid until the
// next call. A line that is too long is cut, the rest of it is skipped. ok is
// false at the end of the stream; err then says why it ended, if not well.
func (l *lineReader) next() (line stackline.Line, ok bool, err error) {
	searched := 0
	for {
		rest := l.buffer[l.start:l.end]
		if end := bytes.IndexByte(rest[searched:], '\n'); end >= 0 {
			return l.take(searched+end, 1), true, nil
		}
		if len(rest) >= maxLineBytes {
			line := l.take(maxLineBytes, 0)
			line.Cut = true
			// The rest of the line is skipped with what is still in the
			// buffer: the text must outlive the skipping.
			line.Text = append([]byte(nil), line.Text...)
			l.skipLine()
			return line, true, nil
		}
		searched = len(rest)
		if l.err != nil {
			break
		}
		l.fill()
		if errors.Is(l.err, ErrPause) {
			l.err = nil
			return stackline.Line{}, false, ErrPause
		}
	}
	if l.end > l.start {
		line := l.take(l.end-l.start, 0)
		line.Unterminated = true
		return line, true, nil
	}
	if errors.Is(l.err, io.EOF) {
		return stackline.Line{}, false, nil
	}
	return stackline.Line{}, false, l.err
}

// take hands out length bytes and drops ending more.
func (l *lineReader) take(length, ending int) stackline.Line {
	line := stackline.Line{Text: l.buffer[l.start : l.start+length], OffsetBytes: l.offset}
	if length > maxLineBytes {
		line.Text, line.Cut = line.Text[:maxLineBytes], true
	}
	l.start += length + ending
	l.offset += int64(length + ending)
	return line
}

func (l *lineReader) skipLine() {
	for {
		rest := l.buffer[l.start:l.end]
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			l.start += end + 1
			l.offset += int64(end + 1)
			return
		}
		l.offset += int64(len(rest))
		l.start, l.end = 0, 0
		if errors.Is(l.err, ErrPause) {
			l.err = nil // what a pause would end waits for the line's end
		}
		if l.err != nil {
			return
		}
		l.fill()
	}
}

// fill reads once, or notes why there is no more.
func (l *lineReader) fill() {
	if l.start > 0 {
		l.end = copy(l.buffer, l.buffer[l.start:l.end])
		l.start = 0
	}
	for range maxEmptyReads {
		count, err := l.reader.Read(l.buffer[l.end:])
		l.end += count
		l.err = err
		if count > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
