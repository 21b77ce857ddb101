package object

import (
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

// View is a section's contents, uncompressed and, in a relocatable object,
// relocated. They are read on demand, block by block where they lie in the file
// as they are, all at once else, by pread: a file that shrinks meanwhile gives
// ErrChanged, never SIGBUS.
//
// Load and LoadAll may be called from several threads. Bytes that the caller
// did not load may change under it until LoadAll returned.
type View struct {
	file    *File
	section *Section // nil: missing or without contents
	buffer  []byte
	// packed tells how the contents are compressed; fill makes them valid in
	// one go where they cannot be read by block.
	packed compression
	atOnce bool

	whole atomic.Bool
	// loaded has a bit for each block that is valid.
	loaded []atomic.Uint64
	// lock guards the filling of buffer; missing counts the blocks not there.
	lock    sync.Mutex
	missing int
	// broken is the error of a filling in one go, which is not tried again.
	broken error
}

// View returns the contents of the section of that name; those of a section
// that is missing or has no contents have Len 0. A second call returns the same
// View. Only the compression header is read here; a section that reaches past
// the end of the file or is over the limits is refused.
func (f *File) View(name string) (*View, error) {
	s, ok := f.SectionNamed(name)
	if !ok || !s.hasContents() {
		return emptyView(f), nil
	}
	f.viewsLock.Lock()
	defer f.viewsLock.Unlock()
	if v := f.views[s]; v != nil {
		return v, nil
	}
	v, err := f.newView(s)
	if err != nil {
		return nil, err
	}
	// Sections of a sane file share no bytes; ones that do would multiply
	// the memory that a file can ask for.
	if !v.atOnce {
		if f.viewedBytes += s.SizeBytes; f.viewedBytes > 2*uint64(f.size) {
			return nil, f.NewError(s.at(), ErrLimit, "section %s: sections overlap", s.Name)
		}
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

func (f *File) newView(s *Section) (*View, error) {
	if err := f.checkSection(s); err != nil {
		return nil, err
	}
	packed, err := f.compressionOf(s)
	if err != nil {
		return nil, err
	}
	size := s.SizeBytes
	if packed.kind != 0 {
		size = packed.size
	}
	if size > math.MaxInt-Slack {
		return nil, f.NewError(s.at(), ErrLimit, "section %s of %d bytes", s.Name, size)
	}
	v := &View{file: f, section: s, packed: packed, atOnce: packed.kind != 0}
	// A large allocation comes from the system lazily zeroed: what is never
	// loaded costs nothing.
	v.buffer = make([]byte, int(size)+Slack)
	v.missing = (int(size) + viewBlock - 1) >> viewBlockBits
	v.loaded = make([]atomic.Uint64, (v.missing+wordBlocks-1)/wordBlocks)
	v.whole.Store(size == 0)
	return v, nil
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
	first, last := start>>viewBlockBits, (end-1)>>viewBlockBits
	if first == last && v.has(first) {
		return nil
	}
	v.lock.Lock()
	defer v.lock.Unlock()
	if v.atOnce {
		return v.loadAtOnce()
	}
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
	if err := v.file.readInto(v.buffer[start:end], v.section.FileOffset+uint64(start), v.section.Name); err != nil {
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

func (v *View) loadAtOnce() error {
	if v.whole.Load() || v.broken != nil {
		return v.broken
	}
	if v.broken = v.file.fill(v.buffer[:v.Len()], v.section, v.packed); v.broken != nil {
		return v.broken
	}
	v.whole.Store(true)
	return nil
}
