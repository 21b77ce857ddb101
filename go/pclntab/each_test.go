package pclntab_test

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
)

// Every order of addresses has the same answers, each in its place: sorted,
// reversed, as they come, again and again, and more than one round of them.
func TestEachVisitsInOrder(t *testing.T) {
	table := open(t, program(t, "local"))
	text := table.TextRanges()[0]
	one := func(addr model.VirtAddr) []model.Frame {
		frames, err := table.Resolve([]model.VirtAddr{addr})
		require.NoError(t, err)
		return frames[0]
	}
	addrs := randomAddrs(table, 1000)
	addrs = append(addrs, 0, 1<<63, text.Start-1, text.End, addrs[7], addrs[7])
	want := map[model.VirtAddr][]model.Frame{}
	for _, addr := range addrs {
		want[addr] = one(addr)
	}
	require.Nil(t, want[0])
	sorted := slices.Sorted(slices.Values(addrs))
	reversed := slices.Clone(sorted)
	slices.Reverse(reversed)
	many := slices.Repeat(addrs, 150)
	for _, list := range [][]model.VirtAddr{addrs, sorted, reversed, many, addrs[:3], nil} {
		next := 0
		require.NoError(t, table.Each(list, func(i int, frames []model.Frame) {
			require.Equal(t, next, i)
			if !slices.Equal(frames, want[list[i]]) {
				require.Equal(t, want[list[i]], frames, list[i])
			}
			// They are the visitor's to change.
			clear(frames)
			next++
		}))
		require.Len(t, list, next)
	}
}

// A function that is still decoded is asked again, for what lies before.
func TestAskingBackwards(t *testing.T) {
	table, again := open(t, program(t, "local")), open(t, program(t, "local"))
	visit := functionNamed(t, table, "words/work.(*visitor).visit")
	var addrs []model.VirtAddr
	for addr := visit.Start; addr < visit.End; addr++ {
		addrs = append(addrs, addr)
	}
	forwards, err := table.Resolve(addrs)
	require.NoError(t, err)
	for i := len(addrs) - 1; i >= 0; i-- {
		frames, err := again.Resolve(addrs[i : i+1])
		require.NoError(t, err)
		require.Equal(t, forwards[i], frames[0], addrs[i])
	}
}

func TestEachAllocatesNothingForAnAddress(t *testing.T) {
	table := open(t, program(t, "local"))
	addrs := randomAddrs(table, 20000)
	frames := 0
	visit := func(_ int, chain []model.Frame) { frames += len(chain) }
	require.NoError(t, table.Each(addrs, visit))
	assert.Less(t, testing.AllocsPerRun(3, func() { require.NoError(t, table.Each(addrs, visit)) }), 100.0)
	assert.Greater(t, frames, 20000)
}

// Inlined calls without end cost no more than their budget, also where each
// address is in a function of its own.
func TestNodesComeOutOfABudget(t *testing.T) {
	const depth, functions, span = 500, 2000, 1 << 10
	f := &forge{order: binary.LittleEndian, size: 8}
	for i := range functions {
		f.functions = append(f.functions, forgedFunction{name: "main.f", start: uint32(i * span), end: uint32((i + 1) * span)})
	}
	first := &f.functions[0]
	first.files, first.lines = []step{{span, 0}}, []step{{span, 9}}
	for i := range depth {
		first.calls = append(first.calls, step{uint32(i + 1), int32(i) - 1})
		first.tree = append(first.tree, forgedCall{"main.call", uint32(i), 1})
	}
	first.calls = append(first.calls, step{span, depth - 1})
	program := f.build()
	for _, record := range program.records[1:] {
		// All share the tables of the first.
		copy(program.table[record+20:record+28], program.table[program.records[0]+20:])
		copy(program.table[record+44:record+44+7*4], program.table[program.records[0]+44:])
	}
	image := program.image()
	image.Segments[0].SizeBytes = functions * span
	image.Segments = slices.Clone(image.Segments)
	shift(program, image)
	table, err := pclntab.New(image)
	require.NoError(t, err)
	addrs := make([]model.VirtAddr, functions)
	for i := range addrs {
		addrs[i] = forgedText + model.VirtAddr(i+1)*span - 1
	}
	answered := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.ErrorIs(t, table.Each(addrs, func(_ int, frames []model.Frame) {
		if len(frames) == depth+1 {
			answered++
		}
	}), object.ErrLimit)
	runtime.ReadMemStats(&after)
	assert.Greater(t, answered, 150)
	assert.Less(t, answered, 300)
	// A million nodes would take 28 MB, and as much again until there is room.
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
	extracted, err := table.Extract(3)
	require.Error(t, err)
	requireSound(t, extracted)
}
