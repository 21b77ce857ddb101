package dwarf

import (
	"errors"
	"slices"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// ErrNoDebugInfo means that a file holds no DWARF debug information.
var ErrNoDebugInfo = errors.New("no debug information")

// Data is the debug information of one object file. It is not safe for
// concurrent use: lookups fill its caches.
type Data struct {
	search             *object.Search
	file               *object.File
	main               *image
	codeStart, codeEnd uint64

	// active are the units that a lookup met, numbered for its nodes.
	active  []*unit
	numbers map[*unit]int32

	spans spanIndex
	split splitFiles
	// files were opened beside the program, and are closed with the Data.
	files []*object.File

	lineTables map[lineKey]*lineTable
	paths      paths
	// pathSlots is how many numbers of paths all units have room for.
	pathSlots int
	reader    reader
}

// reader is the state of one thread's work: what it found, and what is left of
// its budget.
type reader struct {
	data     *Data
	compiler compiler
	// lastTable is the beginning of the abbreviations that a root was read with
	// last.
	lastTable *abbrevTable
	lastKey   tableKey
	lastImage *image
	// opcodes are those of the line program in hand.
	opcodes opcodes

	// addrs are sorted and differ; hits are their answers.
	addrs []uint64
	hits  []hit
	// extraction takes all functions, in place of those that hold addrs.
	extraction *extraction

	nodes    []node
	decls    []decl
	declared []declared
	call     uint32
	ranges   []addrRange
	scopes   []scope

	// steps and textBytes are what is left of the budget, see doc.go.
	steps, textBytes int
	interned         map[string]string
	touched          uintptr
	// problem is the first thing that went wrong in the current call.
	problem error
}

// New is NewWith for files where they are.
func New(file *object.File) (*Data, error) { return NewWith(file, &object.Search{}) }

// NewWith prepares the debug information in file, which must stay open as long
// as the Data is used and stays the caller's. Nothing is read yet but section
// headers. search finds what the debug information names: split units' files, and
// the supplementary file. Without debug information the error is ErrNoDebugInfo.
func NewWith(file *object.File, search *object.Search) (*Data, error) {
	if !file.HasDebugInfo() {
		return nil, &object.Error{Path: file.Path(), Err: ErrNoDebugInfo}
	}
	d := &Data{
		search: search, file: file, main: newImage(file, false), numbers: map[*unit]int32{},
		lineTables: map[lineKey]*lineTable{},
	}
	d.reader.data = d
	d.main.data = d
	d.codeStart = ^uint64(0)
	for _, r := range file.ExecRanges() {
		d.codeStart = min(d.codeStart, uint64(r.Start))
		d.codeEnd = max(d.codeEnd, uint64(r.End))
	}
	return d, nil
}

// Close gives back the files that were found by what the debug information says.
func (d *Data) Close() error {
	var errs []error
	for _, file := range d.files {
		errs = append(errs, file.Close())
	}
	d.files = nil
	return errors.Join(errs...)
}

// Resolve returns the frames of each address, leaf first, calls that were
// inlined before the function that they were inlined into. A list is empty
// where nothing is known; its frame has no function where only the line is
// known. Frames have what DWARF tells: Function, LinkageName where there is one
// that differs, Language, File, Line, Column, FunctionLine, Inlined. An error is
// the first damage met; the frames are good as far as they go, and the caller's.
func (d *Data) Resolve(addrs []model.VirtAddr) ([][]model.Frame, error) {
	answers := make([][]model.Frame, len(addrs))
	err := d.Each(addrs, func(i int, frames []model.Frame) {
		if len(frames) == 0 {
			return
		}
		answers[i] = slices.Clone(frames)
		for j := range answers[i] {
			// Sections need not be kept for as long as a report.
			f := &answers[i][j]
			f.Function, f.LinkageName = d.reader.intern(f.Function), d.reader.intern(f.LinkageName)
		}
	})
	return answers, err
}

// Each calls visit for each address, in order, with the frames that Resolve
// would return. The slice and its texts are good until visit returns, those of
// File for as long as the Data. Nothing is allocated per address. Sorted
// addresses without doubles are the fastest to look up.
func (d *Data) Each(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) error {
	if len(addrs) == 0 {
		return nil
	}
	r := &d.reader
	r.begin(len(addrs))
	slots := r.sortAddrs(addrs)
	r.lookup()
	const batch = 64
	sorted := slices.IsSorted(addrs)
	var frames []model.Frame
	for i := range addrs {
		slot := i
		if slots != nil {
			if i%batch == 0 && !sorted {
				r.touched = r.touch(slots[i:min(i+batch, len(slots))])
			}
			slot = int(slots[i])
		}
		frames = r.frames(frames[:0], &r.hits[slot])
		visit(i, frames)
	}
	return r.finish()
}

// touch reads what the frames of some addresses will be made of: one thing of all
// of them, then the next. Where addresses are in no order each read misses the
// processor's caches; so the misses overlap, and do not wait for each other. What
// it returns only keeps the compiler from leaving it out.
func (r *reader) touch(slots []uint32) (sum uintptr) {
	var ids [64]int32
	for i, slot := range slots {
		ids[i] = r.hits[slot].node
	}
	for range 3 { // levels of inlining
		for i := range slots {
			if ids[i] != 0 {
				sum += uintptr(r.nodes[ids[i]-1].decl)
			}
		}
		for i := range slots {
			if ids[i] != 0 {
				sum += uintptr(r.decls[r.nodes[ids[i]-1].decl].line)
			}
		}
		for i := range slots {
			if ids[i] == 0 {
				continue
			}
			n := &r.nodes[ids[i]-1]
			if d := &r.decls[n.decl]; len(d.linkage) > 0 {
				sum += uintptr(d.linkage[0])
			} else if len(d.name) > 0 {
				sum += uintptr(d.name[0])
			}
			ids[i] = n.parent
		}
	}
	return sum
}

// begin starts a call about that many addresses.
func (r *reader) begin(addrs int) {
	d := r.data
	r.problem = nil
	r.steps = freeSteps + stepsPerAddr*addrs
	for _, id := range []sectionID{secInfo, secAbbrev, secLine, secRanges, secRnglists} {
		r.steps += stepsPerByte * d.main.weight(id)
	}
	r.textBytes = freeTextBytes + textPerAddr*addrs
	r.nodes, r.decls = r.nodes[:0], r.decls[:0]
	r.call++
	d.active = d.active[:0]
	clear(d.numbers)
	d.forgetPaths()
	if len(r.interned) > maxInternedTexts {
		clear(r.interned)
	}
}

// finish returns the first problem of a call.
func (r *reader) finish() error {
	err := r.problem
	for _, im := range r.data.images() {
		if im.problem != nil {
			if err == nil {
				err = im.problem
			}
			im.problem = nil
		}
	}
	if found, ok := err.(*damage); ok {
		err = found.tell()
	}
	if err == nil && r.steps < 0 {
		err = &object.Error{Path: r.data.file.Path(), Reason: "the debug information asks for too much work", Err: object.ErrLimit}
	}
	return err
}

// sortAddrs fills r.addrs and makes room for their hits; slots says which of
// them answers each address, nil where they stand as they came.
func (r *reader) sortAddrs(addrs []model.VirtAddr) (slots []uint32) {
	r.addrs = slices.Grow(r.addrs[:0], len(addrs))
	if len(addrs) >= manyAddrs {
		// About as many functions and calls are met.
		r.nodes, r.decls = slices.Grow(r.nodes, len(addrs)/2), slices.Grow(r.decls, len(addrs)/8)
	}
	rising := true
	for i, addr := range addrs {
		rising = rising && (i == 0 || addr > addrs[i-1])
		r.addrs = append(r.addrs, uint64(addr))
	}
	if !rising {
		order := object.AddrOrder(addrs)
		slots = make([]uint32, len(addrs))
		r.addrs = r.addrs[:0]
		for _, i := range order {
			if n := len(r.addrs); n == 0 || r.addrs[n-1] != uint64(addrs[i]) {
				r.addrs = append(r.addrs, uint64(addrs[i]))
			}
			slots[i] = uint32(len(r.addrs) - 1)
		}
	}
	if cap(r.hits) < len(r.addrs) {
		r.hits = make([]hit, len(r.addrs))
	}
	r.hits = r.hits[:len(r.addrs)]
	clear(r.hits)
	return slots
}

// lookup answers r.addrs: first from the units that .debug_aranges names, then,
// where something is missing, from those whose own ranges hold it.
func (r *reader) lookup() {
	d := r.data
	if len(r.addrs) >= manyAddrs {
		for _, id := range []sectionID{secInfo, secAbbrev, secLine, secStr, secLineStr, secStrOffsets, secAddr, secRanges, secRnglists} {
			d.main.all(id)
		}
	}
	r.visitUnits(r.arangesUnits())
	if slices.ContainsFunc(r.hits, func(h hit) bool { return h.node == 0 && h.unit == 0 }) {
		r.visitUnits(r.rangesUnits())
	}
}

// visitUnits looks for r.addrs in units, each once a call.
func (r *reader) visitUnits(units []*unit) {
	d := r.data
	for _, u := range units {
		if _, done := d.numbers[u]; done {
			continue
		}
		number := int32(len(d.active))
		d.numbers[u] = number
		d.active = append(d.active, u)
		// Of many addresses most functions are hit, and some address is in none.
		deep := len(r.addrs) >= deepAddrs
		if err := r.walk(number, deep); err != nil {
			r.note(err)
		}
		if r.visitLines(u, number) && !deep && (!u.walked || u.nested) {
			if err := r.walk(number, true); err != nil {
				r.note(err)
			}
			u.walked = true
		}
	}
}

// visitLines gives r.addrs their places in u's line table. It tells whether one
// of them has no function there.
func (r *reader) visitLines(u *unit, number int32) bool {
	t := r.linesOf(u)
	if t == nil {
		return false
	}
	sink := &lineHits{reader: r, of: u, addrs: r.addrs, hits: r.hits, unit: number + 1, open: len(r.addrs)}
	if len(r.addrs) < manyAddrs {
		if sink.open = r.open(number); sink.open == 0 {
			return false
		}
	}
	if !r.runLines(t, sink) {
		r.note(t.image.errorAt(secLine, t.program, object.ErrFormat, "line table: the program is cut off"))
	}
	return sink.alone
}

// frames appends the frames of one address.
func (r *reader) frames(frames []model.Frame, h *hit) []model.Frame {
	d := r.data
	var at model.Frame
	if h.unit != 0 {
		at.File = d.paths.text(h.file)
		at.Line, at.Column = lineNumber(h.line), int(h.column)
		at.Discriminator = h.discriminator
	}
	if h.node == 0 {
		if at.File == "" {
			return frames
		}
		at.Language = codemap.ModelLanguage(r.languageOf(d.active[h.unit-1]))
		return append(frames, at)
	}
	file := h.file
	for id := h.node; id != 0 && len(frames) < maxInlineDepth; {
		n := &r.nodes[id-1]
		decl := &r.decls[n.decl]
		at.Function, at.LinkageName = decl.name, decl.linkage
		at.Language = codemap.ModelLanguage(decl.language)
		// The distance from the declaration means something in one file only. Go's
		// inlined functions name no file: a Go function lies in one.
		sameFile := decl.file == file || decl.file == 0 && decl.language == codemap.LanguageGo
		if line := int(decl.line); sameFile && line <= at.Line {
			at.FunctionLine = line
		}
		at.Inlined = n.parent != 0
		frames = append(frames, at)
		if id = n.parent; id != 0 {
			file = n.callFile
			at = model.Frame{File: d.paths.text(file), Line: lineNumber(n.callLine), Column: int(n.callColumn)}
		}
	}
	return frames
}

// borrow sees a section's bytes as a text, within the budget.
func (r *reader) borrow(raw []byte) string {
	if r.textBytes -= len(raw); r.textBytes < 0 {
		r.note(&object.Error{Path: r.data.file.Path(), Reason: "names and paths", Err: object.ErrLimit})
		return ""
	}
	return textOf(raw)
}

// intern returns a copy of text that does not keep its section.
func (r *reader) intern(text string) string {
	if text == "" {
		return ""
	}
	if shared, ok := r.interned[text]; ok {
		return shared
	}
	if r.interned == nil {
		r.interned = map[string]string{}
	}
	shared := string([]byte(text))
	r.interned[shared] = shared
	return shared
}

// Producers are the compilers that made the file, as their units say, in the
// order met, at most limit of them.
func (d *Data) Producers(limit int) []string {
	r := &d.reader
	r.begin(1)
	if err := d.main.list(); err != nil {
		r.note(err)
	}
	var producers []string
	for _, u := range d.main.units {
		if len(producers) >= limit {
			break
		}
		root, err := r.rootOf(u)
		if err != nil || root.producer == 0 {
			continue
		}
		if text := r.intern(r.borrow(u.bytesAt(root.producer))); text != "" && !slices.Contains(producers, text) {
			producers = append(producers, text)
		}
	}
	return producers
}

// images are all files that debug information was read from.
func (d *Data) images() []*image {
	images := []*image{d.main}
	if d.main.supplement != nil {
		images = append(images, d.main.supplement)
	}
	return append(images, d.split.images...)
}

// note keeps the first problem of a call.
func (r *reader) note(err error) {
	if r.problem == nil && err != nil {
		r.problem = err
	}
}

// spend takes n steps; false means that the budget is over.
func (r *reader) spend(n int) bool {
	r.steps -= n
	return r.steps >= 0
}

// lineNumber refuses what cannot be one.
func lineNumber(line uint32) int {
	if line > 1<<31-1 {
		return 0
	}
	return int(line)
}
