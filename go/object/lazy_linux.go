package object

import (
	"os"
	"syscall"
	"unsafe"
)

// lazyBytes is how much memory is worth a system call.
const lazyBytes = 1 << 20

// makeLazy makes size zero bytes that take no memory before they are touched.
// Go gets large memory so from the system, but clears what was used before: that
// is given back, and comes as zeros again when it is touched.
func makeLazy(size int) []byte {
	data := make([]byte, size)
	if size < lazyBytes {
		return data
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	skip := int((start+page-1)&^(page-1) - start)
	length := (size - skip) &^ int(page-1)
	// A failure costs memory only.
	_ = syscall.Madvise(data[skip:skip+length], syscall.MADV_DONTNEED)
	return data
}

// fillSoon tells the system that all of data will be written: where pages can be
// large, that takes a five-hundredth of the faults.
func fillSoon(data []byte) {
	const hugePage = 2 << 20
	if len(data) < 2*hugePage {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	skip := int((start+hugePage-1)&^(hugePage-1) - start)
	_ = syscall.Madvise(data[skip:skip+(len(data)-skip)&^(hugePage-1)], syscall.MADV_HUGEPAGE)
}
