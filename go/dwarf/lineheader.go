package dwarf

import (
	"bytes"

	"github.com/ffikit/ffikit/go/object"
)

// lineTable is a line number program's header (DWARF 5, 6.2.4).
type lineTable struct {
	image      *image
	version    uint8
	addrSize   uint8
	offsetSize uint8
	program    int // offsets in .debug_line
	end        int
	operands   []byte // of standard opcode i+1
	parameters parameters

	tables    int // where the directory table starts
	filesRead bool
	dirs      []uint64 // places of texts
	files     []lineFile
}

// parameters say what the special opcodes stand for; base is the first of them.
type parameters struct {
	minInst   uint8
	lineBase  int8
	lineRange uint8
	base      uint8
}

// opcodes is what the special opcodes stand for.
type opcodes struct {
	parameters
	addrStep   [256]uint32
	lineStep   [256]int32
	constAddPC uint64
}

// lineFile is one entry of the file table; name is a place of a text.
type lineFile struct {
	name uint64
	dir  uint64
}

// linesOf returns the line table of u, read once; nil where there is none.
func (r *reader) linesOf(u *unit) *lineTable {
	if u.skeleton != nil {
		return r.linesOf(u.skeleton)
	}
	if u.linesSought {
		return u.lines
	}
	u.linesSought = true
	t, err := r.rootOf(u)
	if err != nil || !t.hasStmtList {
		return nil
	}
	if table, ok := r.data.lineTables[lineKey{u.image, t.stmtList}]; ok {
		u.lines = table
		return table
	}
	table, err := r.readLineHeader(u, t.stmtList)
	if err != nil {
		r.note(err)
	}
	u.lines = table
	r.data.lineTables[lineKey{u.image, t.stmtList}] = table
	return table
}

// lineKey names a line table.
type lineKey struct {
	image  *image
	offset uint64
}

func (r *reader) readLineHeader(u *unit, offset uint64) (*lineTable, error) {
	const look = 512
	im := u.image
	size := im.size(secLine)
	at := int(min(offset, uint64(size)))
	bad := func(what string) error {
		return im.errorAt(secLine, at, object.ErrFormat, "line table: %s", what)
	}
	d, _ := im.need(secLine, at, at+look)
	length, offsetSize, p, ok := initialLength(d, at, im.big)
	if !ok || p > size || length > uint64(size-p) {
		return nil, bad("it reaches past the end of the section")
	}
	t := &lineTable{image: im, end: p + int(length), addrSize: u.addrSize, offsetSize: uint8(offsetSize)}
	d, _ = im.need(secLine, at, t.end)
	version := fixed16(d, p, im.big)
	if version < 2 || version > 5 {
		return nil, bad("unknown version")
	}
	t.version = uint8(version)
	p += 2
	if version >= 5 {
		t.addrSize = d[p]
		p += 2 // and the segment selector's size
	}
	headerLength, p := fixed(d, p, offsetSize, im.big)
	if p > t.end || headerLength > uint64(t.end-p) {
		return nil, bad("its header is longer than itself")
	}
	t.program = p + int(headerLength)
	minInst := d[p]
	p++
	if version >= 4 {
		p++ // maximum_operations_per_instruction: above 1 for VLIW only
	}
	p++ // default_is_stmt
	lineBase, lineRange, base := int8(d[p]), d[p+1], d[p+2]
	p += 3
	if p > t.end || base == 0 || lineRange == 0 && base < 255 {
		return nil, bad("its parameters make no sense")
	}
	if int(base)-1 > t.end-p {
		return nil, bad("it is cut off")
	}
	t.operands = d[p : p+int(base)-1]
	t.parameters = parameters{minInst, lineBase, lineRange, base}
	t.tables = p + int(base) - 1
	return t, nil
}

// opcodesOf makes the tables of special opcodes; those of one compiler's units are
// the same. They are good until the next call.
func (r *reader) opcodesOf(p parameters) *opcodes {
	o := &r.opcodes
	if o.parameters == p {
		return o
	}
	r.spend(stepsPerOpcodes)
	*o = opcodes{parameters: p}
	// A line range of 0 is let through only where there are no special opcodes.
	divisor, minInst := max(int(p.lineRange), 1), uint32(p.minInst)
	for op := int(p.base); op < 256; op++ {
		step := op - int(p.base)
		o.addrStep[op] = uint32(step/divisor) * minInst
		o.lineStep[op] = int32(p.lineBase) + int32(step%divisor)
	}
	o.constAddPC = uint64(uint32(255-int(p.base))/uint32(divisor)) * uint64(minInst)
	return o
}

// readFiles reads the directory and file tables, once.
func (r *reader) readFiles(u *unit, t *lineTable) {
	if t.filesRead {
		return
	}
	t.filesRead = true
	ok := false
	if t.version >= 5 {
		ok = r.readFileTables(u, t)
	} else {
		ok = r.readOldFileTables(t)
	}
	if !ok {
		r.note(t.image.errorAt(secLine, t.tables, object.ErrFormat, "line table: its file table cannot be read"))
	}
}

// readOldFileTables reads the tables of versions 2 to 4, in which directory 0
// is the compilation directory and files count from 1; file 0 is none, see path.
// What a program adds by DW_LNE_define_file, as no compiler does, is in no table.
func (r *reader) readOldFileTables(t *lineTable) bool {
	d, p := t.image.bytes[secLine], t.tables
	text := func() (place uint64, ok bool) {
		length := bytes.IndexByte(d[min(p, t.end):t.end], 0)
		if length <= 0 {
			p += length + 1
			return 0, false
		}
		place = uint64(p) | inLine<<placeShift
		p += length + 1
		return place, true
	}
	t.dirs = append(t.dirs, 0)
	for len(t.dirs) < maxLineFiles && r.spend(stepsPerFile) {
		dir, ok := text()
		if !ok {
			break
		}
		t.dirs = append(t.dirs, dir)
	}
	t.files = append(t.files, lineFile{})
	for len(t.files) < maxLineFiles && r.spend(stepsPerFile) {
		name, ok := text()
		if !ok {
			break
		}
		var dir uint64
		dir, p = uleb(d, min(p, t.end))
		p = skipLEB(d, min(p, t.end)) // time
		p = skipLEB(d, min(p, t.end)) // length
		t.files = append(t.files, lineFile{name: name, dir: dir})
	}
	return p <= t.end
}

// readFileTables reads the tables of version 5, in which directory 0 is the
// compilation directory and file 0 the primary source file.
func (r *reader) readFileTables(u *unit, t *lineTable) bool {
	// The line table brings its own offset size; a unit stands for it here.
	shape := &unit{
		image: u.image, end: t.end, version: 5, addrSize: t.addrSize, offsetSize: t.offsetSize,
		root: u.root, skeleton: u.skeleton,
	}
	p, ok := r.readFileTable(shape, t.tables, func(f lineFile) { t.dirs = append(t.dirs, f.name) })
	if !ok {
		return false
	}
	_, ok = r.readFileTable(shape, p, func(f lineFile) { t.files = append(t.files, f) })
	return ok
}

func (r *reader) readFileTable(shape *unit, p int, add func(lineFile)) (next int, ok bool) {
	d := shape.image.bytes[secLine]
	columns := int(d[p])
	p++
	steps := make([]step, 0, columns+1)
	for range columns {
		var content, form uint64
		content, p = uleb(d, min(p, shape.end))
		form, p = uleb(d, min(p, shape.end))
		s := formStep(form, shape, 0)
		// Every form here takes bytes, so that the count below is bounded by them.
		if s.kind == kindImplicit || s.kind == kindIndirect || s.kind == kindUnknown {
			return p, false
		}
		switch content {
		case lnctPath:
			s.slot = slotName
		case lnctDirectoryIndex:
			s.slot = slotCallFile
		}
		steps = append(steps, s)
	}
	steps = append(steps, step{kind: kindEnd})
	if p > shape.end {
		return p, false
	}
	count, p := uleb(d, p)
	if count == 0 {
		return p, p <= shape.end
	}
	if columns == 0 || count > maxLineFiles {
		return p, false
	}
	var v values
	for ; count > 0; count-- {
		if p > shape.end || !r.spend(stepsPerFile+columns) {
			return p, false
		}
		if p = shape.read(d, steps, p, &v); p > shape.end {
			return p, false
		}
		name := v.number(slotName)
		if name>>placeShift == inInfo { // an inline text, of this section
			name = name&placeMask | inLine<<placeShift
		}
		add(lineFile{name: name, dir: v.number(slotCallFile)})
	}
	return p, true
}
