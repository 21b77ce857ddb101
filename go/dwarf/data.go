package dwarf

import (
	"cmp"
	"debug/elf"
	"errors"
	"slices"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// ErrNoDebugInfo means that a file holds no DWARF debug information.
var ErrNoDebugInfo = errors.New("no debug information")

type sectionID uint8

const (
	secInfo sectionID = iota
	secAbbrev
	secLine
	secStr
	secLineStr
	secStrOffsets
	secAddr
	secRanges
	secRnglists
	sectionCount
)

var sectionNames = [sectionCount]string{
	".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str",
	".debug_str_offsets", ".debug_addr", ".debug_ranges", ".debug_rnglists",
}

// Data is the debug information of one object file. It is not safe for
// concurrent use: lookups fill its caches.
type Data struct {
	file   *object.File
	big    bool
	loaded [sectionCount]bool
	bytes  [sectionCount][]byte

	units              []unit
	tables             map[tableKey]*abbrevTable
	spans              []span
	codeStart, codeEnd uint64

	// steps and textBytes are what is left of the budget, see doc.go.
	steps, textBytes int
	// cached counts the bytes held by units that were read.
	cached   int
	interned map[string]string
	// chain is the memory of inlineChain's answer, used again.
	chain []entry
	// problem is the first thing that went wrong in the current call.
	problem error
}

// New prepares the debug information in file, which must stay open as long as
// the Data is used and stays the caller's. What can be read of damaged
// debug information is kept: Data may be not nil beside an error. Without
// debug information the error is ErrNoDebugInfo.
func New(file *object.File) (*Data, error) {
	if !file.HasDebugInfo() {
		return nil, &object.Error{Path: file.Path(), Err: ErrNoDebugInfo}
	}
	if file.Type() == elf.ET_REL {
		return nil, &object.Error{Path: file.Path(), Reason: "a relocatable object: its debug information is not linked yet", Err: ErrNoDebugInfo}
	}
	d := &Data{file: file, big: file.ByteOrder().String() == "BigEndian", interned: map[string]string{}, tables: map[tableKey]*abbrevTable{}}
	d.codeStart = ^uint64(0)
	for _, r := range file.ExecRanges() {
		d.codeStart = min(d.codeStart, uint64(r.Start))
		d.codeEnd = max(d.codeEnd, uint64(r.End))
	}
	err := d.readUnits()
	if d.problem != nil {
		err = d.problem
	}
	if len(d.units) == 0 && err != nil {
		return nil, err
	}
	return d, err
}

// Resolve returns the frames of each address, leaf first, calls that were
// inlined before the function that they were inlined into. A list is empty
// where nothing is known; its frame has no function where only the line is
// known. Frames have what DWARF tells: Function, LinkageName where there is one
// that differs, Language, File, Line, Column, FunctionLine, Inlined. An error is
// the first damage met; the frames are good as far as they go.
func (d *Data) Resolve(addrs []model.VirtAddr) ([][]model.Frame, error) {
	d.problem = nil
	d.textBytes = freeTextBytes + textPerAddr*len(addrs)
	frames := make([][]model.Frame, len(addrs))
	order := make([]int, len(addrs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(addrs[a], addrs[b]) })

	// Addresses are tried in their first unit together, so that its line
	// program runs once; those that it does not know go on to the next one.
	for round := 0; len(order) > 0 && round < maxCandidates; round++ {
		byUnit := map[uint32][]int{}
		var sequence []uint32
		for _, i := range order {
			units := d.unitsOf(uint64(addrs[i]))
			if round >= len(units) {
				continue
			}
			if byUnit[units[round]] == nil {
				sequence = append(sequence, units[round])
			}
			byUnit[units[round]] = append(byUnit[units[round]], i)
		}
		var missed []int
		for _, number := range sequence {
			missed = append(missed, d.resolveUnit(&d.units[number], addrs, byUnit[number], frames)...)
		}
		slices.SortFunc(missed, func(a, b int) int { return cmp.Compare(addrs[a], addrs[b]) })
		order = missed
	}
	return frames, d.problem
}

// resolveUnit looks up the addresses numbered by order, which are sorted, in
// u. It returns the numbers of those whose function it does not know.
func (d *Data) resolveUnit(u *unit, addrs []model.VirtAddr, order []int, frames [][]model.Frame) (missed []int) {
	info, err := d.load(u)
	if err != nil {
		d.note(err)
		return order
	}
	if err := d.readFunctions(u, info); err != nil {
		d.note(err)
	}
	if err := d.readLines(u, info); err != nil {
		d.note(err)
	}
	sorted := make([]uint64, len(order))
	for i, number := range order {
		sorted[i] = uint64(addrs[number])
	}
	rows := d.rows(info.lines, sorted)
	for i, number := range order {
		found := d.framesAt(u, info, sorted[i], rows[i])
		// A later unit may only better the answer.
		if frames[number] == nil || len(found) > 0 && found[0].Function != "" {
			frames[number] = found
		}
		if len(found) == 0 || found[0].Function == "" {
			missed = append(missed, number)
		}
	}
	return missed
}

// framesAt makes the frames of one address.
func (d *Data) framesAt(u *unit, info *unitInfo, addr uint64, at row) []model.Frame {
	var frames []model.Frame
	place := model.Frame{Language: languageOf(info.root.entry.number(slotLanguage))}
	if at != unknownRow {
		place.File = d.filePath(u, info, at.file)
		place.Line, place.Column = lineNumber(at.line), lineNumber(at.column)
	}
	function, ok := info.functionAt(addr)
	if !ok {
		if place.File == "" {
			return nil
		}
		return []model.Frame{place}
	}
	chain, err := d.inlineChain(u, info, function, addr)
	if err != nil {
		d.note(err)
	}
	for i := len(chain) - 1; i >= 0; i-- {
		e := &chain[i]
		decl := d.declare(u, e)
		frame := place
		frame.Function, frame.LinkageName = decl.name, decl.linkage
		if decl.language != model.LanguageUnknown {
			frame.Language = decl.language
		}
		// The distance from the declaration means something in one file only. Go's
		// inlined functions name no file: a Go function lies in one.
		sameFile := decl.file == frame.File || decl.file == "" && frame.Language == model.LanguageGo
		if sameFile && decl.line <= frame.Line {
			frame.FunctionLine = decl.line
		}
		frame.Inlined = i > 0
		frames = append(frames, frame)
		if i > 0 {
			place = model.Frame{Language: place.Language}
			if file, ok := e.get(slotCallFile); ok {
				place.File = d.filePath(u, info, file.bits)
			}
			place.Line = lineNumber(e.number(slotCallLine))
			place.Column = lineNumber(e.number(slotCallColumn))
		}
	}
	return frames
}

// Producers are the compilers that made the file, as their units say, in the
// order met, at most limit of them.
func (d *Data) Producers(limit int) []string {
	d.grant(len(d.section(secInfo)) + len(d.section(secAbbrev)))
	d.textBytes = freeTextBytes
	var producers []string
	for i := range d.units {
		var r root
		if d.readRoot(&d.units[i], nil, &r) != nil || len(producers) >= limit {
			continue
		}
		v, ok := r.entry.get(slotProducer)
		if !ok {
			continue
		}
		if text := d.text(d.stringValue(&d.units[i], &r, v), maxNameBytes); text != "" && !slices.Contains(producers, text) {
			producers = append(producers, text)
		}
	}
	return producers
}

// section returns the contents of a section, read on first use; empty where
// it is missing or damaged.
func (d *Data) section(id sectionID) []byte {
	if !d.loaded[id] {
		d.loaded[id] = true
		data, err := d.file.Data(sectionNames[id])
		if err != nil {
			d.note(err)
		}
		d.bytes[id] = data
	}
	return d.bytes[id]
}

func (d *Data) cursor(id sectionID) *cursor { return &cursor{data: d.section(id), big: d.big} }

// errorAt makes an error about an offset in a section.
func (d *Data) errorAt(id sectionID, offset uint64, kind error, format string, args ...any) error {
	at := int64(min(offset, 1<<62))
	section, ok := d.file.SectionNamed(sectionNames[id])
	if ok && section.Flags&elf.SHF_COMPRESSED == 0 {
		at += int64(min(section.FileOffset, 1<<61))
	}
	return d.file.NewError(at, kind, sectionNames[id]+"+0x%x: "+format, append([]any{offset}, args...)...)
}

// note keeps the first problem of a call.
func (d *Data) note(err error) {
	if d.problem == nil {
		d.problem = err
	}
}

// grant sets the budget for work on that many bytes.
func (d *Data) grant(bytes int) { d.steps = freeSteps + stepsPerByte*bytes }

// spend takes n steps; false means that the budget is over.
func (d *Data) spend(n int) bool {
	d.steps -= n
	return d.steps >= 0
}

// text copies raw, cut at limit. Equal texts share their bytes.
func (d *Data) text(raw []byte, limit int) string {
	raw = raw[:min(len(raw), limit)]
	if shared, ok := d.interned[string(raw)]; ok {
		return shared
	}
	if d.textBytes -= len(raw); d.textBytes < 0 {
		d.note(&object.Error{Path: d.file.Path(), Reason: "names and paths", Err: object.ErrLimit})
		return ""
	}
	if len(d.interned) >= maxInternedTexts {
		clear(d.interned)
	}
	text := string(raw)
	d.interned[text] = text
	return text
}

// remember counts bytes that are kept for later lookups.
func (d *Data) remember(bytes int) { d.cached += bytes }

// forget drops what was read of all units.
func (d *Data) forget() {
	for i := range d.units {
		d.units[i].info = nil
	}
	clear(d.interned)
	clear(d.tables)
	d.cached = 0
}
