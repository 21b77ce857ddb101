package dwarf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"unsafe"

	"github.com/ffikit/ffikit/go/object"
)

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
	secAranges
	secIndex // of a package file: .debug_cu_index
	sectionCount
)

var sectionNames = [sectionCount]string{
	".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str",
	".debug_str_offsets", ".debug_addr", ".debug_ranges", ".debug_rnglists", ".debug_aranges", ".debug_cu_index",
}

// image is the debug sections of one file: of the program, of its split units,
// or of a supplementary file. Buffers are those of object.View: slack bytes of
// zero follow, so that a number may be read at any place up to the end.
type image struct {
	file *object.File
	big  bool
	// split images have sections that end in .dwo.
	split bool
	// data is set in the program's own image; nil in all others.
	data *Data
	// supplement is the file that dwz moved common entries to, once it was sought;
	// nil where there is none.
	supplement *image
	sought     bool

	opened [sectionCount]bool
	whole  [sectionCount]bool
	views  [sectionCount]*object.View
	bytes  [sectionCount][]byte
	sizes  [sectionCount]int

	tables map[tableKey]*abbrevTable
	// units are all units of the image, in their order, once listed.
	units  []*unit
	listed bool
	// listing is what went wrong with that.
	listing error
	// byOffset are units that were met before all were listed.
	byOffset map[int]*unit
	// problem is the first section that cannot be read.
	problem error
}

func newImage(file *object.File, split bool) *image {
	return &image{
		file: file, split: split, big: file.ByteOrder() == binary.ByteOrder(binary.BigEndian),
		tables: map[tableKey]*abbrevTable{}, byOffset: map[int]*unit{},
	}
}

// open finds a section; its bytes are not there before need was called.
func (im *image) open(id sectionID) {
	if im.opened[id] {
		return
	}
	im.opened[id] = true
	view, err := im.file.View(im.sectionName(id))
	if err != nil {
		im.fail(err)
		im.bytes[id] = make([]byte, object.Slack)
		return
	}
	im.views[id], im.bytes[id], im.sizes[id] = view, view.Buffer(), view.Len()
}

func (im *image) sectionName(id sectionID) string {
	if im.split && id != secAddr && id != secRanges && id != secIndex {
		return sectionNames[id] + ".dwo"
	}
	return sectionNames[id]
}

func (im *image) fail(err error) {
	if im.problem == nil {
		im.problem = err
	}
}

// need makes [start, end) of a section readable, as far as there is so much; it
// returns the whole section's buffer and its size.
func (im *image) need(id sectionID, start, end int) ([]byte, int) {
	if !im.whole[id] {
		im.load(id, start, end)
	}
	return im.bytes[id], im.sizes[id]
}

func (im *image) load(id sectionID, start, end int) {
	im.open(id)
	if im.views[id] == nil {
		im.whole[id] = true
		return
	}
	if err := im.views[id].Load(start, min(end, im.sizes[id])); err != nil {
		im.fail(err)
	}
}

// all makes a whole section readable.
func (im *image) all(id sectionID) ([]byte, int) {
	if !im.whole[id] {
		im.open(id)
		if im.views[id] != nil {
			if err := im.views[id].LoadAll(); err != nil {
				im.fail(err)
			}
		}
		im.whole[id] = true
	}
	return im.bytes[id], im.sizes[id]
}

// size is the length of a section.
func (im *image) size(id sectionID) int {
	im.open(id)
	return im.sizes[id]
}

// alt returns the supplementary file, opened on first use; nil where there is
// none.
func (im *image) alt() *image {
	if im.sought || im.data == nil {
		return im.supplement
	}
	im.sought = true
	if _, ok, err := im.file.DebugAltLink(); !ok {
		if err != nil {
			im.fail(err)
		}
		return nil
	}
	file, err := im.data.search.OpenAltFile(im.file)
	if err != nil {
		im.fail(err)
		return nil
	}
	im.data.files = append(im.data.files, file)
	im.supplement = newImage(file, false)
	return im.supplement
}

// weight is the length of a section as far as the file pays for it: what was
// compressed more than code and its descriptions can be pays no more.
func (im *image) weight(id sectionID) int {
	const most = 64
	size := im.size(id)
	if section, ok := im.file.SectionNamed(im.sectionName(id)); ok && section.SizeBytes < uint64(size)/most {
		return most * int(section.SizeBytes)
	}
	return size
}

// text returns the NUL-terminated text at offset, cut at maxNameBytes. The bytes
// are the section's.
func (im *image) text(id sectionID, offset uint64) []byte {
	const firstLook = 256
	if offset >= uint64(im.size(id)) {
		return nil
	}
	at := int(offset)
	for look := firstLook; ; look *= 8 {
		data, size := im.need(id, at, at+look)
		part := data[at:min(at+look, size)]
		if end := bytes.IndexByte(part, 0); end >= 0 {
			return part[:end]
		}
		if at+look >= size || look >= maxNameBytes {
			return part[:min(len(part), maxNameBytes)]
		}
	}
}

// textOf sees bytes of a section as a string: a section never changes once it is
// loaded, and lives as long as what points into it.
func textOf(raw []byte) string {
	return unsafe.String(unsafe.SliceData(raw), len(raw))
}

// damage is an error about an offset in a section. A file may have millions of
// them, and one is told of: the text is made when it is.
type damage struct {
	image  *image
	id     sectionID
	offset int
	kind   error
	format string
	args   []any
}

func (im *image) errorAt(id sectionID, offset int, kind error, format string, args ...any) error {
	return &damage{im, id, offset, kind, format, args}
}

func (d *damage) Error() string { return d.tell().Error() }

func (d *damage) Unwrap() error { return d.kind }

// tell makes the error that names the place in the file.
func (d *damage) tell() error {
	at, name := int64(d.offset), d.image.sectionName(d.id)
	section, ok := d.image.file.SectionNamed(name)
	if ok && section.Flags&elf.SHF_COMPRESSED == 0 {
		at += int64(min(section.FileOffset, 1<<61))
	}
	return d.image.file.NewError(at, d.kind, name+"+0x%x: "+d.format, append([]any{d.offset}, d.args...)...)
}
