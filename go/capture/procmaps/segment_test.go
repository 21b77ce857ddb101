package procmaps

import (
	"debug/elf"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/object"
)

// Two segments may share a page of the file, or all of it.
func TestSegmentsThatShare(t *testing.T) {
	segments := []object.Segment{
		{Type: elf.PT_PHDR, VirtAddr: 0x999000, FileSize: 1 << 20},
		{Type: elf.PT_LOAD, Flags: elf.PF_R, VirtAddr: 0x10000, FileSize: 0x1234},
		{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, FileOffset: 0x1234, VirtAddr: 0x22234, FileSize: 0x100},
		{Type: elf.PT_LOAD, Flags: elf.PF_R, FileOffset: 0x5000, VirtAddr: 0x35000, FileSize: 0x1000},
		{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, FileOffset: 0x5000, VirtAddr: 0x45000, FileSize: 0x1000},
		{Type: elf.PT_LOAD, Flags: elf.PF_X, FileOffset: 0x7000, VirtAddr: 0x57000, FileSize: ^uint64(0)},
	}
	for _, test := range []struct {
		offset     uint64
		executable bool
		want       uint64 // 0: none
	}{
		{0x1000, false, 0x11000}, {0x1000, true, 0x11000}, {0x1233, true, 0x11233},
		{0x1234, true, 0x22234}, {0x1234, false, 0x22234},
		{0x1500, true, 0x22500}, {0x1500, false, 0x11500}, // behind both, on the page of both
		{0x5800, false, 0x35800}, {0x5800, true, 0x45800},
		{0x6000, true, 0}, {0x8000, true, 0}, {^uint64(0), true, 0},
	} {
		virt, ok := virtAddr(segments, &Mapping{Executable: test.executable}, test.offset)
		assert.Equal(t, test.want != 0, ok, "%#x", test.offset)
		assert.EqualValues(t, test.want, virt, "%#x %v", test.offset, test.executable)
	}
}
