// Command gosignal faults in C code that Go called. Go's handler hands the signal on to the one
// that was there before Go's: that is how a sanitizer is told of such a fault.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#cgo LDFLAGS: -rdynamic -ldl
void c_fault(int *where);
*/
import "C"

//go:noinline
func reach(where *C.int) {
	C.c_fault(where) // frame: main.reach
}

//export gosignalFromC
func gosignalFromC(_ *C.char) {
	reach(nil) // frame: main.gosignalFromC
}

//export gosignalGoroutine
func gosignalGoroutine() {}

func main() {
	done := make(chan struct{})
	go func() {
		reach(nil) // frame: main.main.func1
		close(done)
	}()
	<-done
}
