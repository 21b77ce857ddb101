package dwarf

// CompilationDirs are the folders that the compilers ran in, as the file's
// units say, each once, at most limit of them.
func (d *Data) CompilationDirs(limit int) []string {
	r := &d.reader
	r.begin(1)
	if err := d.main.list(); err != nil {
		r.note(err)
	}
	var dirs []string
	seen := map[string]bool{"": true}
	for _, u := range d.main.units {
		if len(dirs) >= limit {
			break
		}
		root, err := r.rootOf(u)
		if err != nil || root.compDir == 0 {
			continue
		}
		if dir := r.intern(r.borrow(u.bytesAt(root.compDir))); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
