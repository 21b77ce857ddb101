//go:build ffikit_testing

package main

/*
#include "ffikitgo_testing.h"
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// What only tests need: c/tests/ffikit_testing.h.

var (
	testingCounter atomic.Uint64
	testingMarker  byte
)

//export ffikitgo_testing_panic
func ffikitgo_testing_panic(message *C.ffikitgo_const_char, messageLenBytes C.size_t,
	errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_testing_panic", errOut, func() error {
		words, err := text("message", message, messageLenBytes)
		if err != nil {
			return err
		}
		if words == "" {
			var nothing *uint64
			testingCounter.Store(*nothing)
		}
		panic(words)
	})
}

//export ffikitgo_testing_counter_inc
func ffikitgo_testing_counter_inc(countOut *C.uint64_t, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_testing_counter_inc", errOut, func() error {
		*countOut = C.uint64_t(testingCounter.Add(1))
		return nil
	})
}

//export ffikitgo_testing_runtime_id
func ffikitgo_testing_runtime_id(runtimeIDOut *C.uint64_t, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_testing_runtime_id", errOut, func() error {
		*runtimeIDOut = C.uint64_t(uintptr(unsafe.Pointer(&testingMarker)))
		return nil
	})
}

//export ffikitgo_testing_goroutines
func ffikitgo_testing_goroutines(goroutinesCount C.size_t, sumOut *C.uint64_t, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_testing_goroutines", errOut, func() error {
		if goroutinesCount > 10000 {
			return withStatus(C.FFIKIT_ERR_LIMIT, "%d goroutines, more than 10000", uint64(goroutinesCount))
		}
		sums := make(chan int)
		for i := range int(goroutinesCount) {
			go func() {
				garbage := make([]int, 1<<14)
				garbage[i] = i + 1
				sums <- garbage[i]
			}()
		}
		sum := 0
		for range int(goroutinesCount) {
			sum += <-sums
		}
		runtime.GC()
		*sumOut = C.uint64_t(sum)
		return nil
	})
}
