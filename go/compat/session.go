package compat

import (
	"io"
	"slices"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// module is an object file that input named.
type module struct {
	path, buildID string
	// name stands in answers.
	name string

	// failure is why it cannot be read; told, that it was said already.
	failure error
	told    bool

	// file is the open one that was last answered from, and symbols is its
	// table, once read. Never is the path opened for them: another build may
	// lie there by now.
	file    *object.File
	symbols *symbols
}

// open finds the module's file, unless it is known to be unreadable.
func (m *module) open(resolver Resolver) {
	if m.failure != nil {
		return
	}
	file, err := resolver.File(m.path, m.buildID)
	if file != m.file {
		m.file, m.symbols = file, nil
	}
	m.failure = err
}

// request is one line of input: an address in a module, or something other.
type request struct {
	addr   uint64
	module *module
	// other is the index in session.others, counted from 1; 0 is a plain
	// address.
	other int
}

// protocol is what the programs differ in.
type protocol interface {
	// request takes a line apart; the line is good until it returns. What is
	// no plain address goes to s.other.
	request(s *session, line []byte)
	// lookup is the address to look up for one that was given.
	lookup(addr uint64) model.VirtAddr
	// code appends the answer for an address; frames are empty where nothing
	// is known.
	code(out []byte, m *module, addr uint64, frames []model.Frame) []byte
	// failed appends the answer for an address of a module that cannot be
	// read; the first time it says so.
	failed(out []byte, m *module, addr uint64) []byte
}

// session answers requests in batches.
type session struct {
	protocol protocol
	resolver Resolver
	to       io.Writer
	// writeErr is the first error of to; nothing is written after it.
	writeErr error

	out      []byte
	requests []request
	// others answer the lines that are no plain addresses.
	others []func(out []byte) []byte
	mixed  bool

	// What answering needs, kept from batch to batch.
	addrs  []model.VirtAddr
	places []int
	spans  []span
	waits  []byte
}

type span struct{ start, end int }

// code adds a plain address to the batch.
func (s *session) code(m *module, addr uint64) {
	s.mixed = s.mixed || len(s.requests) > 0 && s.requests[len(s.requests)-1].module != m
	if len(s.requests) == cap(s.requests) {
		// By doubling: by append's quarters a large batch leaves four times itself.
		s.requests = slices.Grow(s.requests, max(len(s.requests), 256))
	}
	s.requests = append(s.requests, request{addr: addr, module: m})
}

// other adds what answers by itself, in its turn.
func (s *session) other(answer func(out []byte) []byte) {
	s.others = append(s.others, answer)
	s.requests = append(s.requests, request{other: len(s.others)})
	s.mixed = true
}

func (s *session) full() bool {
	return len(s.requests) >= maxBatch || s.mixed && len(s.requests) >= maxMixed || len(s.others) >= maxOther
}

// read answers all of in, each line before a read could block.
func (s *session) read(in *input) error {
	for {
		for !s.full() {
			line, ok := in.line()
			if !ok {
				break
			}
			s.protocol.request(s, line)
		}
		switch {
		case s.full():
			s.answer()
			continue
		case in.eof:
			s.answer()
			s.flush()
			return s.writeErr
		case !in.ready(in.bulk):
			s.answer()
			s.flush()
		}
		if s.writeErr != nil {
			return s.writeErr
		}
		if err := in.fill(); err != nil {
			return err
		}
	}
}

// answer answers the batch, in the order of the lines.
func (s *session) answer() {
	switch {
	case len(s.requests) == 0:
	case s.mixed:
		s.answerMixed()
	default:
		s.answerOne(s.requests[0].module)
	}
	clear(s.others)
	s.requests, s.others, s.mixed = s.requests[:0], s.others[:0], false
}

// answerOne is for a batch of one module: answers go out as they come.
func (s *session) answerOne(m *module) {
	s.addrs = slices.Grow(s.addrs[:0], len(s.requests))
	for i := range s.requests {
		s.addrs = append(s.addrs, s.protocol.lookup(s.requests[i].addr))
	}
	done := 0
	s.each(m, s.addrs, func(i int, frames []model.Frame) {
		done = i + 1
		s.out = s.protocol.code(s.out, m, s.requests[i].addr, frames)
		s.spill()
	})
	for ; done < len(s.requests); done++ {
		s.out = s.protocol.failed(s.out, m, s.requests[done].addr)
		s.spill()
	}
}

// answerMixed is for several modules: each is asked once, its answers wait for
// their turn.
func (s *session) answerMixed() {
	s.spans = append(s.spans[:0], make([]span, len(s.requests))...)
	s.waits = s.waits[:0]
	seen := map[*module]bool{}
	for i := range s.requests {
		if m := s.requests[i].module; m != nil && !seen[m] {
			seen[m] = true
			s.gather(m, i)
		}
	}
	for i := range s.requests {
		r := &s.requests[i]
		switch {
		case r.other != 0:
			s.out = s.others[r.other-1](s.out)
		case s.spans[i].end == 0:
			s.out = s.protocol.failed(s.out, r.module, r.addr)
		default:
			s.out = append(s.out, s.waits[s.spans[i].start:s.spans[i].end]...)
		}
		s.spill()
	}
}

// gather asks for all addresses of m, the first of which is request from.
func (s *session) gather(m *module, from int) {
	s.addrs, s.places = s.addrs[:0], s.places[:0]
	for i := from; i < len(s.requests); i++ {
		if s.requests[i].module == m {
			s.addrs = append(s.addrs, s.protocol.lookup(s.requests[i].addr))
			s.places = append(s.places, i)
		}
	}
	s.each(m, s.addrs, func(i int, frames []model.Frame) {
		start := len(s.waits)
		s.waits = s.protocol.code(s.waits, m, s.requests[s.places[i]].addr, frames)
		s.spans[s.places[i]] = span{start, len(s.waits)}
	})
}

// each asks the resolver, unless m is known to be unreadable. Where some
// addresses had answers, the others just have none.
func (s *session) each(m *module, addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) {
	if m.open(s.resolver); m.failure != nil {
		return
	}
	visited := false
	err := s.resolver.Each(m.path, m.buildID, addrs, func(i int, frames []model.Frame) {
		visited = true
		visit(i, frames)
	})
	if !visited {
		m.failure = err
	}
}

// spill writes when enough has gathered.
func (s *session) spill() {
	if len(s.out) >= flushBytes {
		s.flush()
	}
}

// before writes answers that have to stand before what is said on standard
// error next; what is answered in its turn is complete by then.
func (s *session) before(out []byte) []byte {
	s.out = out
	s.flush()
	return s.out
}

func (s *session) flush() {
	if len(s.out) > 0 && s.writeErr == nil {
		_, s.writeErr = s.to.Write(s.out)
	}
	s.out = s.out[:0]
}
