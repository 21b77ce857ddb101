package trace

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// The kinds of records of a heap trace.
const (
	heapModule     = 1
	heapSite       = 2
	heapNote       = 3
	heapProcess    = 4
	heapUnfinished = 1 << 31
)

// heapLog is what the records of a heap trace say.
type heapLog struct {
	modules []heapModuleRecord
	sites   map[uint32]site
	notes   []heapText
	// arguments are those of the program.
	arguments []string
	program   string
	// resume is where reading goes on: the first record that was not finished,
	// or the end of what there was.
	resume uint64
	// partial is what could not be read; it stays when the rest is read anew.
	partial partialSet
}

type heapText struct {
	offset uint64
	text   string
}

// heapModuleRecord is a module that holds for nodes from node on.
type heapModuleRecord struct {
	module
	offset     uint64
	start, end uint64
	node       uint32
}

// readLog reads the records from where it stopped. A record that is not
// finished is read again with all behind it, next time.
func (h *Heap) readLog() error {
	l := &h.log
	from, to := l.resume, h.used[regionLog]
	if from >= to {
		return nil
	}
	for n := len(l.modules); n > 0 && l.modules[n-1].offset >= from; n-- {
		l.modules = l.modules[:n-1]
	}
	for n := len(l.notes); n > 0 && l.notes[n-1].offset >= from; n-- {
		l.notes = l.notes[:n-1]
	}
	base := int64(h.regions[regionLog].offset)
	in := bufio.NewReaderSize(&zeroTail{in: h.in, at: base + int64(from), end: base + int64(to), heap: h}, 64<<10)
	unfinished := to
	head, text := make([]byte, recordBytes), []byte{}
	for at := from; at+recordBytes <= to; {
		if _, err := io.ReadFull(in, head); err != nil {
			return h.failed(base+int64(at), err)
		}
		kind, length := binary.LittleEndian.Uint32(head), uint64(binary.LittleEndian.Uint32(head[4:]))
		padded := (length + 7) &^ 7
		if at+recordBytes+padded > to {
			l.partial.once(base+int64(at), "a record is longer than the records are: what lies behind it is not read")
			unfinished = min(unfinished, at)
			break
		}
		kept := min(length, uint64(h.limits.payloadBytes))
		if uint64(cap(text)) < kept {
			text = make([]byte, kept)
		}
		text = text[:kept]
		if _, err := io.ReadFull(in, text); err != nil {
			return h.failed(base+int64(at), err)
		}
		if _, err := in.Discard(int(padded - kept)); err != nil { // less than logBytes
			return h.failed(base+int64(at), err)
		}
		if kind == heapUnfinished || kind == 0 {
			unfinished = min(unfinished, at)
		} else {
			h.record(kind, text, at)
		}
		at += recordBytes + padded
	}
	l.resume = unfinished
	h.Arguments, h.Program, h.Notes = l.arguments, l.program, make([]string, 0, len(l.notes))
	for _, note := range l.notes {
		h.Notes = append(h.Notes, note.text)
	}
	return nil
}

// zeroTail reads the file from at to end; what the file lacks of it is 0.
type zeroTail struct {
	in      io.ReaderAt
	at, end int64
	heap    *Heap
}

func (z *zeroTail) Read(into []byte) (int, error) {
	if z.at >= z.end {
		return 0, io.EOF
	}
	n := int(min(int64(len(into)), z.end-z.at))
	if err := z.heap.readAt(into[:n], z.at); err != nil {
		return 0, err
	}
	z.at += int64(n)
	return n, nil
}

// record takes one record that lies at a place of the log.
func (h *Heap) record(kind uint32, text []byte, at uint64) {
	p := &payload{rest: text}
	offset := int64(h.regions[regionLog].offset + at)
	l := &h.log
	switch kind {
	case heapModule:
		h.moduleRecord(p, at, offset)
	case heapSite:
		number := p.u32()
		if _, known := l.sites[number]; !known && len(l.sites) >= h.limits.sites {
			l.partial.once(offset, fmt.Sprintf("more than %d places in Python code: the rest is left out", h.limits.sites))
			return
		}
		line, first := p.u32(), p.u32()
		l.sites[number] = site{function: h.text(p), file: h.text(p), line: line, functionLine: first}
	case heapNote:
		if len(l.notes) >= h.limits.notes {
			l.partial.once(offset, fmt.Sprintf("more than %d notes: the rest is left out", h.limits.notes))
		} else if note := h.text(p); note != "" {
			l.notes = append(l.notes, heapText{at, note})
		}
	case heapProcess:
		if text := strings.TrimSuffix(h.text(p), "\x00"); text != "" {
			l.arguments = strings.Split(text, "\x00")
		}
		l.program = h.text(p)
	default:
		l.partial.once(offset, "records are of kinds that this version does not know; they were passed over")
	}
	if p.damaged {
		l.partial.once(offset, "a string in a record is longer than the record: what lies behind it was not read")
	}
}

func (h *Heap) moduleRecord(p *payload, at uint64, offset int64) {
	l := &h.log
	if len(l.modules) >= h.limits.modules {
		l.partial.once(offset, fmt.Sprintf("more than %d modules: the rest is left out", h.limits.modules))
		return
	}
	m := heapModuleRecord{offset: at, node: p.u32()}
	p.u32() // flags
	m.start, m.end, m.bias = p.u64(), p.u64(), p.u64()
	const maxBuildIDBytes = 256
	if id := p.bytes(); len(id) <= maxBuildIDBytes {
		m.buildID = buildIDOf(id)
	} else {
		l.partial.once(offset, fmt.Sprintf("a build ID has %d bytes: it is not used", len(id)))
	}
	m.path = h.text(p)
	if m.start >= m.end {
		l.partial.once(offset, "a module's range is empty")
	}
	l.modules = append(l.modules, m)
}

// text is a string of the record as valid UTF-8, of bounded length.
func (h *Heap) text(p *payload) string {
	text := p.bytes()
	return string(bytes.ToValidUTF8(text[:min(len(text), h.limits.stringBytes)], []byte("\uFFFD")))
}
