package dwarf

import (
	"bytes"

	"github.com/ffikit/ffikit/go/object"
)

// value is an attribute's value as stored; what it means depends on its form.
// For an inline string bits is its offset in .debug_info.
type value struct {
	bits uint64
	form uint16
}

// entry is one debugging information entry with the attributes that are kept.
type entry struct {
	off    int
	abbrev *abbrev
	values [slotCount]value
	has    uint32
}

func (e *entry) get(s slot) (value, bool) { return e.values[s], e.has&(1<<s) != 0 }

// number returns the value of s as an unsigned number, 0 where it is absent.
func (e *entry) number(s slot) uint64 {
	if e.has&(1<<s) == 0 {
		return 0
	}
	return e.values[s].bits
}

// readEntry reads the attributes that follow c. It returns false when the
// budget is spent or the form is unknown.
func (d *Data) readEntry(u *unit, c *cursor, off int, a *abbrev, e *entry) bool {
	e.off, e.abbrev, e.has = off, a, 0
	if !d.spend(len(a.attrs) + 1) {
		return false
	}
	for i := range a.attrs {
		spec := &a.attrs[i]
		if spec.slot == slotNone && spec.size >= 0 {
			c.skip(uint64(spec.size))
			continue
		}
		v := readForm(u, c, spec.form, spec.implicit)
		if spec.slot != slotNone {
			e.values[spec.slot] = v
			e.has |= 1 << spec.slot
		}
	}
	return !c.bad
}

// skipEntry passes over the attributes that follow c.
func (d *Data) skipEntry(u *unit, c *cursor, a *abbrev) bool {
	if a.fixed >= 0 {
		c.skip(uint64(a.fixed))
		return d.spend(1) && !c.bad
	}
	if !d.spend(len(a.attrs) + 1) {
		return false
	}
	for i := range a.attrs {
		if spec := &a.attrs[i]; spec.size >= 0 {
			c.skip(uint64(spec.size))
		} else {
			readForm(u, c, spec.form, spec.implicit)
		}
	}
	return !c.bad
}

// readForm reads one attribute value (DWARF 5, 7.5.6).
func readForm(u *unit, c *cursor, form uint16, implicit int64) value {
	if form == formIndirect {
		inner := c.uleb()
		if inner == formIndirect || inner == formImplicitConst || inner > 0xffff {
			c.fail()
			return value{}
		}
		form = uint16(inner)
	}
	v := value{form: form}
	switch form {
	case formFlagPresent:
		v.bits = 1
	case formImplicitConst:
		v.bits = uint64(implicit)
	case formStrx3, formAddrx3:
		v.bits = c.u24()
	case formSdata:
		v.bits = uint64(c.sleb())
	case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
		v.bits = c.uleb()
	case formString:
		v.bits = uint64(c.off)
		if end := bytes.IndexByte(c.data[c.off:], 0); end >= 0 {
			c.off += end + 1
		} else {
			c.fail()
		}
	case formBlock1:
		c.skip(uint64(c.u8()))
	case formBlock2:
		c.skip(uint64(c.u16()))
	case formBlock4:
		c.skip(uint64(c.u32()))
	case formBlock, formExprloc:
		c.skip(c.uleb())
	case formData16:
		c.skip(16)
	default:
		size := u.formSize(uint64(form))
		if size < 0 {
			c.fail()
			return value{}
		}
		v.bits = c.uint(int(size))
	}
	return v
}

// stringValue returns the text that v names; nil where it cannot be read.
func (d *Data) stringValue(u *unit, root *root, v value) []byte {
	switch v.form {
	case formString:
		return d.stringAt(secInfo, v.bits)
	case formStrp:
		return d.stringAt(secStr, v.bits)
	case formLineStrp:
		return d.stringAt(secLineStr, v.bits)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		size := uint64(4)
		if u.dwarf64 {
			size = 8
		}
		c := d.cursor(secStrOffsets)
		if v.bits > uint64(len(c.data)) {
			return nil
		}
		c.seek(root.strOffsetsBase + v.bits*size)
		offset := c.offset(u.dwarf64)
		if c.bad {
			return nil
		}
		return d.stringAt(secStr, offset)
	}
	return nil
}

// stringAt returns the NUL-terminated text at offset, cut at maxNameBytes.
func (d *Data) stringAt(id sectionID, offset uint64) []byte {
	data := d.section(id)
	if offset >= uint64(len(data)) {
		return nil
	}
	text := data[offset:]
	text = text[:min(len(text), maxNameBytes)]
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	return text
}

// address returns the address that v holds, directly or by index.
func (d *Data) address(u *unit, root *root, v value) (uint64, bool) {
	switch v.form {
	case formAddr:
		return v.bits, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return d.indexedAddress(u, root, v.bits)
	}
	return 0, false
}

func (d *Data) indexedAddress(u *unit, root *root, index uint64) (uint64, bool) {
	c := d.cursor(secAddr)
	if index > uint64(len(c.data)) {
		return 0, false
	}
	c.seek(root.addrBase + index*uint64(u.addrSize))
	addr := c.uint(int(u.addrSize))
	return addr, !c.bad
}

// reference returns the offset in .debug_info of the entry that v refers to.
func (u *unit) reference(v value) (uint64, bool) {
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
		return uint64(u.off) + v.bits, true
	case formRefAddr:
		return v.bits, true
	}
	return 0, false
}

// entryAt reads the entry at offset off of .debug_info, which may lie in any
// unit.
func (d *Data) entryAt(off uint64, e *entry) (*unit, error) {
	u := d.unitAt(off)
	if u == nil {
		return nil, d.errorAt(secInfo, off, object.ErrFormat, "a reference to no unit")
	}
	info, err := d.load(u)
	if err != nil {
		return nil, err
	}
	c := d.unitCursor(u, off)
	a := info.abbrevs.get(c.uleb())
	if a == nil || !d.readEntry(u, c, int(off), a, e) {
		return nil, d.errorAt(secInfo, off, object.ErrFormat, "a reference to no entry")
	}
	return u, nil
}
