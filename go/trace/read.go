package trace

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ffikit/ffikit/go/model"
)

const (
	magic       = "FFIKTRC\x00"
	version     = 1
	headerBytes = 32
	recordBytes = 8 // kind and length, before each payload
)

// The kinds of records.
const (
	kindModule      = 1
	kindPythonCode  = 2
	kindStack       = 3
	kindReportStack = 4
	kindNote        = 5
	kindEnd         = 6
)

// limits bound what a Reader keeps.
type limits struct {
	modules, sites, stacks, frames, reportStacks, notes int
	textBytes                                           int
	framesPerStack, stringBytes, payloadBytes           int
}

var defaultLimits = limits{
	modules: 1 << 14, sites: 1 << 18, stacks: 1 << 18, frames: 1 << 22, reportStacks: 1 << 20, notes: 1000,
	textBytes: 64 << 20, framesPerStack: 4096, stringBytes: 64 << 10, payloadBytes: 1 << 20,
}

// ErrNotEvidence is wrapped by the error of Read for a file of another kind.
var ErrNotEvidence = errors.New("not the companion's evidence")

// Read reads all evidence in r; name is the file's name in partial entries and
// errors. It returns what could not be read: records that are torn, damaged, of
// unknown kinds, or beyond the limits. An error means that this is no evidence,
// of a version that is not known, or that r failed; the Evidence holds what came
// before, and is never nil.
func Read(r io.Reader, name string) (*Evidence, []model.Partial, error) {
	return read(r, name, defaultLimits)
}

func read(r io.Reader, name string, bounds limits) (*Evidence, []model.Partial, error) {
	d := &reader{in: bufio.NewReaderSize(r, 64<<10), limits: bounds, evidence: &Evidence{Name: name}}
	err := d.all()
	return d.evidence, d.partials(), err
}

// reader reads one file.
type reader struct {
	in       *bufio.Reader
	offset   int64 // of what is read next
	limits   limits
	evidence *Evidence

	ranges  ranges
	strings map[string]string // each kept once
	text    int               // bytes of them
	words   []uint64          // free room for frames
	owners  []uint32
	frames  int // that are kept
	payload []byte

	// How many there were, kept or not: the next ID.
	modules, sites, stacks uint64

	partial []model.Partial
	dropped int            // partials beyond the bound
	over    map[string]int // what is beyond the limits, counted
	unknown int            // records of unknown kinds, or roles
}

func (d *reader) all() error {
	var header [headerBytes]byte
	n, err := io.ReadFull(d.in, header[:])
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		if n < len(magic) || string(header[:len(magic)]) == magic {
			d.say(0, "the evidence ends within its header: the process was killed as it wrote it")
			return nil
		}
	case err != nil:
		return d.failed(err)
	}
	if err := d.header(header[:]); err != nil {
		return err
	}
	d.offset = headerBytes
	for {
		more, err := d.record()
		if err != nil || !more {
			return err
		}
	}
}

func (d *reader) header(header []byte) error {
	if string(header[:len(magic)]) != magic {
		return fmt.Errorf("trace: %s: %w: its first bytes are not FFIKTRC", d.evidence.Name, ErrNotEvidence)
	}
	if v := binary.LittleEndian.Uint32(header[8:]); v != version {
		return fmt.Errorf("trace: %s: version %d of the format at byte 8: this ffikit reads version %d; use the ffikit that came with the agent", d.evidence.Name, v, version)
	}
	d.evidence.Machine = binary.LittleEndian.Uint32(header[12:])
	d.evidence.PID = int(binary.LittleEndian.Uint32(header[16:]))
	d.evidence.StartTimeNS = binary.LittleEndian.Uint64(header[24:])
	return nil
}

func (d *reader) failed(err error) error {
	return fmt.Errorf("trace: read %s at byte %d: %w", d.evidence.Name, d.offset, err)
}

// record reads the next record; more is false at the end.
func (d *reader) record() (more bool, err error) {
	var head [recordBytes]byte
	start := d.offset
	switch _, err := io.ReadFull(d.in, head[:]); {
	case err == io.EOF:
		return false, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		d.say(start, tornReason)
		return false, nil
	case err != nil:
		return false, d.failed(err)
	}
	if string(head[:]) == magic {
		return d.again(head[:])
	}
	kind, length := binary.LittleEndian.Uint32(head[:]), int64(binary.LittleEndian.Uint32(head[4:]))
	kept := min(length, int64(d.limits.payloadBytes))
	if int64(cap(d.payload)) < kept {
		d.payload = make([]byte, kept)
	}
	d.payload = d.payload[:kept]
	_, err = io.ReadFull(d.in, d.payload)
	if err == nil {
		_, err = io.CopyN(io.Discard, d.in, length-kept)
	}
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		d.say(start, tornReason)
		return false, nil
	case err != nil:
		return false, d.failed(err)
	}
	d.offset += recordBytes + length
	if length > kept && kind >= kindModule && kind <= kindEnd {
		d.say(start, fmt.Sprintf("the record has %d bytes: only the first %d were read", length, kept))
	}
	d.take(kind, start)
	return true, nil
}

const tornReason = "the evidence ends within a record: the process was killed as it wrote it"

// again reads a header in the place of a record.
func (d *reader) again(head []byte) (more bool, err error) {
	header := make([]byte, headerBytes)
	copy(header, head)
	start := d.offset
	switch _, err := io.ReadFull(d.in, header[len(head):]); {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		d.say(start, tornReason)
		return false, nil
	case err != nil:
		return false, d.failed(err)
	}
	d.say(start, "the process became another program here (exec): what was recorded before is dropped")
	d.evidence = &Evidence{Name: d.evidence.Name}
	d.ranges, d.strings, d.text, d.words, d.owners, d.frames = nil, nil, 0, nil, nil, 0
	d.modules, d.sites, d.stacks = 0, 0, 0
	d.offset += headerBytes
	return true, d.header(header)
}

// maxPartials bounds what is said of one file.
const maxPartials = 100

func (d *reader) say(offset int64, reason string) {
	if len(d.partial) >= maxPartials {
		d.dropped++
		return
	}
	d.partial = append(d.partial, model.Partial{File: d.evidence.Name, OffsetBytes: offset, Reason: reason})
}

// beyond notes that something is not kept since there is too much of it; it is
// told once, where it begins.
func (d *reader) beyond(offset int64, what string, limit int) {
	if d.over == nil {
		d.over = map[string]int{}
	}
	if d.over[what]++; d.over[what] == 1 {
		d.say(offset, fmt.Sprintf("more than %d %s: the rest is left out", limit, what))
	}
}

func (d *reader) partials() []model.Partial {
	add := func(reason string) {
		d.partial = append(d.partial, model.Partial{File: d.evidence.Name, Reason: reason})
	}
	if d.unknown > 0 {
		add(fmt.Sprintf("%d records are of kinds that this version does not know; they were passed over", d.unknown))
	}
	if d.dropped > 0 {
		add(fmt.Sprintf("%d more places could not be read", d.dropped))
	}
	return d.partial
}
