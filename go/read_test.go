package ffikit_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/merge"
)

// oneOverflow is a raw UBSan report of a module that is not there.
const oneOverflow = `a.c:%d:5: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'
    #0 0x7fc7cdb056ff  (/nowhere/libc%d.so+0x26ff) (BuildId: 16d906538c3a4e3c2efa21414f4b77a9c3348d07)

SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.c:%d:5
`

// repeated is a log of count reports of which the i-th is make(i).
type repeated struct {
	count, next int
	make        func(i int) string
	rest        string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.next == r.count {
			return 0, io.EOF
		}
		r.rest = r.make(r.next)
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A log of many equal reports takes the memory of one, and says once what it
// could not read.
func TestReadJoinsAsItGoes(t *testing.T) {
	const count = 30_000
	log := &repeated{count: count, make: func(int) string { return fmt.Sprintf(oneOverflow, 13, 0, 13) }}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: "log", Reader: log})
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Len(t, set.Reports, 1)
	assert.Equal(t, count, set.Reports[0].Count)
	require.Len(t, set.Partial, 1)
	assert.Contains(t, set.Partial[0].File, "/nowhere/libc0.so")
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
	runtime.KeepAlive(set)
}

// Beyond the bound, different reports are counted, not kept.
func TestReadSaysWhatItLeftOut(t *testing.T) {
	log := &repeated{count: 20, make: func(i int) string { return fmt.Sprintf(oneOverflow, 1+i, 0, 1+i) }}
	set, err := ffikit.Read(ffikit.Options{Merge: merge.Options{MaxReports: 5}}, ffikit.Log{Name: "log", Reader: log})
	require.NoError(t, err)
	assert.Len(t, set.Reports, 5)
	last := set.Partial[len(set.Partial)-1]
	assert.True(t, strings.HasPrefix(last.Reason, "15 more reports were left out"), last.Reason)
}
