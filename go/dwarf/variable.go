package dwarf

import (
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// Variables are the declarations of variables at fixed addresses. They are no
// part of the Data's own work, and of no use once it is closed.
type Variables struct {
	data  *Data
	found map[uint64]variable
}

type variable struct {
	unit       *unit
	file, line uint32
}

const maxVariables = 1 << 20

// Variables reads all entries of the file for its variables. An error is the
// first damage met; the variables are good as far as they go.
func (d *Data) Variables() (*Variables, error) {
	r := &d.reader
	r.begin(1)
	vars := &Variables{data: d, found: map[uint64]variable{}}
	if err := d.main.list(); err != nil {
		r.note(err)
	}
	known := map[tableKey]map[uint64]*shape{}
	for _, u := range d.main.units {
		if err := vars.read(u, known); err != nil {
			r.note(err)
		}
	}
	return vars, r.finish()
}

// At returns where the variable that starts at addr was declared; line is 0
// where that is not known.
func (vars *Variables) At(addr model.VirtAddr) (file string, line int) {
	found, ok := vars.found[uint64(addr)]
	if !ok {
		return "", 0
	}
	r := &vars.data.reader
	r.begin(1)
	return vars.data.paths.text(r.path(found.unit, found.file)), lineNumber(found.line)
}

// shape is what an abbreviation says of a variable or a member: the tags that
// declare them, and steps that are read one by one.
type shape struct {
	variable bool
	steps    []step
	location int // the step of DW_AT_location; -1 if there is none
}

// read visits all entries of a unit; known are the shapes read so far.
func (vars *Variables) read(skeleton *unit, known map[tableKey]map[uint64]*shape) error {
	r := &vars.data.reader
	u, err := r.entriesOf(skeleton)
	if err != nil {
		return err
	}
	// Split units' tables lie in other images.
	key := tableKey{u.abbrevOff, u.version, u.addrSize, u.offsetSize}
	shapes, ok := known[key]
	if !ok || u.image != r.data.main {
		if shapes = r.variableShapes(u); u.image == r.data.main {
			known[key] = shapes
		}
	}
	if len(shapes) == 0 {
		return nil
	}
	d, _ := u.image.need(secInfo, u.off, u.end)
	var v values
	for p := u.entries; p < u.end; {
		off := p
		code, next := uleb(d, p)
		if p = next; code == 0 {
			continue
		}
		a := u.table.get(code)
		if a == nil || !a.known {
			return u.image.errorAt(secInfo, off, object.ErrFormat, "abbreviation %d is not defined", code)
		}
		s, ok := shapes[code]
		if !ok {
			p = u.pass(d, a.skip, p)
		} else {
			var expression []byte
			if p, expression = u.readShape(d, s, p, &v); s.variable && len(expression) > 0 {
				vars.add(u, d, shapes, expression, &v)
			}
		}
		if p > u.end {
			return u.image.errorAt(secInfo, off, object.ErrFormat, "an entry cannot be read")
		}
		if !r.spend(1) {
			return u.image.errorAt(secInfo, off, object.ErrLimit, "the unit asks for too much work")
		}
	}
	return nil
}

// readShape reads the entry at p; expression is its location, where that is one.
func (u *unit) readShape(d []byte, s *shape, p int, v *values) (next int, expression []byte) {
	var one values
	v.has = 0
	for i := range s.steps {
		step := &s.steps[i]
		if p = u.read(d, s.steps[i:i+1], p, &one); p > u.end {
			return damaged, nil
		}
		switch {
		case i == s.location:
			if size := one.at[step.slot]; step.kind == kindBlock && size <= uint64(p) {
				expression = d[p-int(size) : p]
			}
		case step.slot != slotNone:
			v.at[step.slot], v.has = one.at[step.slot], v.has|1<<step.slot
		}
	}
	return p, expression
}

// add keeps a variable whose location is a fixed address.
func (vars *Variables) add(u *unit, d []byte, shapes map[uint64]*shape, expression []byte, v *values) {
	const opAddr, opAddrx, opGNUAddrIndex = 0x03, 0xa1, 0xfb
	var addr uint64
	switch expression[0] {
	case opAddr:
		if len(expression) != 1+int(u.addrSize) {
			return
		}
		addr, _ = fixed(expression, 1, int(u.addrSize), u.image.big)
	case opAddrx, opGNUAddrIndex:
		index, next := uleb(expression[:cap(expression)], 1) // the section goes on behind it
		if next != len(expression) {
			return
		}
		addr = u.indexedAddr(index)
	default:
		return
	}
	// What is declared in one place and defined in another leaves out what both
	// have in common.
	target, ok := v.get(slotSpecification)
	if !ok {
		target, ok = v.get(slotOrigin)
	}
	var of values
	if ok && target >= uint64(u.entries) && target < uint64(u.end) {
		code, p := uleb(d, int(target))
		if s := shapes[code]; s != nil {
			if next, _ := u.readShape(d, s, p, &of); next > u.end {
				return
			}
		}
	}
	line, file := v.number(slotDeclLine), v.number(slotDeclFile)
	if line == 0 {
		line = of.number(slotDeclLine)
	}
	if file == 0 {
		file = of.number(slotDeclFile)
	}
	if _, taken := vars.found[addr]; !taken && addr != 0 && line != 0 && line < 1<<31 && len(vars.found) < maxVariables {
		vars.found[addr] = variable{unit: u, file: uint32(min(file, 1<<32-1)), line: uint32(line)}
	}
}

// variableShapes reads those of u's abbreviations that declare variables.
func (r *reader) variableShapes(u *unit) map[uint64]*shape {
	const tagMember, tagVariable = 0x0d, 0x34
	im := u.image
	d, size := im.all(secAbbrev)
	shapes := map[uint64]*shape{}
	for p := u.abbrevOff; p < size; {
		code, next := uleb(d, p)
		if code == 0 {
			break
		}
		tag, next := uleb(d, min(next, size))
		p = next + 1
		s := &shape{variable: tag == tagVariable, location: -1}
		for p < size {
			var attr, form uint64
			attr, p = uleb(d, p)
			form, p = uleb(d, min(p, size))
			var implicit int64
			if form == formImplicitConst {
				implicit, p = sleb(d, min(p, size))
			}
			if attr == 0 && form == 0 {
				break
			}
			if len(s.steps) > maxAbbrevAttrs || !r.spend(1) {
				return nil
			}
			s.add(attr, formStep(form, u, implicit))
		}
		if _, known := shapes[code]; !known && (tag == tagVariable || tag == tagMember) {
			shapes[code] = s
		}
	}
	return shapes
}

// add appends the step for an attribute.
func (s *shape) add(attr uint64, step step) {
	const attrLocation = 0x02
	switch attr {
	case attrLocation:
		s.location, step.slot = len(s.steps), slotLowPC
	case attrDeclFile:
		step.slot = slotDeclFile
	case attrDeclLine:
		step.slot = slotDeclLine
	case attrSpecification:
		step.slot = slotSpecification
	case attrAbstractOrigin:
		step.slot = slotOrigin
	}
	s.steps = append(s.steps, step)
}
