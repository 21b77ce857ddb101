package dwarf

import (
	"bytes"
	"math"
)

// stepKind is how one attribute is passed over or read.
type stepKind uint8

const (
	kindEnd  stepKind = iota
	kindNone          // nothing: only the distance before it
	kindFixed
	kindULEB
	kindSLEB
	kindText     // NUL-terminated, in place
	kindBlock    // a length of size bytes, 0: LEB128, and as many bytes
	kindAddr     // an address of size bytes
	kindStrp     // an offset into .debug_str
	kindLineStrp // an offset into .debug_line_str
	kindStrIndex // an index into .debug_str_offsets
	kindAddrIndex
	kindRef // an offset from the start of the unit
	kindRefAddr
	kindRefAlt // an offset into the supplementary file's .debug_info
	kindStrAlt // an offset into its .debug_str
	kindImplicit
	kindListIndex // DW_FORM_rnglistx
	kindIndirect
	kindUnknown
)

// step is one step of an abbreviation's program: go on by distance bytes, then
// pass over an attribute, or read it into slot.
type step struct {
	distance uint16
	kind     stepKind
	slot     slot
	// size is the attribute's size in bytes, -1 where it varies; width that of
	// the number that it starts with, 0 for LEB128.
	size  int8
	width uint8
	// value is that of DW_FORM_implicit_const.
	value int32
}

// formShape is how a form is read: the width in bytes of its number, 0 for
// LEB128, or one of the widths that depend on the unit.
type formShape struct {
	kind  stepKind
	width uint8
	// varies means that the attribute's size is not its number's.
	varies bool
}

const (
	widthAddr = 0x80 + iota
	widthOffset
	widthRefAddr // of an address up to version 2
)

// formShapes are the forms of DWARF 5, 7.5.6.
var formShapes = [...]formShape{
	formAddr:          {kind: kindAddr, width: widthAddr},
	formData1:         {kind: kindFixed, width: 1},
	formFlag:          {kind: kindFixed, width: 1},
	formData2:         {kind: kindFixed, width: 2},
	formData4:         {kind: kindFixed, width: 4},
	formData8:         {kind: kindFixed, width: 8},
	formData16:        {kind: kindFixed, width: 16},
	formRefSig8:       {kind: kindFixed, width: 8},
	formSecOffset:     {kind: kindFixed, width: widthOffset},
	formUdata:         {kind: kindULEB, varies: true},
	formLoclistx:      {kind: kindULEB, varies: true},
	formSdata:         {kind: kindSLEB, varies: true},
	formString:        {kind: kindText, varies: true},
	formStrp:          {kind: kindStrp, width: widthOffset},
	formLineStrp:      {kind: kindLineStrp, width: widthOffset},
	formStrx:          {kind: kindStrIndex, varies: true},
	formStrx1:         {kind: kindStrIndex, width: 1},
	formStrx2:         {kind: kindStrIndex, width: 2},
	formStrx3:         {kind: kindStrIndex, width: 3},
	formStrx4:         {kind: kindStrIndex, width: 4},
	formAddrx:         {kind: kindAddrIndex, varies: true},
	formAddrx1:        {kind: kindAddrIndex, width: 1},
	formAddrx2:        {kind: kindAddrIndex, width: 2},
	formAddrx3:        {kind: kindAddrIndex, width: 3},
	formAddrx4:        {kind: kindAddrIndex, width: 4},
	formRef1:          {kind: kindRef, width: 1},
	formRef2:          {kind: kindRef, width: 2},
	formRef4:          {kind: kindRef, width: 4},
	formRef8:          {kind: kindRef, width: 8},
	formRefUdata:      {kind: kindRef, varies: true},
	formRefAddr:       {kind: kindRefAddr, width: widthRefAddr},
	formRefSup4:       {kind: kindRefAlt, width: 4},
	formRefSup8:       {kind: kindRefAlt, width: 8},
	formStrpSup:       {kind: kindStrAlt, width: widthOffset},
	formRnglistx:      {kind: kindListIndex, varies: true},
	formBlock1:        {kind: kindBlock, width: 1, varies: true},
	formBlock2:        {kind: kindBlock, width: 2, varies: true},
	formBlock4:        {kind: kindBlock, width: 4, varies: true},
	formBlock:         {kind: kindBlock, varies: true},
	formExprloc:       {kind: kindBlock, varies: true},
	formIndirect:      {kind: kindIndirect, varies: true},
	formFlagPresent:   {kind: kindImplicit},
	formImplicitConst: {kind: kindImplicit},
}

// gnuForms are those that gcc, clang and dwz had before the standard.
var gnuForms = map[uint64]formShape{
	formGNUStrIndex:  {kind: kindStrIndex, varies: true},
	formGNUAddrIndex: {kind: kindAddrIndex, varies: true},
	formGNURefAlt:    {kind: kindRefAlt, width: widthOffset},
	formGNUStrpAlt:   {kind: kindStrAlt, width: widthOffset},
}

// formStep is the step for a form, without distance and slot.
func formStep(form uint64, u *unit, implicit int64) step {
	shape := formShape{kind: kindUnknown, varies: true}
	if form < uint64(len(formShapes)) && formShapes[form].kind != kindEnd {
		shape = formShapes[form]
	} else if gnu, ok := gnuForms[form]; ok {
		shape = gnu
	}
	s := step{kind: shape.kind, slot: slotNone, width: shape.width, size: -1}
	switch {
	case s.width == widthAddr, s.width == widthRefAddr && u.version <= 2:
		s.width = u.addrSize
	case s.width >= widthAddr:
		s.width = u.offsetSize
	}
	if !shape.varies {
		s.size = int8(s.width)
	}
	s.width = min(s.width, 8) // of a number of 16 bytes half
	switch form {
	case formFlagPresent:
		s.value = 1
	case formImplicitConst:
		s.value = int32(max(min(implicit, 1<<31-1), 0))
	}
	return s
}

// Where a kept text or reference leads is in its upper bits.
const (
	placeShift = 59
	placeMask  = 1<<placeShift - 1

	inInfo    = 1 // of the entry's own image
	inStr     = 2
	inLineStr = 3
	inAltStr  = 4
	inAltInfo = 5
	isIndex   = 6 // of a range list
	inLine    = 7
)

// values are the attributes of one entry that were kept; what has does not name
// is left over from other entries.
type values struct {
	has uint32
	at  [slotCount]uint64
}

func (v *values) get(s slot) (uint64, bool) { return v.at[s], v.has&(1<<s) != 0 }

// number returns the value of s, 0 where it is absent.
func (v *values) number(s slot) uint64 {
	if v.has&(1<<s) == 0 {
		return 0
	}
	return v.at[s]
}

// damaged is the place that a reader of attributes returns where they cannot be
// read: it lies behind every unit's end.
const damaged = math.MaxInt >> 1

// read executes steps at p, in d, which are the bytes of u's .debug_info. It
// returns the place behind the entry, or damaged.
func (u *unit) read(d []byte, steps []step, p int, v *values) int {
	end, big := u.end, u.image.big
	v.has = 0
	for i := range steps {
		s := &steps[i]
		p += int(s.distance)
		if p > end {
			return damaged
		}
		var x uint64
		switch s.kind {
		case kindEnd:
			return p
		case kindNone:
			continue
		case kindFixed, kindAddr:
			x, _ = fixed(d, p, int(s.width), big)
			p += int(s.size)
		case kindULEB:
			x, p = uleb(d, p)
		case kindRef:
			x, p = fixed(d, p, int(s.width), big)
			x += uint64(u.off)
		case kindStrp:
			x, p = fixed(d, p, int(s.width), big)
			x = x&placeMask | inStr<<placeShift
		case kindLineStrp:
			x, p = fixed(d, p, int(s.width), big)
			x = x&placeMask | inLineStr<<placeShift
		case kindImplicit:
			x = uint64(s.value)
		case kindBlock:
			x, p = fixed(d, p, int(s.width), big)
			if p > end || x > uint64(end-p) {
				return damaged
			}
			p += int(x)
		case kindText:
			length := bytes.IndexByte(d[p:end], 0)
			if length < 0 {
				return damaged
			}
			x = uint64(p) | inInfo<<placeShift
			p += length + 1
		default:
			x, p = u.readRare(d, s, p)
		}
		if s.slot != slotNone {
			v.at[s.slot] = x
			v.has |= 1 << s.slot
		}
	}
	return p
}

// readRare reads what is met seldom, or in split units only.
func (u *unit) readRare(d []byte, s *step, p int) (uint64, int) {
	big := u.image.big
	var x uint64
	switch s.kind {
	case kindSLEB:
		signed, next := sleb(d, p)
		return uint64(signed), next
	case kindStrIndex:
		x, p = fixed(d, p, int(s.width), big)
		return u.indexedString(x), p
	case kindAddrIndex:
		x, p = fixed(d, p, int(s.width), big)
		return u.indexedAddr(x), p
	case kindRefAddr:
		return fixed(d, p, int(s.width), big)
	case kindRefAlt:
		x, p = fixed(d, p, int(s.width), big)
		return x&placeMask | inAltInfo<<placeShift, p
	case kindStrAlt:
		x, p = fixed(d, p, int(s.width), big)
		return x&placeMask | inAltStr<<placeShift, p
	case kindListIndex:
		x, p = uleb(d, p)
		return x&placeMask | isIndex<<placeShift, p
	case kindIndirect:
		form, next := uleb(d, p)
		if form == formIndirect || form == formImplicitConst || next > u.end {
			return 0, damaged
		}
		var v values
		inner := formStep(form, u, 0)
		inner.slot = slotName
		next = u.read(d, []step{inner, {kind: kindEnd}}, next, &v)
		return v.at[slotName], next
	}
	return 0, damaged
}

// pass executes steps that keep nothing but a sibling; it is read with less to
// do.
func (u *unit) pass(d []byte, steps []step, p int) int {
	end := u.end
	for i := range steps {
		s := &steps[i]
		p += int(s.distance)
		if p > end {
			return damaged
		}
		switch s.kind {
		case kindEnd:
			return p
		case kindULEB, kindSLEB, kindListIndex:
			p = skipLEB(d, p)
		case kindBlock:
			var n uint64
			if n = uint64(d[p]); s.width <= 1 && (s.width == 1 || n < 0x80) {
				p++
			} else {
				n, p = fixed(d, p, int(s.width), u.image.big)
			}
			if p > end || n > uint64(end-p) {
				return damaged
			}
			p += int(n)
		case kindText:
			length := bytes.IndexByte(d[p:end], 0)
			if length < 0 {
				return damaged
			}
			p += length + 1
		case kindNone:
		case kindStrIndex, kindAddrIndex, kindRef:
			if s.width == 0 {
				p = skipLEB(d, p)
			} else {
				p += int(s.width)
			}
		case kindFixed:
			p += int(s.size)
		case kindIndirect:
			_, p = u.readRare(d, s, p)
		default:
			if s.size < 0 {
				return damaged
			}
			p += int(s.size)
		}
	}
	return p
}
