// Command cgo calls C that allocates, COUNT times, from a few goroutines.
package main

/*
#include <stdlib.h>
#include <string.h>

typedef struct record { char *name; struct record *next; } record;

static record *record_new(const char *name) {
	record *r = malloc(sizeof *r);
	r->name = strdup(name);
	r->next = NULL;
	return r;
}
static void record_free(record *r) {
	free(r->name);
	free(r);
}
static char *leak(int i) {
	char *block = malloc(100); // LEAK
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
	name := C.CString("request " + strconv.Itoa(i%100))
	defer C.free(unsafe.Pointer(name))
	r := C.record_new(name)
	C.record_free(r)
	if i%1000 == 0 {
		C.leak(C.int(i)) // LEAK_CALLER
	}
}

func main() {
	count := 100_000
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	var all sync.WaitGroup
	const workers = 2
	for w := range workers {
		all.Go(func() {
			for i := w; i < count; i += workers {
				handle(i)
			}
		})
	}
	all.Wait()
	fmt.Println(count)
}
