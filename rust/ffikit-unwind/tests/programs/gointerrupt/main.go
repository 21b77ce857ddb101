// Command gointerrupt has its Go code interrupted anywhere by signals, whose handler, in C, tells the stack.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#cgo LDFLAGS: -rdynamic -ldl -lpthread
#include <stdint.h>
struct shared { uint32_t done, running; };
struct shared *c_start(void);
*/
import "C"

import (
	"runtime"
	"sync/atomic"
)

// Without a frame of its own.
//
//go:noinline
func leaf(a, b uint32) uint32 {
	return a*7 + b>>3
}

// With a small frame.
//
//go:noinline
func small(a uint32) uint32 {
	return leaf(a, a+1) ^ leaf(a+2, a)
}

// With a large frame, and a prologue of several instructions.
//
//go:noinline
func large(a uint32) uint32 {
	var words [200]uint32
	for i := range words {
		words[i] = leaf(a, uint32(i))
	}
	return words[a%200] + small(words[a%7])
}

//go:noinline
func spin(shared *C.struct_shared) (sum uint32) {
	atomic.StoreUint32((*uint32)(&shared.running), 1)
	for atomic.LoadUint32((*uint32)(&shared.done)) == 0 {
		sum += large(sum) + small(sum)
	}
	return sum
}

//go:noinline
func outer() uint32 {
	return spin(C.c_start()) + 1
}

func main() {
	runtime.LockOSThread()
	if outer() == 0 {
		println()
	}
}
