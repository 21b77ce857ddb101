package pclntab_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// forge writes tables by hand, as cmd/link does, of shapes that no linker here
// makes, and hostile ones.
type forge struct {
	order     byteOrder
	size      int // of an address
	functions []forgedFunction
	// sections split the code: start and end as the linker saw them, address.
	sections [][3]uint64
	// extra is a word before the sections, as Go 1.26 has it.
	extra bool
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

type forgedFunction struct {
	name                string
	start, end          uint32
	line                int32
	files, lines, calls []step
	tree                []forgedCall
}

// step says that value holds up to end, an offset in the function.
type step struct {
	end   uint32
	value int32
}

type forgedCall struct {
	name         string
	parent, line uint32
}

// Where the parts of a forged program lie.
const (
	forgedText   = 0x400000
	forgedTable  = 0x500000
	forgedCalls  = 0x600000
	forgedModule = 0x700000
	forgedBytes  = 0x3000 // of text
)

// forged are the bytes of a program, which tests may damage.
type forged struct {
	order                byteOrder
	size                 int
	table, calls, module []byte
	// offsets in table of its parts.
	names, units, files, pcs, functab int
	// records are offsets of functions in table.
	records []int
}

var forgedFiles = []string{"/src/main.go", "/src/other.go"}

func (f *forge) word(data []byte, value uint64) []byte {
	if f.size == 4 {
		return f.order.AppendUint32(data, uint32(value))
	}
	return f.order.AppendUint64(data, value)
}

func (f *forge) u32(data []byte, values ...uint32) []byte {
	for _, v := range values {
		data = f.order.AppendUint32(data, v)
	}
	return data
}

// steps appends a table of values to pcs and returns its offset.
func (f *forge) steps(pcs *[]byte, steps []step) uint32 {
	if len(steps) == 0 {
		return 0
	}
	at := uint32(len(*pcs))
	value, pc := int32(-1), uint32(0)
	for _, s := range steps {
		delta := s.value - value
		*pcs = binary.AppendUvarint(*pcs, uint64(uint32(delta<<1)^uint32(delta>>31)))
		*pcs = binary.AppendUvarint(*pcs, uint64(s.end-pc))
		value, pc = s.value, s.end
	}
	*pcs = append(*pcs, 0)
	return at
}

func (f *forge) build() *forged {
	out := &forged{order: f.order, size: f.size}
	names, files, pcs := []byte{}, []byte{}, []byte{0}
	name := func(text string) uint32 {
		names = append(append(names, text...), 0)
		return uint32(len(names) - len(text) - 1)
	}
	var units []byte
	for _, file := range forgedFiles {
		units = f.u32(units, uint32(len(files)))
		files = append(append(files, file...), 0)
	}
	var ftab, records []byte
	recordsAt := 8*len(f.functions) + 8
	for i := range f.functions {
		fn := &f.functions[i]
		for len(records)%f.size != 0 {
			records = append(records, 0)
		}
		ftab = f.u32(ftab, fn.start, uint32(recordsAt+len(records)))
		out.records = append(out.records, recordsAt+len(records))
		tree := ^uint32(0)
		if len(fn.tree) > 0 {
			tree = uint32(len(out.calls))
			for _, c := range fn.tree {
				out.calls = f.u32(append(out.calls, 0, 0, 0, 0), name(c.name), c.parent, c.line)
			}
		}
		records = f.u32(records, fn.start, name(fn.name), 0, 0, 0, f.steps(&pcs, fn.files), f.steps(&pcs, fn.lines), 3, 0, uint32(fn.line))
		records = append(records, 0, 0, 0, 4)
		records = f.u32(records, 0, 0, f.steps(&pcs, fn.calls), ^uint32(0), ^uint32(0), ^uint32(0), tree)
	}
	ftab = f.u32(ftab, f.functions[len(f.functions)-1].end, 0)

	out.names = 8 + 8*f.size
	out.units = out.names + len(names)
	out.files = out.units + len(units)
	out.pcs = out.files + len(files)
	out.functab = out.pcs + len(pcs)
	for i := range out.records {
		out.records[i] += out.functab
	}
	out.table = f.u32(nil, 0xfffffff1)
	out.table = append(out.table, 0, 0, 1, byte(f.size))
	for _, v := range []int{len(f.functions), len(forgedFiles), 0, out.names, out.units, out.files, out.pcs, out.functab} {
		out.table = f.word(out.table, uint64(v))
	}
	for _, part := range [][]byte{names, units, files, pcs, ftab, records} {
		out.table = append(out.table, part...)
	}
	f.addModule(out)
	return out
}

func (f *forge) addModule(out *forged) {
	words := make([]uint64, 64)
	for word, offset := range map[int]int{0: 0, 1: out.names, 4: out.units, 7: out.files, 10: out.pcs, 13: out.functab, 16: out.functab} {
		words[word] = forgedTable + uint64(offset)
	}
	first, last := uint64(f.functions[0].start), uint64(f.functions[len(f.functions)-1].end)
	words[14] = uint64(len(out.table) - out.functab)
	words[17], words[18] = uint64(len(f.functions)+1), uint64(len(f.functions)+1)
	words[20], words[21], words[22], words[23] = forgedText+first, forgedText+last, forgedText, forgedText+last
	words[40] = forgedCalls
	at := 41
	if f.extra {
		words[at] = forgedTable + uint64(len(out.table))
		at++
	}
	count := uint64(len(f.sections))
	words[at], words[at+1], words[at+2] = forgedModule+uint64(64*f.size), count, count
	for _, s := range f.sections {
		words = append(words, s[0], s[1], s[2])
		words[21], words[23] = s[2]+s[1]-s[0], s[2]+s[1]-s[0]
	}
	for _, w := range words {
		out.module = f.word(out.module, w)
	}
}

func (f *forged) image() *pclntab.Image {
	readOnly := func(addr model.VirtAddr, data []byte) pclntab.Segment {
		return pclntab.Segment{VirtAddr: addr, SizeBytes: uint64(len(data)), Contents: bytes.NewReader(data)}
	}
	module := readOnly(forgedModule, f.module)
	module.Writable = true
	return &pclntab.Image{
		Name: "forged", Order: f.order, AddrSize: f.size,
		Segments: []pclntab.Segment{
			{VirtAddr: forgedText, SizeBytes: forgedBytes, Executable: true},
			readOnly(forgedTable, f.table), readOnly(forgedCalls, f.calls), module,
		},
	}
}

// simple is a program of three functions; calls are inlined into the second.
func simple(order byteOrder, size int) *forge {
	return &forge{order: order, size: size, functions: []forgedFunction{
		{name: "main.first", start: 0, end: 0x100, line: 5, files: []step{{0xf0, 0}}, lines: []step{{0x10, 6}, {0xf0, 300}}},
		{
			name: "main.second", start: 0x100, end: 0x300, line: 20,
			files: []step{{0x40, 0}, {0x80, 1}, {0x200, 0}},
			lines: []step{{0x40, 21}, {0x60, 7}, {0x80, 3}, {0x100, 22}, {0x200, 19}},
			calls: []step{{0x40, -1}, {0x60, 1}, {0x80, 0}, {0x200, -1}},
			tree:  []forgedCall{{"other.outer", 0x90, 2}, {"other.inner", 0x70, 6}},
		},
		{name: "x_cgo_init", start: 0x300, end: 0x340},
	}}
}

func forgedFrame(function string, file, line, functionLine int, inlined bool) model.Frame {
	return model.Frame{
		Function: function, Language: model.LanguageGo, File: forgedFiles[file], Line: line, FunctionLine: functionLine, Inlined: inlined,
	}
}

func TestForgedTables(t *testing.T) {
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, size := range []int{4, 8} {
			table, err := pclntab.New(simple(order, size).build().image())
			require.NoError(t, err)
			frames, err := table.Resolve([]model.VirtAddr{
				0x400150, 0x40000f, 0x400010, 0x4000f0, 0x400100, 0x400170, 0x400200, 0x400300, 0x400340, 0x3fffff, 1 << 60,
			})
			require.NoError(t, err)
			assert.Equal(t, [][]model.Frame{
				{
					forgedFrame("other.inner", 1, 7, 6, true), forgedFrame("other.outer", 1, 3, 2, true),
					forgedFrame("main.second", 0, 22, 20, false),
				},
				{forgedFrame("main.first", 0, 6, 5, false)},
				{forgedFrame("main.first", 0, 300, 5, false)},
				nil, // padding
				{forgedFrame("main.second", 0, 21, 20, false)},
				{forgedFrame("other.outer", 1, 3, 2, true), forgedFrame("main.second", 0, 22, 20, false)},
				{forgedFrame("main.second", 0, 19, 0, false)}, // above its declaration
				{{Function: "x_cgo_init"}},
				nil, nil, nil,
			}, frames)
			f, ok, err := table.Lookup(0x400333)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, pclntab.Function{Name: "x_cgo_init", Start: 0x400300, End: 0x400340}, f)
			_, ok, err = table.Lookup(0x400340)
			require.NoError(t, err)
			assert.False(t, ok)
		}
	}
}

// Of several text sections the external linker may move the later ones up.
func TestSeveralTextSections(t *testing.T) {
	for _, extra := range []bool{false, true} {
		f := simple(binary.LittleEndian, 8)
		f.extra = extra
		f.sections = [][3]uint64{{0, 0x100, forgedText}, {0x100, 0x2f0, forgedText + 0x1100}, {0x300, 0x340, forgedText + 0x2000}}
		table, err := pclntab.New(f.build().image())
		require.NoError(t, err)
		assert.Equal(t, []object.AddrRange{
			{Start: 0x400000, End: 0x400100}, {Start: 0x401100, End: 0x4012f0}, {Start: 0x402000, End: 0x402040},
		}, table.TextRanges())
		frames, err := table.Resolve([]model.VirtAddr{0x4000ef, 0x400150, 0x401150, 0x402001, 0x4012f0, 0x402040})
		require.NoError(t, err)
		assert.Equal(t, []model.Frame{forgedFrame("main.first", 0, 300, 5, false)}, frames[0])
		assert.Empty(t, frames[1], "where the second function would be without the gap")
		require.Len(t, frames[2], 3)
		assert.Equal(t, forgedFrame("main.second", 0, 22, 20, false), frames[2][2])
		assert.Equal(t, []model.Frame{{Function: "x_cgo_init"}}, frames[3])
		assert.Empty(t, frames[4])
		assert.Empty(t, frames[5])
		for i, want := range []pclntab.Function{
			{Name: "main.first", Start: 0x400000, End: 0x400100, Line: 5},
			{Name: "main.second", Start: 0x401100, End: 0x4012f0, Line: 20},
			{Name: "x_cgo_init", Start: 0x402000, End: 0x402040},
		} {
			got, err := table.At(i)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
	}
}

func TestTextSectionsThatDoNotFitAreRefused(t *testing.T) {
	for name, sections := range map[string][][3]uint64{
		"none":              nil,
		"overlapping":       {{0, 0x200, forgedText}, {0x100, 0x340, forgedText + 0x1100}},
		"out of order":      {{0, 0x100, forgedText}, {0x100, 0x340, forgedText - 0x1000}},
		"not from the text": {{0, 0x340, forgedText + 0x10}},
		"too short":         {{0, 0x100, forgedText}, {0x100, 0x200, forgedText + 0x200}},
		"backwards":         {{0, 0x100, forgedText}, {0x340, 0x100, forgedText + 0x200}},
	} {
		f := simple(binary.LittleEndian, 8)
		f.sections = sections
		program := f.build()
		// The end of the code is another one, so that the sections are asked.
		f.order.PutUint64(program.module[8*21:], forgedText+0x2100)
		f.order.PutUint64(program.module[8*23:], forgedText+0x2100)
		_, err := pclntab.New(program.image())
		require.ErrorIs(t, err, object.ErrFormat, name)
		require.ErrorContains(t, err, "forged: offset 0x", name)
	}
}
