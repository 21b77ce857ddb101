package dwarf

// paths numbers the paths of source files, equal ones alike; 0 is none.
type paths struct {
	texts   []string
	numbers map[string]uint32
}

// path returns the number of file index of u's line table, made absolute by the
// compilation directory.
func (r *reader) path(u *unit, index uint32) uint32 {
	if u.skeleton != nil {
		u = u.skeleton
	}
	if uint64(index) < uint64(len(u.paths)) {
		if number := u.paths[index]; number != 0 {
			return number - 1
		}
	}
	t := r.linesOf(u)
	if t == nil {
		return 0
	}
	r.readFiles(u, t)
	if uint64(index) >= uint64(len(t.files)) || t.version < 5 && index == 0 {
		return 0
	}
	if u.paths == nil && r.data.takePathSlots(len(t.files)) {
		u.paths = make([]uint32, len(t.files))
	}
	number := r.data.paths.number(r, r.joined(u, t, t.files[index]))
	if u.paths != nil {
		u.paths[index] = number + 1
	}
	return number
}

// takePathSlots tells whether a unit may remember the numbers of so many files.
// Units that each have a line table of their own always may; where many share one,
// some make their paths anew each time.
func (d *Data) takePathSlots(files int) bool {
	if d.pathSlots+files > freePathSlots+d.main.weight(secLine) {
		return false
	}
	d.pathSlots += files
	return true
}

// joined is the path of a file, empty where it has no name.
func (r *reader) joined(u *unit, t *lineTable, file lineFile) []byte {
	path := u.bytesAt(file.name)
	if len(path) == 0 {
		return nil
	}
	if path[0] != '/' && file.dir < uint64(len(t.dirs)) {
		path = joinPath(u.bytesAt(t.dirs[file.dir]), path)
	}
	// Version 5's directory 0 is the compilation directory already.
	if path[0] != '/' && (t.version < 5 || file.dir != 0) {
		path = joinPath(u.bytesAt(u.root.compDir), path)
	}
	return path[:min(len(path), 3*maxPathBytes)]
}

func (p *paths) number(r *reader, path []byte) uint32 {
	if number, ok := p.numbers[string(path)]; ok || len(path) == 0 {
		return number
	}
	text := string([]byte(r.borrow(path)))
	if text == "" {
		return 0
	}
	if p.numbers == nil {
		p.texts, p.numbers = []string{""}, map[string]uint32{}
	}
	number := uint32(len(p.texts))
	p.texts, p.numbers[text] = append(p.texts, text), number
	return number
}

// text is the path that has a number.
func (p *paths) text(number uint32) string {
	if uint64(number) < uint64(len(p.texts)) {
		return p.texts[number]
	}
	return ""
}

// forget drops all paths, where they have become too many.
func (d *Data) forgetPaths() {
	if len(d.paths.texts) < maxPaths {
		return
	}
	d.paths, d.pathSlots = paths{}, 0
	for _, im := range d.images() {
		for _, u := range im.units {
			u.paths = nil
		}
		for _, u := range im.byOffset {
			if u != nil {
				u.paths = nil
			}
		}
	}
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
