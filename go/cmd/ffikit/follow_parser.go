package main

import (
	"io"
	"iter"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/report"
)

// liveParser gives ffikit.Read, which reads a log to its end, a log piece by
// piece. Read runs as a coroutine: it goes on while there is something to read,
// so that each report is told of before the next piece is asked for.
type liveParser struct {
	log    liveLog
	resume func() (struct{}, bool)
	stop   func()
	set    *model.ReportSet
	err    error
}

// liveLog is the coroutine's side.
type liveLog struct {
	pending       []byte
	paused, ended bool
	wait          func(struct{}) bool
}

func (l *liveLog) Read(into []byte) (int, error) {
	for len(l.pending) == 0 && !l.paused && !l.ended {
		if !l.wait(struct{}{}) {
			return 0, io.EOF
		}
	}
	switch {
	case len(l.pending) > 0:
		n := copy(into, l.pending)
		l.pending = l.pending[n:]
		return n, nil
	case l.paused:
		l.paused = false
		return 0, report.ErrPause
	}
	return 0, io.EOF
}

func startParser(options ffikit.Options) *liveParser {
	p := &liveParser{set: &model.ReportSet{}}
	p.resume, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.log.wait = yield
		p.set, p.err = ffikit.Read(options, ffikit.Log{Name: "<stdin>", Reader: &p.log})
	})
	return p
}

// feed has text read; it is not looked at afterwards.
func (p *liveParser) feed(text []byte) {
	p.log.pending = text
	p.resume()
	p.log.pending = nil
}

// pause says that nothing came for a while.
func (p *liveParser) pause() {
	p.log.paused = true
	p.resume()
}

// finish ends the log.
func (p *liveParser) finish() (*model.ReportSet, error) {
	p.log.ended = true
	p.resume()
	return p.set, p.err
}
