package main

/*
#include <stdlib.h>
#include "store.h"
*/
import "C"

import "unsafe"

// fold is generic: Go compiles one body for all types of a shape.
//
//go:noinline
func fold[T, A any](units []T, sum A, add func(A, T) A) A {
	for index := range units {
		sum = add(sum, units[index]) // fault: fold
	}
	return sum
}

// ServiceFold sums up a record's payload in Go.
//
//export ServiceFold
func ServiceFold(record *C.store_record, length C.size_t) C.uint32_t {
	add := func(sum uint32, unit byte) uint32 { return sum + uint32(unit) }
	return C.uint32_t(fold(payloadOf(record, length), 0, add)) // at: service_fold
}

//go:noinline
func mark(payload []byte, index int) {
	payload[index] = 1 // fault: mark
}

// ServiceMark writes into a record whose length is the caller's word.
//
//export ServiceMark
func ServiceMark(record *C.store_record, claimed, index C.size_t) {
	mark(payloadOf(record, claimed), int(index)) // at: service_mark
}

//go:noinline
func discard(record *C.store_record) {
	C.free(unsafe.Pointer(record)) // fault: go_discard
}

// ServiceDiscard gives a record back to C's allocator.
//
//export ServiceDiscard
func ServiceDiscard(record *C.store_record) { discard(record) } // at: service_discard
