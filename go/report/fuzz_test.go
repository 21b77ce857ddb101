package report

import (
	"bytes"
	"io"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// pieces answers a text in pieces of changing odd sizes.
type pieces struct {
	text []byte
	size int
}

func (p *pieces) Read(into []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	p.size = p.size*7%61 + 1
	n := copy(into[:min(len(into), p.size)], p.text)
	p.text = p.text[n:]
	return n, nil
}

// requireValid walks everything that leaves: strings are valid UTF-8 and all
// of them together are no larger than the log allows.
func requireValid(t *testing.T, value reflect.Value, size *int) {
	t.Helper()
	switch value.Kind() {
	case reflect.String:
		require.True(t, utf8.ValidString(value.String()), "%q", value.String())
		*size += value.Len()
	case reflect.Pointer:
		if !value.IsNil() {
			requireValid(t, value.Elem(), size)
		}
	case reflect.Slice:
		for i := range value.Len() {
			requireValid(t, value.Index(i), size)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			requireValid(t, value.Field(i), size)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, log := range fixtures(f) {
		if len(log) <= 16<<10 {
			f.Add(log, uint8(3))
		}
	}
	f.Add([]byte("2026-11-23T10:00:00.123Z [pid 12] ==7==ERROR: AddressSanitizer: FPE on unknown address 0x0 (pc 0x1)\r\n"), uint8(1))
	f.Add([]byte("\x1b[1m/src/a.c:1:2: runtime error: division by zero\x1b[0m\x00\xff\n    #0 0x1 in f\xff a.c:1\n"), uint8(9))
	f.Fuzz(func(t *testing.T, log []byte, size uint8) {
		reports, partial := read(t, log)
		last, kept := int64(-1), 0
		for _, r := range reports {
			require.GreaterOrEqual(t, r.Source.OffsetBytes, last)
			last = r.Source.OffsetBytes
			require.Less(t, last, int64(len(log)))
			require.NotEmpty(t, r.Kind)
			require.NotEmpty(t, r.Tool)
			require.NotNil(t, r.Stacks)
			requireValid(t, reflect.ValueOf(r), &kept)
		}
		for _, p := range partial {
			require.LessOrEqual(t, p.OffsetBytes, int64(len(log)))
			requireValid(t, reflect.ValueOf(p), &kept)
		}
		// Each byte may be kept some times over: in a message, a stack's name
		// and a detail, a replaced byte as three; a frame costs seven bytes.
		require.LessOrEqual(t, kept, 64*len(log)+4096)

		var again []model.Report
		_, err := Read(&pieces{bytes.Clone(log), int(size)}, "the.log", func(r model.Report) error {
			again = append(again, r)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, reports, again)
	})
}
