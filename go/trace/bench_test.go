package trace

import (
	"bytes"
	"testing"

	"github.com/ffikit/ffikit/go/internal/tracefile"
)

// BenchmarkRead reads evidence of many leaked objects: stacks of 40 frames, ten
// objects each.
func BenchmarkRead(b *testing.B) {
	f := tracefile.New(1)
	for i := range uint64(100) {
		f.Module(i<<24, i<<24+1<<23, i<<24, "\x01\x02\x03\x04", "/lib/libmany.so")
	}
	var frames [40]uint64
	for i := range uint64(2000) {
		for j := range frames {
			frames[j] = (uint64(j)*7%100)<<24 + i
		}
		stack := f.Stack(0, frames[:]...)
		for j := range uint64(10) {
			f.ReportStack(0, 4, 0, stack, i<<8+j, 0, "")
		}
	}
	b.SetBytes(int64(len(f.Bytes)))
	for b.Loop() {
		if _, _, err := Read(bytes.NewReader(f.Bytes), "stacks.1"); err != nil {
			b.Fatal(err)
		}
	}
}
