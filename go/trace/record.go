package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ffikit/ffikit/go/model"
)

// take reads the payload of the record that starts at offset.
func (d *reader) take(kind uint32, offset int64) {
	p := &payload{rest: d.payload}
	switch kind {
	case kindModule:
		d.module(p, offset)
	case kindPythonCode:
		d.pythonCode(p, offset)
	case kindStack:
		d.stack(p, offset)
	case kindReportStack:
		d.reportStack(p, offset)
	case kindNote:
		d.note(p, offset)
	case kindEnd:
		d.evidence.Statistics = &Statistics{Mallocs: p.u64(), Frees: p.u64(), Stacks: p.u64(), Lost: p.u64()}
	default:
		d.unknown++
	}
	if p.damaged {
		d.say(offset, "a string in this record is longer than the record: what lies behind it was not read")
	}
}

// payload is read from its front; behind its end everything is 0 and empty.
type payload struct {
	rest    []byte
	damaged bool
}

func (p *payload) u32() uint32 {
	if len(p.rest) < 4 {
		p.rest = nil
		return 0
	}
	n := binary.LittleEndian.Uint32(p.rest)
	p.rest = p.rest[4:]
	return n
}

func (p *payload) u64() uint64 {
	if len(p.rest) < 8 {
		p.rest = nil
		return 0
	}
	n := binary.LittleEndian.Uint64(p.rest)
	p.rest = p.rest[8:]
	return n
}

// bytes gives a string of the record, what is there of it.
func (p *payload) bytes() []byte {
	length := p.u32()
	if uint64(length) > uint64(len(p.rest)) {
		p.damaged = true
		length = uint32(len(p.rest))
	}
	text := p.rest[:length]
	p.rest = p.rest[length:]
	return text
}

// string keeps a text once, as valid UTF-8.
func (d *reader) string(text []byte, offset int64) string {
	if len(text) > d.limits.stringBytes {
		d.say(offset, fmt.Sprintf("a string has %d bytes: only the first %d are kept", len(text), d.limits.stringBytes))
		text = text[:d.limits.stringBytes]
	}
	if known, ok := d.strings[string(text)]; ok {
		return known
	}
	kept := string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
	if d.text+len(kept) > d.limits.textBytes {
		d.beyond(offset, "bytes of text", d.limits.textBytes)
		return ""
	}
	if d.strings == nil {
		d.strings = map[string]string{}
	}
	d.text += len(kept)
	d.strings[string(text)] = kept
	return kept
}

func (d *reader) module(p *payload, offset int64) {
	d.modules++
	if len(d.evidence.modules) >= d.limits.modules {
		d.beyond(offset, "modules", d.limits.modules)
		return
	}
	start, end, bias := p.u64(), p.u64(), p.u64()
	p.u32() // flags
	id, path := p.bytes(), p.bytes()
	const maxBuildIDBytes = 256
	if len(id) > maxBuildIDBytes {
		d.say(offset, fmt.Sprintf("the build ID has %d bytes: it is not used", len(id)))
		id = nil
	}
	d.evidence.modules = append(d.evidence.modules, module{path: d.string(path, offset), buildID: buildIDOf(id), bias: bias})
	if start >= end {
		d.say(offset, "the module's range is empty")
	}
	d.ranges.set(start, end, uint32(len(d.evidence.modules)))
}

func (d *reader) pythonCode(p *payload, offset int64) {
	d.sites++
	if len(d.evidence.sites) >= d.limits.sites {
		d.beyond(offset, "places in Python code", d.limits.sites)
		return
	}
	function, file := d.string(p.bytes(), offset), d.string(p.bytes(), offset)
	d.evidence.sites = append(d.evidence.sites, site{function: function, file: file, line: p.u32(), functionLine: p.u32()})
}

func (d *reader) stack(p *payload, offset int64) {
	id := d.stacks
	d.stacks++
	if len(d.evidence.stacks) >= d.limits.stacks {
		d.beyond(offset, "stacks", d.limits.stacks)
		return
	}
	d.evidence.stacks = append(d.evidence.stacks, stack{})
	s := &d.evidence.stacks[id]
	end, count := p.u32(), uint64(p.u32())
	if there := uint64(len(p.rest)) / 8; count > there {
		d.say(offset, fmt.Sprintf("the stack is to have %d frames and has %d", count, there))
		count, end = there, endDamaged
	}
	kept := min(count, uint64(d.limits.framesPerStack))
	if d.frames+int(kept) > d.limits.frames {
		d.beyond(offset, "frames", d.limits.frames)
		return
	}
	d.frames += int(kept)
	s.end, s.dropped, s.known = end, uint32(count-kept), true
	s.words, s.owners = d.room(int(kept))
	foreign := false
	for i := range s.words {
		word := p.u64()
		s.words[i] = word
		if word&isPython == 0 {
			s.owners[i] = d.ranges.at(lookup(word))
		} else if word&siteMask >= d.sites {
			foreign = true
		}
	}
	if foreign {
		d.say(offset, "a frame names Python code that is not recorded before it")
	}
}

// room is space for n frames, from larger pieces: many stacks are small.
func (d *reader) room(n int) ([]uint64, []uint32) {
	if len(d.words) < n {
		size := max(n, 1<<14)
		d.words, d.owners = make([]uint64, size), make([]uint32, size)
	}
	words, owners := d.words[:n:n], d.owners[:n:n]
	d.words, d.owners = d.words[n:], d.owners[n:]
	return words, owners
}

func (d *reader) reportStack(p *payload, offset int64) {
	r := ReportStack{Sequence: p.u32(), Role: Role(p.u32()), ThreadID: p.u32(), Stack: p.u32(),
		AbsAddr: model.AbsAddr(p.u64()), PC: model.AbsAddr(p.u64())}
	switch {
	case r.Role >= rolesKnown:
		d.unknown++
		return
	case uint64(r.Stack) >= d.stacks:
		d.say(offset, fmt.Sprintf("it names stack %d, which is not recorded before it", r.Stack))
		return
	case len(d.evidence.ReportStacks) >= d.limits.reportStacks:
		d.beyond(offset, "stacks of reports", d.limits.reportStacks)
		return
	}
	r.Kind = d.string(p.bytes(), offset)
	d.evidence.ReportStacks = append(d.evidence.ReportStacks, r)
}

func (d *reader) note(p *payload, offset int64) {
	if len(d.evidence.Notes) >= d.limits.notes {
		d.beyond(offset, "notes", d.limits.notes)
		return
	}
	if text := d.string(p.bytes(), offset); text != "" {
		d.evidence.Notes = append(d.evidence.Notes, text)
	}
}
