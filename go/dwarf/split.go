package dwarf

import (
	"bytes"
	"errors"
	"path/filepath"

	"github.com/ffikit/ffikit/go/object"
)

// splitFiles are the files that hold what skeleton units leave out: one package
// (.dwp) for the whole program, or one object (.dwo) a unit.
type splitFiles struct {
	images []*image
	// objects are the .dwo files that were sought, by path; nil where there is
	// none. soughtBytes is the length of all these paths.
	objects     map[string]*image
	soughtBytes int
	bytes       int
	pack        *unitPackage
	sought      bool
}

// ErrNoSplitFile means that the .dwo or .dwp file of a unit was not found: its
// lines are known, its functions are not.
var ErrNoSplitFile = errors.New("no split debug file found")

// splitUnit returns the unit whose skeleton u is; nil with an error where it is
// not found.
func (d *Data) splitUnit(r *reader, u *unit) (*unit, error) {
	if pack := d.unitPackage(r); pack != nil {
		if split, err := pack.unit(u); split != nil || err != nil {
			return split, err
		}
	}
	name, compDir := u.bytesAt(u.root.dwoName), u.bytesAt(u.root.compDir)
	if len(name) == 0 || bytes.IndexByte(name, 0) >= 0 {
		return nil, d.main.errorAt(secInfo, u.off, ErrNoSplitFile, "the unit's split file has no name")
	}
	if len(name) > maxPathBytes || len(compDir) > maxPathBytes {
		return nil, d.main.errorAt(secInfo, u.off, object.ErrLimit, "the name of the unit's split file")
	}
	for _, path := range d.splitPaths(string(name), string(compDir)) {
		if !r.spend(stepsPerSought) {
			return nil, d.main.errorAt(secInfo, u.off, object.ErrLimit, "split files")
		}
		im, err := d.splitObject(path)
		if err != nil {
			return nil, err
		}
		if im == nil {
			continue
		}
		for _, split := range im.units {
			if !r.spend(1) {
				break
			}
			if r.idOf(split, u) == u.dwoID {
				split.skeleton = u
				return split, nil
			}
		}
	}
	return nil, d.main.errorAt(secInfo, u.off, ErrNoSplitFile, "split file %q", name)
}

// idOf reads the ID of a split unit, which before version 5 is an attribute of its
// root entry. The rest of that may need the unit's own skeleton, which this one
// need not be.
func (r *reader) idOf(split, skeleton *unit) uint64 {
	if split.version >= 5 || split.dwoID != 0 {
		return split.dwoID
	}
	split.skeleton = skeleton
	if _, err := r.rootOf(split); err != nil {
		r.note(err)
	}
	split.skeleton, split.root, split.rootErr = nil, nil, nil
	return split.dwoID
}

// splitPaths are where a unit's .dwo file may be: where the compiler put it, and
// beside the program.
func (d *Data) splitPaths(name, compDir string) []string {
	beside := filepath.Dir(d.file.Path())
	var paths []string
	if filepath.IsAbs(name) {
		paths = append(paths, name)
	} else {
		if filepath.IsAbs(compDir) {
			paths = append(paths, filepath.Join(compDir, name))
		}
		paths = append(paths, filepath.Join(beside, name))
	}
	return append(paths, filepath.Join(beside, filepath.Base(name)))
}

// splitObject reads a .dwo file whole and closes it: a program may have
// thousands. nil without an error means that there is none.
func (d *Data) splitObject(path string) (*image, error) {
	s := &d.split
	if im, ok := s.objects[path]; ok {
		return im, nil
	}
	if s.objects == nil {
		s.objects = map[string]*image{}
	}
	if s.soughtBytes += len(path); s.soughtBytes > maxSoughtBytes {
		return nil, &object.Error{Path: path, Reason: "names of split debug files", Err: object.ErrLimit}
	}
	s.objects[path] = nil
	file, err := d.search.Open(path)
	if err != nil {
		return nil, nil // the next path may do
	}
	defer file.Close()
	im := newImage(file, true)
	for id := range sectionCount {
		if s.bytes += im.size(id); s.bytes > maxSplitBytes {
			return nil, &object.Error{Path: path, Reason: "split debug files", Err: object.ErrLimit}
		}
		im.all(id)
	}
	if im.size(secInfo) == 0 {
		return nil, nil
	}
	if err := im.list(); err != nil {
		im.fail(err)
	}
	s.objects[path] = im
	s.images = append(s.images, im)
	return im, nil
}

// unitPackage is a .dwp file: the split units of a program, found by their IDs
// (DWARF 5, 7.3.5; before, the GNU form of it).
type unitPackage struct {
	image *image
	// columns are the sections that the index has contributions to.
	columns             []uint32
	slots, rows         int
	hashes, indexes     int // offsets in .debug_cu_index
	offsets, sizesStart int
	version             uint64
	units               map[int]*unit
}

// Sections of a package's index (DWARF 5, table 7.1), alike in both forms but
// for the range lists.
const (
	packInfo       = 1
	packAbbrev     = 3
	packStrOffsets = 6
	packRnglists   = 8 // in the GNU form: macros
)

// unitPackage returns the package beside the program, if there is one.
func (d *Data) unitPackage(r *reader) *unitPackage {
	s := &d.split
	if s.sought {
		return s.pack
	}
	s.sought = true
	file, err := d.search.Open(d.file.Path() + ".dwp")
	if err != nil {
		return nil
	}
	d.files = append(d.files, file)
	im := newImage(file, true)
	// Its units are found by the index alone, which says where the abbreviations of
	// each are: none is listed, and a unit of a package refers to no other.
	im.listed = true
	s.images = append(s.images, im)
	pack, err := openPackage(im)
	if err != nil {
		r.note(err)
	}
	s.pack = pack
	return pack
}

func openPackage(im *image) (*unitPackage, error) {
	d, size := im.all(secIndex)
	bad := func(what string) error { return im.errorAt(secIndex, 0, object.ErrFormat, "%s", what) }
	if size < 16 {
		return nil, bad("the package has no index")
	}
	p := &unitPackage{image: im, version: fixed32(d, 0, im.big), units: map[int]*unit{}}
	if v := fixed16(d, 0, im.big); v == 5 {
		p.version = v
	}
	if p.version != 2 && p.version != 5 {
		return nil, bad("index of an unknown version")
	}
	columns := fixed32(d, 4, im.big)
	rows, slots := fixed32(d, 8, im.big), fixed32(d, 12, im.big)
	if slots&(slots-1) != 0 || rows > slots ||
		16+12*slots+4*columns+8*rows*columns > uint64(size) || columns > 16 {
		return nil, bad("the index is larger than its section")
	}
	p.slots, p.rows = int(slots), int(rows)
	p.hashes = 16
	p.indexes = p.hashes + 8*p.slots
	head := p.indexes + 4*p.slots
	for i := range int(columns) {
		p.columns = append(p.columns, uint32(fixed32(d, head+4*i, im.big)))
	}
	p.offsets = head + 4*int(columns)
	p.sizesStart = p.offsets + 4*int(rows*columns)
	return p, nil
}

// unit finds the unit with the ID of a skeleton; nil where there is none.
func (p *unitPackage) unit(skeleton *unit) (*unit, error) {
	if p.slots == 0 {
		return nil, nil
	}
	im, mask := p.image, uint64(p.slots-1)
	d := im.bytes[secIndex]
	// Open addressing; the step is odd, the number of slots a power of two.
	slot, step := skeleton.dwoID&mask, (skeleton.dwoID>>32)&mask|1
	for range p.slots {
		id, row := fixed64(d, p.hashes+8*int(slot), im.big), int(fixed32(d, p.indexes+4*int(slot), im.big))
		if row == 0 {
			return nil, nil
		}
		if id == skeleton.dwoID {
			return p.unitOfRow(row, skeleton)
		}
		slot = (slot + step) & mask
	}
	return nil, nil
}

func (p *unitPackage) unitOfRow(row int, skeleton *unit) (*unit, error) {
	im := p.image
	if u, ok := p.units[row]; ok {
		return u, nil
	}
	if row > p.rows {
		return nil, im.errorAt(secIndex, p.indexes, object.ErrFormat, "row %d of %d", row, p.rows)
	}
	var contribution [packRnglists + 1]uint64
	for i, column := range p.columns {
		if column <= packRnglists {
			at := p.offsets + 4*((row-1)*len(p.columns)+i)
			contribution[column] = fixed32(im.bytes[secIndex], at, im.big)
		}
	}
	u, _, err := im.readUnitOf(int(contribution[packInfo]), int(contribution[packAbbrev]))
	if u == nil {
		return nil, err
	}
	u.skeleton = skeleton
	u.strOffsets = contribution[packStrOffsets]
	if p.version >= 5 {
		u.rnglists = contribution[packRnglists]
	}
	p.units[row] = u
	return u, nil
}

// inherit sets what a split unit takes from the place of its contributions: no
// attribute of it states the bases.
func (u *unit) inherit() {
	t := u.root
	t.strOffsetsBase += u.strOffsets
	t.rnglistsBase += u.rnglists
}
