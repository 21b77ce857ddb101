// Command gomove has its goroutine's stack moved while C code that it called waits for a
// callback: what that C code saved of the goroutine's frame pointer is stale from then on.
// With GODEBUG=efence=1 the former stack cannot even be read.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#cgo LDFLAGS: -rdynamic -ldl
void c_leaf(const char *label);
void c_outer(void);
void c_inner(void);
*/
import "C"

// Frames of grow, 4 KiB each: far more than a new goroutine's stack holds.
const depth = 40

//go:noinline
func grow(left int) byte {
	var block [4096]byte
	block[left] = byte(left)
	if left == 0 {
		C.c_inner() // frame: main.grow
		return 0
	}
	below := grow(left - 1) // frame: main.grow
	return below + block[left]
}

//export goGrow
func goGrow() {
	grow(depth) // frame: main.goGrow
}

//go:noinline
func start() {
	C.c_outer() // frame: main.start
}

func main() {
	done := make(chan struct{})
	go func() {
		start() // frame: main.main.func1
		close(done)
	}()
	<-done
}
