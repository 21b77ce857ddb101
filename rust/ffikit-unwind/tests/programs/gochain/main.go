// Command gochain goes C → Go → C → Go → C and tells the stack there: on the main
// goroutine, on another one, and, as a C library, where a C program calls it.
//
// Comments "frame: NAME" mark the line that a frame stands on; "frame: NAME, inlined"
// one that the compiler dissolves into its caller.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#cgo LDFLAGS: -rdynamic -ldl
void c_outer(const char *label, int rounds);
void c_inner(const char *label, int rounds);
void c_leaf(const char *label);
#define LITERAL(name, text) static inline const char *name(void) { return text; }
LITERAL(label_main, "main")
LITERAL(label_goroutine, "goroutine")
LITERAL(label_callers_goroutine, "goroutine-of-c")
LITERAL(label_deep, "deep")
*/
import "C"

type weaver struct{ rounds C.int }

//go:noinline
func run(label *C.char, rounds C.int) {
	C.c_outer(label, rounds) // frame: main.run
}

//export goMiddle
func goMiddle(label *C.char, rounds C.int) {
	w := &weaver{rounds}
	w.weave(label) // frame: main.goMiddle
}

//go:noinline
func (w *weaver) weave(label *C.char) {
	inward(label, w.rounds) // frame: main.(*weaver).weave
}

func inward(label *C.char, rounds C.int) {
	C.c_inner(label, rounds) // frame: main.inward, inlined
}

//export goInner
func goInner(label *C.char, rounds C.int) {
	turn[C.int](label, rounds) // frame: main.goInner
}

//go:noinline
func turn[T any](label *C.char, rounds C.int) {
	if rounds > 0 {
		C.c_outer(label, rounds-1) // frame: main.turn[...]
	} else {
		C.c_leaf(label) // frame: main.turn[...]
	}
}

func onAnotherGoroutine(label *C.char) {
	done := make(chan struct{})
	go func() {
		run(label, 0) // frame: main.onAnotherGoroutine.func1
		close(done)
	}()
	<-done
}

//export gochainFromC
func gochainFromC(label *C.char) {
	run(label, 0) // frame: main.gochainFromC
}

//export gochainGoroutine
func gochainGoroutine() {
	onAnotherGoroutine(C.label_callers_goroutine())
}

func main() {
	run(C.label_main(), 0) // frame: main.main
	run(C.label_deep(), 3) // frame: main.main
	onAnotherGoroutine(C.label_goroutine())
}
