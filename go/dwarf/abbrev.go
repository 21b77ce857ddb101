package dwarf

import "github.com/ffikit/ffikit/go/object"

// slot numbers the attributes that are kept when an entry is read.
type slot uint8

const (
	slotNone slot = iota
	slotSibling
	slotName
	slotLinkageName
	slotStmtList
	slotLowPC
	slotHighPC
	slotLanguage
	slotCompDir
	slotProducer
	slotOrigin
	slotSpecification
	slotDeclFile
	slotDeclLine
	slotRanges
	slotCallColumn
	slotCallFile
	slotCallLine
	slotStrOffsetsBase
	slotAddrBase
	slotRnglistsBase
	slotCount
)

var slotOfAttr = map[uint64]slot{
	attrSibling: slotSibling, attrName: slotName, attrLinkageName: slotLinkageName,
	attrMIPSLinkage: slotLinkageName, attrStmtList: slotStmtList, attrLowPC: slotLowPC,
	attrHighPC: slotHighPC, attrLanguage: slotLanguage, attrCompDir: slotCompDir,
	attrProducer: slotProducer, attrAbstractOrigin: slotOrigin,
	attrSpecification: slotSpecification, attrDeclFile: slotDeclFile,
	attrDeclLine: slotDeclLine, attrRanges: slotRanges, attrCallColumn: slotCallColumn,
	attrCallFile: slotCallFile, attrCallLine: slotCallLine,
	attrStrOffsetsBase: slotStrOffsetsBase, attrAddrBase: slotAddrBase,
	attrGNUAddrBase: slotAddrBase, attrRnglistsBase: slotRnglistsBase,
}

// attrSpec is one attribute of an abbreviation.
type attrSpec struct {
	implicit int64
	form     uint16
	slot     slot
	// size is the attribute's size in bytes where its form fixes it, else -1.
	size int8
}

// abbrev describes the shape of entries (DWARF 5, 7.5.3).
type abbrev struct {
	tag        uint64
	attrs      []attrSpec
	children   bool
	hasPC      bool
	hasSibling bool
	// fixed is the size of all attributes where every form fixes its size,
	// else -1.
	fixed int
}

// abbrevTable finds abbreviations by code. Codes mostly count from 1.
type abbrevTable struct {
	dense  []abbrev
	sparse map[uint64]*abbrev
	attrs  int
}

func (t *abbrevTable) get(code uint64) *abbrev {
	if code-1 < uint64(len(t.dense)) {
		return &t.dense[code-1]
	}
	return t.sparse[code]
}

func (t *abbrevTable) put(code uint64, a abbrev) {
	if code == uint64(len(t.dense))+1 {
		t.dense = append(t.dense, a)
		return
	}
	if t.get(code) != nil {
		return // the first one counts
	}
	if t.sparse == nil {
		t.sparse = map[uint64]*abbrev{}
	}
	t.sparse[code] = &a
}

// abbrevs reads the table of u; with only > 0 it ends at that code.
func (d *Data) abbrevs(u *unit, only uint64) (*abbrevTable, error) {
	c := d.cursor(secAbbrev)
	c.seek(u.abbrevOff)
	table := &abbrevTable{}
	for {
		code := c.uleb()
		if code == 0 || c.bad {
			break
		}
		a := abbrev{tag: c.uleb(), children: c.u8() != 0}
		d.abbrevAttrs(u, c, &a)
		table.attrs += len(a.attrs) + 1
		if table.attrs > maxAbbrevAttrs || !d.spend(len(a.attrs)+1) {
			return nil, d.errorAt(secAbbrev, u.abbrevOff, object.ErrLimit, "abbreviations")
		}
		table.put(code, a)
		if code == only {
			return table, nil
		}
	}
	if c.bad {
		return table, d.errorAt(secAbbrev, u.abbrevOff, object.ErrFormat, "abbreviations are cut off")
	}
	return table, nil
}

func (d *Data) abbrevAttrs(u *unit, c *cursor, a *abbrev) {
	for !c.bad {
		attr, form := c.uleb(), c.uleb()
		var implicit int64
		if form == formImplicitConst {
			implicit = c.sleb()
		}
		if attr == 0 && form == 0 || len(a.attrs) > maxAbbrevAttrs {
			return
		}
		size := u.formSize(form)
		if form > 0xffff {
			form = 0xffff // unknown, refused when it is read
		}
		spec := attrSpec{implicit: implicit, form: uint16(form), slot: slotOfAttr[attr], size: size}
		switch spec.slot {
		case slotLowPC, slotRanges:
			a.hasPC = true
		case slotSibling:
			a.hasSibling = true
		}
		if size < 0 {
			a.fixed = -1
		} else if a.fixed >= 0 {
			a.fixed += int(size)
		}
		a.attrs = append(a.attrs, spec)
	}
}

// formSize is the size in bytes of a form that has one for all values, else -1.
func (u *unit) formSize(form uint64) int8 {
	offsetSize := int8(4)
	if u.dwarf64 {
		offsetSize = 8
	}
	switch form {
	case formFlagPresent, formImplicitConst:
		return 0
	case formData1, formRef1, formFlag, formStrx1, formAddrx1:
		return 1
	case formData2, formRef2, formStrx2, formAddrx2:
		return 2
	case formStrx3, formAddrx3:
		return 3
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		return 4
	case formData8, formRef8, formRefSig8, formRefSup8:
		return 8
	case formData16:
		return 16
	case formAddr:
		return int8(u.addrSize)
	case formRefAddr:
		if u.version <= 2 {
			return int8(u.addrSize)
		}
		return offsetSize
	case formStrp, formLineStrp, formSecOffset, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		return offsetSize
	}
	return -1
}
