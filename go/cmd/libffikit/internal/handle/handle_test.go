package handle

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHandleFindsItsObject(t *testing.T) {
	table := NewTable[string](1, nil)
	a, err := table.Add("a")
	require.NoError(t, err)
	b, err := table.Add("b")
	require.NoError(t, err)
	require.NotEqual(t, a, b)

	for bits, want := range map[Bits]string{a: "a", b: "b"} {
		value, release, err := table.Acquire(bits)
		require.NoError(t, err)
		assert.Equal(t, want, value)
		release()
	}
	assert.Equal(t, 2, table.Live())
}

func TestInvalidHandlesAreRefused(t *testing.T) {
	table := NewTable[string](1, nil)
	live, err := table.Add("live")
	require.NoError(t, err)
	freed, err := table.Add("freed")
	require.NoError(t, err)
	require.True(t, table.Free(freed))

	foreignType := NewTable[string](2, nil)
	foreign, err := foreignType.Add("foreign")
	require.NoError(t, err)

	cases := map[string]Bits{
		"zero":                   0,
		"freed":                  freed,
		"another type":           foreign,
		"another type, same bit": live ^ 3<<typeShift,
		"another generation":     live ^ 1<<indexBits,
		"index out of range":     live | 0xffff,
		"all ones":               ^Bits(0),
	}
	for name, bits := range cases {
		_, release, err := table.Acquire(bits)
		assert.ErrorIs(t, err, ErrInvalid, name)
		assert.Nil(t, release, name)
		assert.False(t, table.Free(bits), name)
	}
	assert.Equal(t, 1, table.Live())
}

// A slot that is used again must not be reachable by its old handle.
func TestReusedSlotRefusesTheOldHandle(t *testing.T) {
	table := NewTable[int](1, nil)
	seen := map[Bits]bool{}
	for i := range 1000 {
		bits, err := table.Add(i)
		require.NoError(t, err)
		require.False(t, seen[bits], "handle %#x was given out twice", bits)
		for old := range seen {
			_, _, err := table.Acquire(old)
			require.ErrorIs(t, err, ErrInvalid)
		}
		if i < 20 {
			seen[bits] = true
		}
		require.True(t, table.Free(bits))
	}
	assert.Len(t, table.slots, 1, "the slot is used again")
}

func TestSlotIsRetiredWhenItsGenerationsAreUsedUp(t *testing.T) {
	table := NewTable[int](1, nil)
	bits, err := table.Add(1)
	require.NoError(t, err)
	// As after 2^32 - 1 frees of the same slot.
	table.slots[0].generation = table.first - 1
	last := bits&^(1<<typeShift-1) | Bits(table.first-1)<<indexBits
	require.True(t, table.Free(last))

	next, err := table.Add(2)
	require.NoError(t, err)
	assert.Equal(t, Bits(1), next&(1<<indexBits-1), "a new slot, not the used-up one")
	_, _, err = table.Acquire(bits)
	assert.ErrorIs(t, err, ErrInvalid, "the very first handle stays invalid")
}

func TestTwoTablesRefuseEachOthersHandles(t *testing.T) {
	// Two copies of the library in one process have the same type numbers.
	accepted := 0
	for range 100 {
		ours, theirs := NewTable[int](1, nil), NewTable[int](1, nil)
		_, err := ours.Add(1)
		require.NoError(t, err)
		foreign, err := theirs.Add(2)
		require.NoError(t, err)
		if _, release, err := ours.Acquire(foreign); err == nil {
			release()
			accepted++
		}
	}
	assert.LessOrEqual(t, accepted, 1)
}

func TestCloseRunsOnceAfterTheLastUse(t *testing.T) {
	closed := 0
	table := NewTable(1, func(int) { closed++ })
	bits, err := table.Add(7)
	require.NoError(t, err)

	_, release, err := table.Acquire(bits)
	require.NoError(t, err)
	require.True(t, table.Free(bits))
	assert.Zero(t, closed, "a call still uses it")
	_, _, err = table.Acquire(bits)
	assert.ErrorIs(t, err, ErrInvalid, "who comes after the free gets nothing")
	release()
	assert.Equal(t, 1, closed)
	assert.False(t, table.Free(bits))
	assert.Equal(t, 1, closed)
}

func TestConcurrentUseAndFree(t *testing.T) {
	type resource struct{ closed atomic.Bool }
	var closes atomic.Int64
	table := NewTable(1, func(r *resource) {
		if r.closed.Swap(true) {
			panic("closed twice")
		}
		closes.Add(1)
	})
	const rounds, users = 200, 8
	var frees, uses atomic.Int64
	for range rounds {
		bits, err := table.Add(&resource{})
		require.NoError(t, err)
		var all sync.WaitGroup
		for range users {
			all.Go(func() {
				for range rand.IntN(20) {
					r, release, err := table.Acquire(bits)
					if err != nil {
						return
					}
					assert.False(t, r.closed.Load(), "closed while it is used")
					uses.Add(1)
					release()
				}
				if table.Free(bits) {
					frees.Add(1)
				}
			})
		}
		all.Wait()
	}
	assert.Positive(t, uses.Load())
	assert.Equal(t, int64(rounds), frees.Load(), "one of the frees wins, each time")
	assert.Equal(t, int64(rounds), closes.Load())
	assert.Zero(t, table.Live())
}

func FuzzAcquire(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(1) << typeShift)
	table := NewTable[int](1, nil)
	bits, err := table.Add(1)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, number uint64) {
		_, release, err := table.Acquire(Bits(number))
		if Bits(number) == bits {
			require.NoError(t, err)
			release()
			return
		}
		require.ErrorIs(t, err, ErrInvalid)
	})
}
