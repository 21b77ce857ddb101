// Package report reads the failure reports that sanitizers write into logs.
//
// A log enters as a stream of bytes that a stranger wrote; model.Reports
// leave, as evidence: functions, modules and addresses as the log has them,
// nothing symbolized or renamed. Lines that belong to no report are passed
// over, also between the lines of one: several processes may write into a
// log, and its collector may put timestamps and names before each line.
// Memory stays bounded whatever the log holds.
//
// The formats are AddressSanitizer's (package asan, which also reads crashes
// that another sanitizer reports, and MemorySanitizer's findings),
// LeakSanitizer's (lsan) and UndefinedBehaviorSanitizer's (ubsan).
// ThreadSanitizer's are named as not read.
package report

import (
	"errors"
	"fmt"
	"io"

	"github.com/ffikit/ffikit/go/model"
)

// ErrPause is what the reader of a log that is still being written returns when
// nothing came for a while: Read then ends the reports that can end there
// without loss, emits what is complete, and reads on.
var ErrPause = errors.New("report: nothing came for a while")

// Read reads all reports of the log r and hands each to emit, as soon as it
// is complete and no report that began before it is still being read. name is
// the log's name in locations and errors.
//
// It returns what could not be read: reports that the log breaks off (they
// are emitted with what is there, and a stack that was cut says so in
// Truncated), reports whose stacks are missing or damaged, places where lines
// of several processes are mixed so that frames may be misplaced, leak checks
// that failed, lines beyond 64 KiB. The error is
// emit's, or r's own; what was read before it was emitted.
func Read(r io.Reader, name string, emit func(model.Report) error) ([]model.Partial, error) {
	lines := newLineReader(r)
	s := newSession(name, emit)
	for {
		line, ok, err := lines.next()
		if errors.Is(err, ErrPause) {
			s.endSettled()
			if err := s.flush(); err != nil {
				return s.partials(), err
			}
			continue
		}
		if err != nil {
			s.endAll(fmt.Sprintf("the log cannot be read on: %v", err))
			if emitErr := s.flush(); emitErr != nil {
				return s.partials(), emitErr
			}
			return s.partials(), fmt.Errorf("report: read %s at byte %d: %w", name, lines.offset, err)
		}
		if !ok {
			break
		}
		if err := s.line(line); err != nil {
			return s.partials(), err
		}
	}
	s.endAll("the log ends here")
	if err := s.flush(); err != nil {
		return s.partials(), err
	}
	return s.partials(), nil
}
