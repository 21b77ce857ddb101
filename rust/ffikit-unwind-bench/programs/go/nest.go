// Command nest measures stacks that go back and forth between Go and C. Built
// with -buildmode=c-shared it does so for whoever calls Measure.
package main

/*
#cgo LDFLAGS: -lffikit_unwind_bench
#include <stdlib.h>
void ffikit_unwind_bench(const char *label);
void enter(const char *label, int crossings);
void measure(const char *label);
*/
import "C"

import "unsafe"

//go:noinline
func intoC(label *C.char, crossings int) {
	if crossings == 0 {
		C.measure(label)
		return
	}
	C.enter(label, C.int(crossings))
}

//go:noinline
func middle(label *C.char, crossings int) { intoC(label, crossings) }

//go:noinline
func outer(label *C.char, crossings int) { middle(label, crossings) }

//export Back
func Back(label *C.char, crossings C.int) { outer(label, int(crossings)-1) }

//export Measure
func Measure(label *C.char, crossings C.int) { outer(label, int(crossings)) }

func main() {
	label := C.CString("Go, C, Go, C")
	defer C.free(unsafe.Pointer(label))
	done := make(chan struct{})
	go func() {
		outer(label, 1)
		close(done)
	}()
	<-done
}
