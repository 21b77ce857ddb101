package main

/*
#include "store.h"
*/
import "C"

func releaseLater(record *C.store_record, done chan<- C.uint32_t) {
	C.store_record_release(record) // at: background_release
	done <- 0
}

func sumLater(record *C.store_record, length C.size_t, sum chan<- C.uint32_t) {
	sum <- checksum(C.store_record_payload(record), length) // at: background_sum
}

// ServiceReleaseInBackground releases a record on another goroutine.
//
//export ServiceReleaseInBackground
func ServiceReleaseInBackground(record *C.store_record) {
	done := make(chan C.uint32_t)
	go releaseLater(record, done)
	<-done
}

// ServiceSumInBackground sums up a record's payload on another goroutine.
//
//export ServiceSumInBackground
func ServiceSumInBackground(record *C.store_record, length C.size_t) C.uint32_t {
	sum := make(chan C.uint32_t)
	go sumLater(record, length, sum)
	return <-sum
}
