package dwarf_test

import (
	"bytes"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// tableFrames looks addr up in a table, as plainly as its documentation says it.
func tableFrames(t *codemap.Table, addr model.VirtAddr) []model.Frame {
	into := uint64(addr) - t.Base
	at := sort.Search(len(t.Starts), func(i int) bool { return uint64(t.Starts[i]) > into }) - 1
	if uint64(addr) < t.Base || at < 0 || t.Records[at] == (codemap.Record{}) {
		return nil
	}
	var frames []model.Frame
	place := t.Places[t.Records[at].Place]
	for node := t.Records[at].Node; ; {
		n := t.Nodes[node]
		f := t.Functions[n.Function]
		frame := model.Frame{
			Function: t.Names[f.Name], LinkageName: t.Names[f.Linkage], Language: codemap.ModelLanguage(f.Language),
			File: t.Files[place.File], Line: int(place.Line), Column: int(place.Column), Discriminator: place.Discriminator,
			Inlined: n.Parent != 0,
		}
		if (t.Files[f.File] == frame.File || f.File == 0 && frame.Language == model.LanguageGo) && int(f.Line) <= frame.Line {
			frame.FunctionLine = int(f.Line)
		}
		frames = append(frames, frame)
		if n.Parent == 0 {
			return frames
		}
		node, place = n.Parent, t.Places[n.Call]
	}
}

func open(t testing.TB, content []byte) *dwarf.Data {
	t.Helper()
	file, err := object.NewFile("program", bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	data, err := dwarf.New(file)
	require.NoError(t, err)
	return data
}

// TestExtractionKnowsWhatLookupsDo compares the two at every address.
func TestExtractionKnowsWhatLookupsDo(t *testing.T) {
	for _, content := range programs(t) {
		lookupsAndExtractionAgree(t, content)
	}
}

func lookupsAndExtractionAgree(t *testing.T, content []byte) {
	t.Helper()
	data := open(t, content)
	table, err := data.Extract(2)
	require.NoError(t, err)
	var addrs []model.VirtAddr
	for _, addr := range codeAddrs(t, content) {
		addrs = append(addrs, addr, addr+1, addr+2, addr+3)
	}
	known := 0
	require.NoError(t, data.Each(addrs, func(i int, frames []model.Frame) {
		want := tableFrames(table, addrs[i])
		known += len(frames)
		assert.ElementsMatch(t, want, frames, "%v", addrs[i])
	}))
	assert.Greater(t, known, 20)
}

// TestExtractionIsTheSameForAnyWorkers because an index is compared by its bytes.
func TestExtractionIsTheSameForAnyWorkers(t *testing.T) {
	content := programs(t)[1]
	one, err := open(t, content).Extract(1)
	require.NoError(t, err)
	three, err := open(t, content).Extract(3)
	require.NoError(t, err)
	assert.Equal(t, one, three)
}

// TestNothingIsAllocatedPerAddress once the memory of a first call is there.
func TestNothingIsAllocatedPerAddress(t *testing.T) {
	content := programs(t)[0]
	data := open(t, content)
	addrs := codeAddrs(t, content)
	look := func() { _ = data.Each(addrs, func(int, []model.Frame) {}) }
	look()
	few := testing.AllocsPerRun(20, func() { _ = data.Each(addrs[:2], func(int, []model.Frame) {}) })
	assert.LessOrEqual(t, testing.AllocsPerRun(20, look), few+8, "%d addresses against 2", len(addrs))
}
