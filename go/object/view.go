package object

import (
	"debug/elf"
	"math"
	"sync"
	"sync/atomic"
)

// Slack zero bytes follow a section's contents in its buffer, so that a reader
// may look a little past the end.
const Slack = 64

const (
	viewBlockBits = 16
	viewBlock     = 1 << viewBlockBits
	// wordBlocks is how many blocks one word of the bitmap tells of.
	wordBlocks = 64
)

// View is a section's contents, uncompressed and, for the debug sections of a
// relocatable object, relocated. They are read on demand, block by block where
// they lie in the file as they are, all at once else, by pread: a file that
// shrinks meanwhile gives ErrChanged, never SIGBUS.
//
// Load and LoadAll may be called from several threads. Bytes that the caller
// did not load may change under it until LoadAll returned.
type View struct {
	file   *File
	buffer []byte
	// parts lie one after the other in buffer; more than one only in a
	// relocatable object, which has several sections of one name.
	parts  []part
	atOnce bool

	whole atomic.Bool
	// loaded has a bit for each block that is valid.
	loaded []atomic.Uint64
	// lock guards the filling of buffer and what follows; missing counts the
	// blocks not there.
	lock    sync.Mutex
	missing int
	// filled tells that the filling at once was tried, broken how it failed;
	filled  bool
	broken  error
	damages []damage
}

// part is a section at its place in a View.
type part struct {
	section *Section
	index   int
	packed  compression
	at      int
	size    int
}

// View returns the contents of the section of that name; those of a section
// that is missing or has no contents have Len 0. A second call returns the same
// View. Only the compression header is read here; a section that reaches past
// the end of the file or is over the limits is refused.
//
// In a relocatable object the debug sections of one name are one, as a linker
// makes them, and relocated as if it had put the code where SectionBase says.
// A place with an unknown relocation is an error when it is loaded; the rest is
// good.
func (f *File) View(name string) (*View, error) {
	s, ok := f.SectionNamed(name)
	if !ok {
		return emptyView(f), nil
	}
	if f.typ == elf.ET_REL && isDebugSection(s) {
		// The first one with contents stands for all.
		if namesakes := f.linked().namesakes[plainName(name)]; len(namesakes) > 0 {
			s = &f.sections[namesakes[0]]
		}
	}
	return f.viewOf(s)
}

// viewOf is the View of s, or of all sections that a linker would join with it.
func (f *File) viewOf(s *Section) (*View, error) {
	if !s.hasContents() {
		return emptyView(f), nil
	}
	f.viewsLock.Lock()
	defer f.viewsLock.Unlock()
	if v := f.views[s]; v != nil {
		return v, nil
	}
	v := &View{file: f}
	if f.typ == elf.ET_REL && isDebugSection(s) {
		v.atOnce = true
		for _, i := range f.linked().namesakes[plainName(s.Name)] {
			v.parts = append(v.parts, part{section: &f.sections[i], index: i, at: int(f.linkage.base[i])})
		}
	} else {
		v.parts = []part{{section: s}}
	}
	if err := v.measure(); err != nil {
		return nil, err
	}
	if f.views == nil {
		f.views = map[*Section]*View{}
	}
	f.views[s] = v
	return v, nil
}

func emptyView(f *File) *View {
	v := &View{file: f, buffer: make([]byte, Slack)}
	v.whole.Store(true)
	return v
}

// measure checks what the parts claim and makes room for them.
func (v *View) measure() error {
	f, length := v.file, 0
	for i := range v.parts {
		p := &v.parts[i]
		if err := f.checkSection(p.section); err != nil {
			return err
		}
		var err error
		if p.packed, err = f.compressionOf(p.section); err != nil {
			return err
		}
		size := p.section.SizeBytes
		if p.packed.kind != 0 {
			size, v.atOnce = p.packed.size, true
		}
		if size > math.MaxInt-Slack || v.atOnce && uint64(p.at)+size > maxAtOnceBytes {
			return f.NewError(p.section.at(), ErrLimit, "section %s of %d bytes", p.section.Name, size)
		}
		p.size = int(size)
		length = max(length, p.at+p.size)
		if err := f.charge(p); err != nil {
			return err
		}
	}
	// What is never loaded costs nothing.
	v.buffer = makeLazy(length + Slack)
	if !v.atOnce {
		v.missing = (length + viewBlock - 1) >> viewBlockBits
		v.loaded = make([]atomic.Uint64, (v.missing+wordBlocks-1)/wordBlocks)
	}
	v.whole.Store(length == 0)
	return nil
}

// charge bounds what all sections of one file ask for together. Sections of a
// sane file share no bytes, and do not shrink to a trifle when compressed.
func (f *File) charge(p *part) error {
	if f.viewedBytes += p.section.SizeBytes; f.viewedBytes > 2*uint64(f.size) {
		return f.NewError(p.section.at(), ErrLimit, "section %s: sections overlap", p.section.Name)
	}
	if p.packed.kind == 0 {
		return nil
	}
	f.inflatedBytes += p.packed.size
	if f.inflatedBytes > maxInflatedBytes+maxInflatedTimes*uint64(f.size) {
		return f.NewError(p.section.at(), ErrLimit, "section %s: sections of %d bytes uncompressed in a file of %d",
			p.section.Name, f.inflatedBytes, f.size)
	}
	return nil
}

// Len is the length of the contents in bytes.
func (v *View) Len() int { return len(v.buffer) - Slack }

// Buffer holds the contents and Slack zero bytes behind them. Bytes that are
// not loaded yet are zero. It is the View's own and always the same.
func (v *View) Buffer() []byte { return v.buffer }

// LoadAll makes all contents valid.
func (v *View) LoadAll() error { return v.Load(0, v.Len()) }

// Load makes the contents from start to end (cut to what there is) valid. It
// costs next to nothing where they are already.
func (v *View) Load(start, end int) error {
	if v.whole.Load() {
		return nil
	}
	return v.load(start, end)
}

func (v *View) load(start, end int) error {
	start, end = max(start, 0), min(end, v.Len())
	if start >= end {
		return nil
	}
	if v.atOnce {
		return v.loadAtOnce(start, end)
	}
	first, last := start>>viewBlockBits, (end-1)>>viewBlockBits
	if first == last && v.has(first) {
		return nil
	}
	v.lock.Lock()
	defer v.lock.Unlock()
	for first <= last {
		if v.has(first) {
			first++
			continue
		}
		behind := first + 1
		for behind <= last && !v.has(behind) {
			behind++
		}
		if err := v.read(first, behind); err != nil {
			return err
		}
		first = behind
	}
	return nil
}

func (v *View) has(block int) bool {
	return v.loaded[block/wordBlocks].Load()>>(block%wordBlocks)&1 != 0
}

// read fills the blocks from first to before behind, which are all missing.
func (v *View) read(first, behind int) error {
	start, end := first<<viewBlockBits, min(behind<<viewBlockBits, v.Len())
	section := v.parts[0].section
	fillSoon(v.buffer[start:end])
	if err := v.file.readInto(v.buffer[start:end], section.FileOffset+uint64(start), "section "+section.Name); err != nil {
		return err
	}
	for block := first; block < behind; block++ {
		v.loaded[block/wordBlocks].Or(1 << (block % wordBlocks))
	}
	if v.missing -= behind - first; v.missing == 0 {
		v.whole.Store(true)
	}
	return nil
}

// loadAtOnce fills all, once, and tells whether what was asked for is good.
func (v *View) loadAtOnce(start, end int) error {
	v.lock.Lock()
	defer v.lock.Unlock()
	if !v.filled {
		v.filled = true
		v.broken = v.fill()
		v.whole.Store(v.broken == nil && len(v.damages) == 0)
	}
	if v.broken != nil {
		return v.broken
	}
	for i := range v.damages {
		// A relocation outside of the section spoils no place in it.
		if d := &v.damages[i]; d.start < end && start < d.end || start == 0 && end == v.Len() {
			return d.err
		}
	}
	return nil
}

func (v *View) fill() error {
	relocator := relocator{file: v.file, types: relocationTypes[v.file.machine]}
	for i := range v.parts {
		p := &v.parts[i]
		data := v.buffer[p.at : p.at+p.size : p.at+p.size]
		if err := v.file.fill(data, p.section, p.packed); err != nil {
			return err
		}
		if v.file.typ != elf.ET_REL || !isDebugSection(p.section) {
			continue
		}
		relocator.link = v.file.linked()
		if err := relocator.relocate(p.index, data, p.at); err != nil {
			return err
		}
	}
	v.damages = relocator.damages
	return nil
}
