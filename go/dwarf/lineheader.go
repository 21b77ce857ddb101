package dwarf

import "github.com/ffikit/ffikit/go/object"

// lineTable is a unit's line number program header (DWARF 5, 6.2.4) and the
// places where the sequences of its program start.
type lineTable struct {
	version    uint16
	addrSize   uint8
	program    int // offsets in .debug_line
	end        int
	minInst    uint64
	lineBase   int64
	lineRange  uint64
	opcodeBase uint8
	operands   []byte // of standard opcode i+1

	dirs      [][]byte
	files     []lineFile
	sequences []sequence
	listed    bool // sequences are known
}

// lineFile is one entry of the file table; the bytes are the section's.
type lineFile struct {
	name []byte
	dir  uint64
}

// readLines reads the line table header of u, once.
func (d *Data) readLines(u *unit, info *unitInfo) error {
	if info.linesRead {
		return nil
	}
	info.linesRead = true
	v, ok := info.root.entry.get(slotStmtList)
	if !ok {
		return nil
	}
	d.grant(len(d.section(secLine)))
	table, err := d.readLineHeader(u, info, v.bits)
	if table != nil {
		info.lines = table
		d.remember(40 * (len(table.files) + len(table.dirs)))
	}
	return err
}

func (d *Data) readLineHeader(u *unit, info *unitInfo, offset uint64) (*lineTable, error) {
	bad := func(what string) error {
		return d.errorAt(secLine, offset, object.ErrFormat, "line table: %s", what)
	}
	c := d.cursor(secLine)
	c.seek(offset)
	length, dwarf64 := c.length()
	if c.bad || length > uint64(len(c.data)-c.off) {
		return nil, bad("it reaches past the end of the section")
	}
	t := &lineTable{end: c.off + int(length), addrSize: u.addrSize}
	c.data = c.data[:t.end]
	t.version = c.u16()
	if t.version < 2 || t.version > 5 {
		return nil, bad("unknown version")
	}
	if t.version >= 5 {
		t.addrSize = c.u8()
		c.u8() // segment selector size
	}
	headerLength := c.offset(dwarf64)
	if c.bad || headerLength > uint64(t.end-c.off) {
		return nil, bad("its header is longer than itself")
	}
	t.program = c.off + int(headerLength)
	t.minInst = uint64(c.u8())
	if t.version >= 4 {
		c.u8() // maximum_operations_per_instruction: above 1 for VLIW only
	}
	c.u8() // default_is_stmt
	t.lineBase = int64(int8(c.u8()))
	t.lineRange = uint64(c.u8())
	t.opcodeBase = c.u8()
	if c.bad || t.opcodeBase == 0 || t.lineRange == 0 && t.opcodeBase < 255 {
		return nil, bad("its parameters make no sense")
	}
	operandsAt := c.off
	c.skip(uint64(t.opcodeBase - 1))
	if c.bad {
		return nil, bad("it is cut off")
	}
	t.operands = c.data[operandsAt:c.off]
	if t.version >= 5 {
		ok := d.readFileTables(u, info, t, c, dwarf64)
		if !ok {
			return t, bad("its file table cannot be read")
		}
		return t, nil
	}
	d.readOldFileTables(info, u, t, c)
	return t, nil
}

// readOldFileTables reads the tables of versions 2 to 4, in which directory 0
// is the compilation directory and files count from 1.
func (d *Data) readOldFileTables(info *unitInfo, u *unit, t *lineTable, c *cursor) {
	t.dirs = append(t.dirs, nil)
	for len(t.dirs) < maxLineFiles {
		dir := c.text()
		if len(dir) == 0 {
			break
		}
		t.dirs = append(t.dirs, dir)
	}
	name, _ := info.root.entry.get(slotName)
	t.files = append(t.files, lineFile{name: d.stringValue(u, &info.root, name)})
	for len(t.files) < maxLineFiles {
		name := c.text()
		if len(name) == 0 {
			break
		}
		t.files = append(t.files, lineFile{name: name, dir: c.uleb()})
		c.uleb() // time
		c.uleb() // length
	}
}

// readFileTables reads the tables of version 5, in which directory 0 is the
// compilation directory and file 0 the primary source file.
func (d *Data) readFileTables(u *unit, info *unitInfo, t *lineTable, c *cursor, dwarf64 bool) bool {
	// The line table brings its own offset size; a unit stands for it here.
	shape := *u
	shape.dwarf64, shape.addrSize = dwarf64, t.addrSize
	return d.readFileTable(&shape, info, c, func(f lineFile) { t.dirs = append(t.dirs, f.name) }) &&
		d.readFileTable(&shape, info, c, func(f lineFile) { t.files = append(t.files, f) })
}

func (d *Data) readFileTable(u *unit, info *unitInfo, c *cursor, add func(lineFile)) bool {
	type column struct{ content, form uint64 }
	columns := make([]column, c.u8())
	for i := range columns {
		columns[i] = column{c.uleb(), c.uleb()}
		// Every form here takes bytes, so that the count below is bounded by them.
		if form := columns[i].form; u.formSize(form) == 0 || form == formIndirect || form > 0xffff {
			return false
		}
	}
	count := c.uleb()
	if count == 0 {
		return !c.bad
	}
	if len(columns) == 0 || count > maxLineFiles {
		return false
	}
	for ; count > 0 && !c.bad; count-- {
		if !d.spend(len(columns)) {
			return false
		}
		var file lineFile
		for _, column := range columns {
			v := readForm(u, c, uint16(column.form), 0)
			switch column.content {
			case lnctPath:
				if v.form == formString {
					file.name = d.stringAt(secLine, v.bits)
				} else {
					file.name = d.stringValue(u, &info.root, v)
				}
			case lnctDirectoryIndex:
				file.dir = v.bits
			}
		}
		add(file)
	}
	return !c.bad
}

// filePath returns the path of file number index of u, made absolute by the
// compilation directory; empty where it is unknown.
func (d *Data) filePath(u *unit, info *unitInfo, index uint64) string {
	if path, ok := info.paths[index]; ok {
		return path
	}
	t := info.lines
	if t == nil || index >= uint64(len(t.files)) || t.version < 5 && index == 0 {
		return ""
	}
	file := t.files[index]
	if len(file.name) == 0 {
		return ""
	}
	path := file.name
	if path[0] != '/' && file.dir < uint64(len(t.dirs)) {
		path = joinPath(t.dirs[file.dir], path)
	}
	// Version 5's directory 0 is the compilation directory already.
	if path[0] != '/' && (t.version < 5 || file.dir != 0) {
		v, _ := info.root.entry.get(slotCompDir)
		path = joinPath(d.stringValue(u, &info.root, v), path)
	}
	text := d.text(path, 3*maxPathBytes)
	if info.paths == nil {
		info.paths = map[uint64]string{}
	}
	info.paths[index] = text
	d.remember(len(text) + 32)
	return text
}

// joinPath puts dir before path and changes neither: compilers' paths are
// compared as they were written.
func joinPath(dir, path []byte) []byte {
	dir, path = dir[:min(len(dir), maxPathBytes)], path[:min(len(path), 2*maxPathBytes)]
	if len(dir) == 0 {
		return path
	}
	joined := make([]byte, 0, len(dir)+1+len(path))
	joined = append(joined, dir...)
	if dir[len(dir)-1] != '/' {
		joined = append(joined, '/')
	}
	return append(joined, path...)
}
