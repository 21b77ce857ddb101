//go:build !linux

package object

// makeLazy makes size zero bytes, which the system may back with memory when
// they are touched.
func makeLazy(size int) []byte { return make([]byte, size) }

// fillSoon may tell the system that all of data will be written.
func fillSoon([]byte) {}
