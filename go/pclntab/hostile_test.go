package pclntab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// within fails the test where work hangs.
func within(t testing.TB, limit time.Duration, what string, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); work() }()
	select {
	case <-done:
	case <-time.After(limit):
		require.FailNow(t, what+" hangs")
	}
}

// Damage to one function is said with its place, and the others are answered.
func TestDamageIsSaidAndKeptToItsFunction(t *testing.T) {
	const inSecond, inFirst = model.VirtAddr(0x400150), model.VirtAddr(0x400020)
	for _, test := range []struct {
		name   string
		damage func(p *forged)
		says   string
		// want is what is still known of the second function's leaf.
		want model.Frame
	}{
		{"record outside", func(p *forged) { p.order.PutUint32(p.table[p.functab+12:], 1<<30) }, "outside of the table", model.Frame{}},
		{"record of another function", func(p *forged) { p.order.PutUint32(p.table[p.records[1]:], 0x108) }, "in its record", model.Frame{}},
		{
			"name outside", func(p *forged) { p.order.PutUint32(p.table[p.records[1]+4:], 1<<31) }, "a name that does not end",
			model.Frame{Function: "other.inner", Language: model.LanguageGo, File: "/src/other.go", Line: 7, FunctionLine: 6, Inlined: true},
		},
		{"lines outside", func(p *forged) { p.order.PutUint32(p.table[p.records[1]+24:], 1<<31) }, "outside of all", model.Frame{}},
		{
			"file outside", func(p *forged) { p.order.PutUint32(p.table[p.records[1]+32:], 1<<20) }, "of unit 1048576",
			model.Frame{Function: "other.inner", Language: model.LanguageGo, Inlined: true},
		},
		{
			"calls outside", func(p *forged) { p.order.PutUint32(p.table[len(p.table)-4-funcTail:], 1<<31) }, "inlined call",
			model.Frame{Function: "main.second", Language: model.LanguageGo},
		},
		{
			"call into itself", func(p *forged) { p.order.PutUint32(p.calls[16+8:], 0x50) }, "inlined call 1",
			model.Frame{Function: "main.second", Language: model.LanguageGo},
		},
		{
			"call behind the function", func(p *forged) { p.order.PutUint32(p.calls[16+8:], 0x200) }, "inlined call 1",
			model.Frame{Function: "main.second", Language: model.LanguageGo},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			program := simple(binary.LittleEndian, 8).build()
			test.damage(program)
			table, err := pclntab.New(program.image())
			require.NoError(t, err)
			frames, err := table.Resolve([]model.VirtAddr{inSecond, inFirst})
			require.ErrorIs(t, err, object.ErrFormat)
			assert.ErrorContains(t, err, "forged: offset 0x")
			assert.ErrorContains(t, err, test.says)
			if test.want == (model.Frame{}) {
				assert.Empty(t, frames[0])
			} else if assert.NotEmpty(t, frames[0]) {
				assert.Equal(t, test.want, frames[0][0])
			}
			assert.Equal(t, []model.Frame{forgedFrame("main.first", 0, 300, 5, false)}, frames[1])
			_, err = table.Resolve([]model.VirtAddr{inFirst})
			assert.NoError(t, err, "an error is told of its own call")
		})
	}
}

// funcTail is what follows the second function's last word in a forged table:
// the third one's record.
const funcTail = 44 + 7*4

// Lines that do not advance, or reach out of their function, end there.
func TestLinesAreBoundByTheirFunction(t *testing.T) {
	for name, pcs := range map[string][]byte{
		"no advance":  {2, 0, 2, 0x60, 0},
		"beyond":      {2, 0x60, 2, 0xff, 0xff, 0x7f, 0},
		"no end":      bytes.Repeat([]byte{2, 1}, 4),
		"long number": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		f := simple(binary.LittleEndian, 8)
		f.functions = f.functions[:1]
		program := f.build()
		table := program.table[program.pcs+1 : program.functab]
		clear(table)
		copy(table, pcs)
		program.order.PutUint32(program.table[program.records[0]+20:], 1)
		program.order.PutUint32(program.table[program.records[0]+24:], 1)
		for i := len(pcs); i < len(table); i++ {
			table[i] = 0x81 // a number that does not end
		}
		within(t, 2*time.Second, name, func() {
			table, err := pclntab.New(program.image())
			require.NoError(t, err, name)
			_, err = table.Resolve([]model.VirtAddr{0x400050})
			require.ErrorIs(t, err, object.ErrFormat, name)
		})
	}
}

// Counts and offsets of the header are claims.
func TestHeaderThatDoesNotFitIsNotTaken(t *testing.T) {
	for offset := 8; offset < 72; offset += 8 {
		if offset == 16 || offset == 24 { // the number of files, and what was textStart
			continue
		}
		for _, value := range []uint64{0, 1, 1 << 20, 1 << 40, 1 << 63, ^uint64(0)} {
			program := simple(binary.LittleEndian, 8).build()
			program.order.PutUint64(program.table[offset:], value)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := pclntab.New(program.image())
			runtime.ReadMemStats(&after)
			require.Error(t, err, "%d at offset %d", value, offset)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		}
	}
}

// pattern is an endless repetition, of which nothing is stored. It counts how
// often it is read.
type pattern struct {
	bytes []byte
	reads int
}

func (r *pattern) ReadAt(data []byte, offset int64) (int, error) {
	p := r.bytes
	r.reads++
	done := copy(data, p[int(offset)%len(p):])
	for done < len(data) && done < len(p) {
		done += copy(data[done:], p)
	}
	// What is there repeats.
	for done < len(data) {
		done += copy(data[done:], data[done%len(p):done])
	}
	return len(data), nil
}

// A file may be full of what looks like the start of a table, or of pointers to
// one.
func TestFloodsAreCutShort(t *testing.T) {
	header := simple(binary.LittleEndian, 8).build()
	pointers := binary.LittleEndian.AppendUint64(nil, forgedTable)
	pointers = binary.LittleEndian.AppendUint64(pointers, forgedTable+uint64(header.names))
	for _, test := range []struct {
		name     string
		bytes    []byte
		writable bool
	}{
		{"magic", []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}, false},
		{"unaligned", []byte{1, 0xf1, 0xff, 0xff, 0xff, 0, 0}, false},
		{"headers", append(bytes.Clone(header.table[:72]), make([]byte, 8)...), false},
		{"zeros", make([]byte, 4096), true},
		{"pointers", pointers, true},
	} {
		image, contents := header.image(), &pattern{bytes: test.bytes}
		image.Segments[3].Contents = bytes.NewReader(make([]byte, len(header.module)))
		image.Segments = append(image.Segments, pclntab.Segment{
			VirtAddr: 1 << 32, SizeBytes: 1 << 40, Writable: test.writable, Contents: contents,
		})
		within(t, 60*time.Second, test.name, func() {
			_, err := pclntab.New(image)
			require.ErrorIs(t, err, object.ErrLimit, test.name)
			require.ErrorContains(t, err, "forged", test.name)
		})
		assert.Less(t, contents.reads, 2<<20, test.name)
	}
}

// One address may not become a million frames, nor a million addresses that
// many names.
func TestFramesAndNamesComeOutOfABudget(t *testing.T) {
	const depth = 400
	deep := forgedFunction{name: "main.deep", end: 0x1000, files: []step{{0x1000, 0}}, lines: []step{{0x1000, 9}}}
	for i := range depth {
		// Call i stands at offset i, and is inlined into call i-1.
		deep.calls = append(deep.calls, step{uint32(i + 1), int32(i) - 1})
		deep.tree = append(deep.tree, forgedCall{"main.call", uint32(i), 1})
	}
	deep.calls = append(deep.calls, step{0x1000, depth - 1})
	f := &forge{order: binary.LittleEndian, size: 8, functions: []forgedFunction{deep}}
	table, err := pclntab.New(f.build().image())
	require.NoError(t, err)
	one, err := table.Resolve([]model.VirtAddr{0x400fff})
	require.NoError(t, err)
	require.Len(t, one[0], depth+1)

	addrs := make([]model.VirtAddr, 100000)
	for i := range addrs {
		addrs[i] = 0x400fff
	}
	frames, err := table.Resolve(addrs)
	require.ErrorIs(t, err, object.ErrLimit)
	total := 0
	for _, chain := range frames {
		total += len(chain)
	}
	assert.Less(t, total, 2_000_000)
	assert.Greater(t, total, 1_000_000)
}

// Functions may share a table of many lines, and lie within each other so
// that each address asks for another one.
func TestFunctionsThatShareLinesComeOutOfABudget(t *testing.T) {
	const rows, groups = 1 << 18, 300
	first := forgedFunction{name: "main.first"}
	for i := range uint32(rows) {
		first.files = append(first.files, step{i + 1, int32(i % 2)})
		first.lines = append(first.lines, step{i + 1, 1 + int32(i%2)})
	}
	f := &forge{order: binary.LittleEndian, size: 8, functions: []forgedFunction{first}}
	var addrs []model.VirtAddr
	for i := range uint32(groups) {
		start := uint32(rows/2) + 16*i
		f.functions = append(f.functions, forgedFunction{start: start}, forgedFunction{}, forgedFunction{end: rows})
		addrs = append(addrs, forgedText+model.VirtAddr(start)-8)
	}
	forged := f.build()
	const fileAndLine = 20
	for _, record := range forged.records {
		copy(forged.table[record+fileAndLine:][:8], forged.table[forged.records[0]+fileAndLine:])
	}
	image := forged.image()
	image.Segments[0].SizeBytes = rows
	table, err := pclntab.New(image)
	require.NoError(t, err)
	known := 0
	require.Error(t, table.Each(addrs, func(_ int, frames []model.Frame) {
		if len(frames) > 0 && frames[0].Line > 0 {
			known++
		}
	}))
	// Half of the addresses are found in one function, two in each of the others. The
	// file has room for two tables of so many rows, and four are granted.
	assert.Positive(t, known)
	assert.Less(t, known, groups/2+30)
}

// failing gives an error behind so many bytes.
type failing struct {
	io.ReaderAt
	end int64
}

var errTorn = errors.New("torn")

func (f failing) ReadAt(data []byte, offset int64) (int, error) {
	if offset+int64(len(data)) > f.end {
		return 0, errTorn
	}
	return f.ReaderAt.ReadAt(data, offset)
}

func TestContentsThatCannotBeReadAreAnError(t *testing.T) {
	program := simple(binary.LittleEndian, 8).build()
	image := program.image()
	image.Segments[2].Contents = failing{image.Segments[2].Contents, 8}
	table, err := pclntab.New(image)
	require.NoError(t, err)
	_, err = table.Resolve([]model.VirtAddr{0x400150})
	require.ErrorIs(t, err, errTorn)
	_, err = pclntab.New(&pclntab.Image{Name: "none"})
	require.ErrorIs(t, err, object.ErrFormat)
}

func TestFileThatShrinksIsAnError(t *testing.T) {
	content, err := os.ReadFile(program(t, "local"))
	require.NoError(t, err)
	path := t.TempDir() + "/shrinking"
	require.NoError(t, os.WriteFile(path, content, 0o755))
	table := open(t, path)
	first, err := table.At(0)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 4096))
	_, err = table.Resolve([]model.VirtAddr{table.TextRanges()[0].End - 64, first.Start})
	assert.ErrorIs(t, err, object.ErrChanged)
	assert.ErrorContains(t, err, path)
}

// mutation is an edit of a few bytes that can be taken back.
type mutation struct {
	at  []int
	was []byte
}

func mutate(random *rand.Rand, content []byte, places [][2]int) (m mutation) {
	interesting := []byte{0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40}
	for range 1 + random.IntN(16) {
		place := places[random.IntN(len(places))]
		at := place[0] + random.IntN(place[1]-place[0])
		for range 1 + random.IntN(4) {
			if at >= len(content) {
				break
			}
			m.at, m.was = append(m.at, at), append(m.was, content[at])
			switch random.IntN(3) {
			case 0:
				content[at] ^= 1 << random.IntN(8)
			case 1:
				content[at] = byte(random.Uint32())
			default:
				content[at] = interesting[random.IntN(len(interesting))]
			}
			at++
		}
	}
	return m
}

func (m mutation) undo(content []byte) {
	for i := len(m.at) - 1; i >= 0; i-- {
		content[m.at[i]] = m.was[i]
	}
}

// wanted are the places of content where mutants are made: header and start of
// the table, its parts, the module data, the file's own headers, anywhere.
func wanted(t *testing.T, content []byte) [][2]int {
	t.Helper()
	at := bytes.Index(content, []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8})
	require.Positive(t, at)
	word := func(i int) int { return at + int(binary.LittleEndian.Uint64(content[at+8*i:])) }
	places := [][2]int{{at, at + 72}, {0, 64 + 56*10}, {0, len(content)}}
	for i := 4; i < 8; i++ {
		places = append(places, [2]int{word(i), word(i + 1)})
	}
	functions := int(binary.LittleEndian.Uint64(content[at+8:]))
	places = append(places, [2]int{word(8), word(8) + 8*functions}, [2]int{word(8) + 8*functions, word(8) + 60*functions})
	return places
}

func TestMutants(t *testing.T) {
	for _, path := range []string{stripped(t, program(t, "local")), stripped(t, library(t, "go1.24.13")), positionIndependent(t, "go1.21.13")} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		healthy := open(t, path)
		random := rand.New(rand.NewPCG(1, uint64(len(content))))
		var addrs []model.VirtAddr
		for range 200 {
			f, err := healthy.At(random.IntN(healthy.Len()))
			require.NoError(t, err)
			addrs = append(addrs, f.Start+model.VirtAddr(random.Uint64N(uint64(f.End-f.Start))))
		}
		places := wanted(t, content)
		var opened, answered, refused int
		for range mutants {
			m := mutate(random, content, places)
			within(t, 2*time.Second, path, func() {
				file, err := object.NewFile("mutant", bytes.NewReader(content), int64(len(content)))
				if err != nil {
					return
				}
				table, err := pclntab.Open(file)
				if err != nil {
					refused++
					return
				}
				opened++
				frames, err := table.Resolve(addrs)
				if err != nil {
					refused++
				}
				answered += checkChains(t, frames)
				if opened%16 == 0 {
					extracted, _ := table.Extract(2)
					requireSound(t, extracted)
				}
			})
			m.undo(content)
		}
		t.Logf("%d of %d opened, %d refused in whole or in part, %d frames", opened, mutants, refused, answered)
		assert.Greater(t, opened, mutants/3)
		assert.Greater(t, refused, mutants/20)
	}
}

// checkChains returns the number of frames, each of which must be as promised.
func checkChains(t testing.TB, frames [][]model.Frame) (count int) {
	for _, chain := range frames {
		count += len(chain)
		for i := range chain {
			require.Equal(t, i < len(chain)-1, chain[i].Inlined)
			require.GreaterOrEqual(t, chain[i].Line, chain[i].FunctionLine)
			require.GreaterOrEqual(t, chain[i].FunctionLine, 0)
		}
	}
	return count
}

func FuzzTable(f *testing.F) {
	for i, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		p := simple(order, 8>>i).build()
		f.Add(p.table, p.calls, p.module, i == 1, i == 1)
		split := simple(order, 8>>i)
		split.sections = [][3]uint64{{0, 0x100, forgedText}, {0x100, 0x340, forgedText + 0x1100}}
		p = split.build()
		f.Add(p.table, p.calls, p.module, i == 1, i == 1)
	}
	f.Fuzz(func(t *testing.T, table, calls, module []byte, big, narrow bool) {
		program := &forged{order: binary.LittleEndian, size: 8, table: table, calls: calls, module: module}
		if big {
			program.order = binary.BigEndian
		}
		if narrow {
			program.size = 4
		}
		opened, err := pclntab.New(program.image())
		if err != nil {
			return
		}
		var addrs []model.VirtAddr
		for addr := model.VirtAddr(forgedText); addr < forgedText+forgedBytes; addr += 0x20 {
			addrs = append(addrs, addr)
		}
		frames, _ := opened.Resolve(addrs)
		checkChains(t, frames)
		next := 0
		_ = opened.Each(addrs, func(i int, chain []model.Frame) {
			require.Equal(t, next, i)
			require.Len(t, chain, len(frames[i]))
			next++
		})
		require.Len(t, addrs, next)
		extracted, _ := opened.Extract(2)
		requireSound(t, extracted)
		for i := range min(opened.Len(), 64) {
			_, _ = opened.At(i)
		}
	})
}
