package pclntab_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// framesIn looks an address up as the types of codemap say, with nothing to be
// quick about.
func framesIn(table *codemap.Table, addr model.VirtAddr) (frames []model.Frame) {
	if uint64(addr) < table.Base || uint64(addr)-table.Base >= 1<<32 {
		return nil
	}
	into := uint32(uint64(addr) - table.Base)
	at := sort.Search(len(table.Starts), func(i int) bool { return table.Starts[i] > into }) - 1
	if at < 0 || table.Records[at].Node == 0 {
		return nil
	}
	place := table.Places[table.Records[at].Place]
	for number := table.Records[at].Node; number != 0; {
		node := table.Nodes[number]
		function := table.Functions[node.Function]
		frame := model.Frame{
			Function: table.Names[function.Name], LinkageName: table.Names[function.Linkage],
			Language: codemap.ModelLanguage(function.Language),
			File:     table.Files[place.File], Line: int(place.Line), Column: int(place.Column), Inlined: node.Parent != 0,
		}
		if function.File == place.File {
			frame.FunctionLine = int(function.Line)
		}
		frames = append(frames, frame)
		number, place = node.Parent, table.Places[node.Call]
	}
	return frames
}

// requireSound checks what codemap promises of its tables.
func requireSound(t testing.TB, table *codemap.Table) {
	t.Helper()
	require.Len(t, table.Records, len(table.Starts))
	require.Zero(t, table.Nodes[0])
	require.Zero(t, table.Functions[0])
	require.Zero(t, table.Places[0])
	require.Empty(t, table.Files[0])
	require.Empty(t, table.Names[0])
	// A million plain comparisons are quick, as many assertions are not.
	holds := func(ok bool, what string, i int) {
		if !ok {
			require.Fail(t, what, "entry %d", i)
		}
	}
	last := codemap.Record{}
	for i, r := range table.Records {
		holds(i == 0 || table.Starts[i] > table.Starts[i-1], "starts rise", i)
		holds(i == 0 || r != last, "a record is not the one before", i)
		holds(int(r.Node) < len(table.Nodes) && int(r.Place) < len(table.Places), "records are in bounds", i)
		last = r
	}
	require.Equal(t, codemap.Record{}, last)
	for i, n := range table.Nodes {
		holds(n.Parent < uint32(i) || i == 0, "parents come first", i)
		holds(int(n.Call) < len(table.Places) && int(n.Function) < len(table.Functions), "nodes are in bounds", i)
	}
	places, functions := map[codemap.Place]bool{}, map[codemap.Function]bool{}
	for i, p := range table.Places {
		holds(int(p.File) < len(table.Files), "places are in bounds", i)
		holds(!places[p], "a place is there once", i)
		places[p] = true
	}
	for i, f := range table.Functions {
		holds(int(f.File) < len(table.Files) && int(f.Name) < len(table.Names), "functions are in bounds", i)
		holds(!functions[f], "a function is there once", i)
		functions[f] = true
	}
}

// requireSameFrames compares random addresses in and around the text.
func requireSameFrames(t testing.TB, table *pclntab.Table, extracted *codemap.Table, count int) (inlined int) {
	t.Helper()
	requireSound(t, extracted)
	ranges := table.TextRanges()
	start, end := ranges[0].Start-64, ranges[len(ranges)-1].End+64
	random := rand.New(rand.NewPCG(5, uint64(end)))
	addrs := make([]model.VirtAddr, count)
	for i := range addrs {
		addrs[i] = start + model.VirtAddr(random.Uint64N(uint64(end-start)))
	}
	frames, _ := table.Resolve(addrs)
	for i, addr := range addrs {
		if got := framesIn(extracted, addr); !slices.Equal(frames[i], got) {
			require.Equal(t, frames[i], got, addr)
		}
		inlined += max(1, len(frames[i])) - 1
	}
	return inlined
}

func TestExtractedTableAnswersAsTheTable(t *testing.T) {
	for _, release := range releases {
		for _, path := range []string{program(t, release), stripped(t, library(t, release))} {
			t.Run(filepath.Base(path), func(t *testing.T) {
				table := open(t, path)
				extracted, err := table.Extract(2)
				require.NoError(t, err)
				inlined := requireSameFrames(t, table, extracted, 20000)
				assert.Greater(t, inlined, 2000)
				t.Logf("%d records, %d nodes, %d places", len(extracted.Records), len(extracted.Nodes), len(extracted.Places))
			})
		}
	}
}

func TestExtractDoesNotDependOnWorkers(t *testing.T) {
	table := open(t, program(t, "local"))
	one, err := table.Extract(1)
	require.NoError(t, err)
	for _, workers := range []int{0, 2, 7, 1000} {
		many, err := table.Extract(workers)
		require.NoError(t, err)
		require.Equal(t, one, many, workers)
	}
	assert.Greater(t, len(one.Records), 20000)
}

// The gaps between text sections, and C code, which has a name only.
func TestExtractOfForgedTables(t *testing.T) {
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, size := range []int{4, 8} {
			for _, sections := range [][][3]uint64{nil, {{0, 0x100, forgedText}, {0x100, 0x2f0, forgedText + 0x1100}, {0x300, 0x340, forgedText + 0x2000}}} {
				f := simple(order, size)
				f.sections = sections
				table, err := pclntab.New(f.build().image())
				require.NoError(t, err)
				extracted, err := table.Extract(1)
				require.NoError(t, err)
				inlined := requireSameFrames(t, table, extracted, 5000)
				assert.Positive(t, inlined)
			}
		}
	}
}

// A gap between text sections may be where one worker's functions end and the
// next one's start.
func TestExtractAcrossPieces(t *testing.T) {
	const span = 0x10
	f := &forge{order: binary.LittleEndian, size: 8}
	for i := range uint32(1500) {
		f.functions = append(f.functions, forgedFunction{
			name: fmt.Sprint("main.f", i), start: i * span, end: (i + 1) * span, line: 3, files: []step{{span, 0}}, lines: []step{{span, int32(4 + i)}},
		})
	}
	for _, split := range []uint64{511, 512, 513, 1024} {
		f.sections = [][3]uint64{{0, split * span, forgedText}, {split * span, 1500 * span, forgedText + split*span + 0x40}}
		program := f.build()
		image := program.image()
		image.Segments[0].SizeBytes = 1 << 16
		table, err := pclntab.New(image)
		require.NoError(t, err)
		extracted, err := table.Extract(2)
		require.NoError(t, err)
		requireSameFrames(t, table, extracted, 5000)
		assert.Nil(t, framesIn(extracted, forgedText+model.VirtAddr(split*span)))
	}
}

// Damage to one function leaves the others.
func TestExtractOfDamagedTables(t *testing.T) {
	program := simple(binary.LittleEndian, 8).build()
	program.order.PutUint32(program.table[program.functab+12:], 1<<30)
	table, err := pclntab.New(program.image())
	require.NoError(t, err)
	extracted, err := table.Extract(1)
	require.ErrorIs(t, err, object.ErrFormat)
	assert.ErrorContains(t, err, "outside of the table")
	requireSameFrames(t, table, extracted, 1000)
	assert.Equal(t, []model.Frame{forgedFrame("main.first", 0, 300, 5, false)}, framesIn(extracted, 0x400020))
	assert.Equal(t, []model.Frame{{Function: "x_cgo_init"}}, framesIn(extracted, 0x400300))
}

// Many functions may share the rows of one: what they become is bounded by the
// table's size, not by the code's.
func TestExtractIsBoundByTheTable(t *testing.T) {
	const span, functions = 1 << 16, 256
	f := &forge{order: binary.LittleEndian, size: 8}
	for i := range functions {
		f.functions = append(f.functions, forgedFunction{name: "main.f", start: uint32(i * span), end: uint32((i + 1) * span)})
	}
	first := &f.functions[0]
	first.files = []step{{span, 0}}
	for pc := range uint32(span) {
		first.lines = append(first.lines, step{pc + 1, int32(2 + pc&1)})
	}
	program := f.build()
	for _, record := range program.records[1:] {
		copy(program.table[record+20:record+28], program.table[program.records[0]+20:])
	}
	image := program.image()
	image.Segments[0].SizeBytes = functions * span
	shift(program, image)
	table, err := pclntab.New(image)
	require.NoError(t, err)
	extracted, err := table.Extract(2)
	require.ErrorIs(t, err, object.ErrLimit)
	assert.Less(t, len(extracted.Records), functions*span/2)
	assert.Greater(t, len(extracted.Records), span)
}

// breaking is a reader that panics when it is told to.
type breaking struct {
	io.ReaderAt
	broken atomic.Bool
}

func (b *breaking) ReadAt(data []byte, offset int64) (int, error) {
	if b.broken.Load() {
		panic("broken reader")
	}
	return b.ReaderAt.ReadAt(data, offset)
}

// What panics in a worker does so in the caller, who may recover, and no worker
// is left behind.
func TestExtractPanicsInItsCaller(t *testing.T) {
	image := simple(binary.LittleEndian, 8).build().image()
	reader := &breaking{ReaderAt: image.Segments[1].Contents}
	image.Segments[1].Contents = reader
	table, err := pclntab.New(image)
	require.NoError(t, err)
	reader.broken.Store(true)
	before := runtime.NumGoroutine()
	require.PanicsWithValue(t, "broken reader", func() { _, _ = table.Extract(3) })
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	reader.broken.Store(false)
	extracted, err := table.Extract(3)
	require.NoError(t, err)
	requireSameFrames(t, table, extracted, 1000)
}

// shift moves all but the code of a forged program up, so that there may be
// more code.
func shift(program *forged, image *pclntab.Image) {
	const up = 1 << 32
	for i := range image.Segments[1:] {
		image.Segments[i+1].VirtAddr += up
	}
	for i := range len(program.module) / 8 {
		word := program.order.Uint64(program.module[8*i:])
		if end := i == 21 || i == 23; word >= forgedTable && word < forgedModule+1<<16 && !end {
			program.order.PutUint64(program.module[8*i:], word+up)
		}
	}
}
