// Command goregisters has C frames that can only be left with the right value of one callee-saved
// register each, and Go code between them.
package main

/*
#cgo LDFLAGS: -rdynamic -ldl
void c_frame(int left);
*/
import "C"

//export goNext
func goNext(left C.int) {
	C.c_frame(left - 1) // frame: main.goNext
}

func main() {
	C.c_frame(5) // frame: main.main
}
