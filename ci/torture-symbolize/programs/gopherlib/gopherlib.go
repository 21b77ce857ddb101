// The Go program as a C library.
package main

// static int plain(int x) { return x * 3 + 1; }
import "C"

//export Dig
func Dig(depth C.int) C.int {
	sum := C.int(0)
	for i := range int(depth) {
		sum += C.plain(C.int(i))
	}
	return sum
}

func main() {}
