package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

const (
	// maxFilterLine is where a line is passed on without looking for frames.
	maxFilterLine = 64 << 10
	// promptDelay is how long the end of a line is waited for before what is
	// there of it is passed on: a prompt has none.
	promptDelay = 50 * time.Millisecond
	// pauseDelay is the silence that ends a report which may end there.
	pauseDelay = 3 * time.Second
	// drainDelay is the silence after which no more is expected of an input
	// that was given up, drainLimit how long that may take.
	drainDelay, drainLimit = 100 * time.Millisecond, 2 * time.Second
	// maxLiveReports bounds the different reports that are remembered.
	maxLiveReports = 1000
)

// filter is the form with -f: it passes standard input on, and adds to it.
func (f *symbolizeFlags) filter(ctx context.Context, args []string) error {
	switch {
	case len(args) > 1 || len(args) == 1 && args[0] != "-":
		return usageError("-f reads standard input only: tail -f %s | ffikit symbolize -f", args[0])
	case f.json:
		return usageError("-f passes text on: --json goes without it")
	}
	ctx, ending, stop := endings(ctx)
	defer stop()
	options, err := f.options(ctx, f.trustPaths)
	if err != nil {
		return err
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		note("reading standard input (end it with Ctrl-D)")
	}
	color, err := f.colored(os.Stdout)
	if err != nil {
		return err
	}
	options.Merge.MaxReports = maxLiveReports
	l := &live{flags: f, out: bufio.NewWriterSize(os.Stdout, 64<<10), color: color, shown: map[string]bool{}}
	l.notes = newAnnotator(options, color)
	defer l.notes.close()
	options.Met = l.report
	l.parser = startParser(options)
	defer l.parser.stop()

	err = l.run(os.Stdin, ending)
	set, readErr := l.parser.finish()
	if err = errors.Join(err, l.out.Flush()); err != nil {
		return failure(err)
	}
	l.closing(set, readErr)
	if number := ending.number.Load(); number != 0 {
		return exit(128 + int(number))
	}
	switch {
	case readErr != nil:
		return exit(exitPartial)
	case len(set.Reports) > 0:
		return exit(f.code(set))
	}
	return nil // a stream may be anything, and was passed on whole
}

// ending tells of the signals that end the filter.
type ending struct {
	done   <-chan struct{}
	number atomic.Int32 // of the signal
}

// endings watches signals. Ctrl-C goes to all of a pipeline: the program that
// writes the stream ends by the first, and what it says then is still passed
// on. The second one, SIGTERM and SIGHUP end the filter and what it waits for.
func endings(ctx context.Context) (context.Context, *ending, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	e := &ending{done: ctx.Done()}
	go func() {
		interrupts := 0
		for s := range signals {
			if s == os.Interrupt {
				if interrupts++; interrupts == 1 {
					continue
				}
			}
			number, _ := s.(syscall.Signal)
			if !e.number.CompareAndSwap(0, int32(number)) {
				os.Exit(128 + int(number)) // once more: at once
			}
			cancel()
		}
	}()
	return ctx, e, func() { signal.Stop(signals); cancel() }
}

// live is one run of the filter.
type live struct {
	flags  *symbolizeFlags
	out    *bufio.Writer
	color  bool
	notes  *annotator
	parser *liveParser
	shown  map[string]bool // the reports that were, by fingerprint

	held []byte // the start of a line whose end has not come
	open bool   // the start of the line was passed on already
}

// chunk is what one read gave.
type chunk struct {
	data []byte
	err  error
}

// read reads in into two buffers by turns: one is looked at while the other
// waits for input.
func read(in io.Reader, stop <-chan struct{}) (chunks <-chan chunk, give func([]byte)) {
	read, free := make(chan chunk), make(chan []byte, 2)
	free <- make([]byte, 64<<10)
	free <- make([]byte, 64<<10)
	go func() {
		for buffer := range free {
			n, err := in.Read(buffer)
			select {
			case read <- chunk{buffer[:n], err}:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return read, func(data []byte) { free <- data[:cap(data)] }
}

// run passes the input on until it ends. All that came is written before more
// is waited for.
func (l *live) run(in io.Reader, end *ending) error {
	stop := make(chan struct{})
	defer close(stop)
	chunks, give := read(in, stop)
	silence := time.NewTimer(pauseDelay)
	defer silence.Stop()
	done, limit := end.done, (<-chan time.Time)(nil)
	for {
		select {
		case c := <-chunks:
			l.take(c.data)
			if c.err != nil {
				l.passHeld()
				if errors.Is(c.err, io.EOF) {
					return l.out.Flush()
				}
				return errors.Join(l.out.Flush(), fmt.Errorf("standard input: %w", c.err))
			}
			give(c.data)
		case <-silence.C:
			if done == nil {
				l.passHeld()
				return l.out.Flush()
			}
			if len(l.held) == 0 {
				l.parser.pause()
				if err := l.out.Flush(); err != nil {
					return err
				}
				continue
			}
			l.passHeld()
		case <-done:
			done, limit = nil, time.After(drainLimit)
		case <-limit:
			l.passHeld()
			return l.out.Flush()
		}
		if err := errors.Join(l.out.Flush(), l.parser.err); err != nil {
			return err
		}
		switch {
		case done == nil:
			silence.Reset(drainDelay)
		case len(l.held) > 0:
			silence.Reset(promptDelay)
		default:
			silence.Reset(pauseDelay)
		}
	}
}

// take passes on what came, line by line.
func (l *live) take(data []byte) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 {
			break
		}
		line := data[:end]
		data = data[end:]
		if len(l.held) > 0 {
			l.held = append(l.held, line...)
			line = l.held
		}
		l.line(line)
		l.held = l.held[:0]
	}
	l.held = append(l.held, data...)
	if l.open || len(l.held) > maxFilterLine {
		l.passHeld()
	}
}

// line passes on a line, or the end of one whose start was passed on.
func (l *live) line(line []byte) {
	if l.open {
		l.write(line)
	} else {
		l.write(l.notes.annotate(line))
	}
	l.open = false
	l.parser.feed(line)
}

// passHeld passes on the start of a line as it is.
func (l *live) passHeld() {
	if len(l.held) == 0 {
		return
	}
	l.write(l.held)
	l.open = true
	l.parser.feed(l.held)
	l.held = l.held[:0]
}

// write leaves errors to Flush, which repeats them.
func (l *live) write(text []byte) { _, _ = l.out.Write(text) }

// report shows a report below the line that completed it. A report that was
// shown before is only named.
func (l *live) report(r *model.Report) error {
	if l.open {
		l.write([]byte("\n"))
	}
	if l.shown[r.Fingerprint] {
		l.write([]byte(render.Again(r, l.color) + "\n"))
		return l.out.Flush()
	}
	l.shown[r.Fingerprint] = true
	if err := l.out.Flush(); err != nil {
		return err
	}
	return l.flags.print(os.Stdout, &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{*r}}})
}

// closing says on standard error what the stream itself cannot hold.
func (l *live) closing(set *model.ReportSet, err error) {
	if err != nil {
		noteError(err)
	}
	partial := append(set.Partial, l.notes.failures...)
	if len(partial) > 0 {
		_ = render.Text(os.Stderr, &render.Document{ReportSet: model.ReportSet{Partial: partial}}, render.TextOptions{Width: width(os.Stderr)})
	}
	if n := l.notes.untrusted; n > 0 {
		note("%d frames name no build ID and were left as they are: --trust-paths looks them up by their paths alone", n)
	}
	l.flags.hint(set)
}
