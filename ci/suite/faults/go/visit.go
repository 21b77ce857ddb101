package main

/*
#include "store.h"

int ServiceVisit(store_record *record);
*/
import "C"

// grow makes the goroutine's stack too small, so that it moves: frames of C
// between here and the service's entry keep pointers to where it was.
//
//go:noinline
func grow(depth int) byte {
	var page [1024]byte
	page[depth%len(page)] = byte(depth)
	if depth > 0 {
		page[0] += grow(depth - 1)
	}
	return page[depth%len(page)]
}

// ServiceRevisit has C visit the records: Go calls C, C calls Go, Go calls C.
//
//export ServiceRevisit
func ServiceRevisit(records **C.store_record, count C.size_t) C.int {
	return C.store_each(records, count, C.store_handler(C.ServiceVisit)) // at: revisit
}

// ServiceVisit sums up one record.
//
//export ServiceVisit
func ServiceVisit(record *C.store_record) C.int {
	grow(64)
	return C.int(checksum(C.store_record_payload(record), 8)) // at: visit
}
