// Command cgo [COUNT [GOROUTINES]] calls C that allocates.
package main

/*
#include <stdlib.h>
#include <string.h>

static char *__attribute__((noinline)) make(int len_bytes) {
	char *block = malloc(len_bytes);
	memset(block, 1, len_bytes < 64 ? len_bytes : 64);
	return block;
}
static char *leak(int i) {
	char *block = malloc(200); // LEAK_IN_C
	block[0] = (char)i;
	return block;
}
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"unsafe"
)

//go:noinline
func handle(i int) {
	block := C.make(C.int(16 + i*7919%2000))
	C.free(unsafe.Pointer(block))
	if i%100 == 0 {
		_ = C.CString("request " + strconv.Itoa(i)) // LEAK
		C.leak(C.int(i))                            // LEAK_CALLER
	}
}

func main() {
	count := 100_000
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	workers := 1
	if len(os.Args) > 2 {
		workers, _ = strconv.Atoi(os.Args[2])
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < count; i += workers {
				handle(i)
			}
		})
	}
	all.Wait()
	fmt.Printf("allocations make %d\nallocations leak %d\n", count, (count+99)/100)
}
