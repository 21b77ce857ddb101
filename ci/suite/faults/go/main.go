// Command service is the Go part of the record program: a c-shared library
// that Python loads, over the C record store.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../c
#cgo LDFLAGS: -lstore
#include "store.h"

static int add_lengths(int a, int b) {
  return a + b; // fault: add_lengths
}
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

// window is a record's payload as Go sees it. T is the unit it is read in.
type window[T any] struct{ units []T }

//go:noinline
func (w *window[T]) at(index int) T {
	return w.units[index] // fault: at
}

// firstByte is small enough to be inlined.
func firstByte(payload []byte) byte {
	return payload[0] // fault: first_byte
}

func payloadOf(record *C.store_record, length C.size_t) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(C.store_record_payload(record))), int(length))
}

//export ServiceDeliver
func ServiceDeliver(record *C.store_record, length C.size_t) C.int {
	payload := payloadOf(record, length)
	C.store_route(record) // at: deliver_route
	// A handler that took the record over owns it now.
	return C.int(firstByte(payload)) // at: deliver_first
}

//export ServicePeek
func ServicePeek(record *C.store_record, claimed, index C.size_t) C.int {
	w := &window[byte]{payloadOf(record, claimed)}
	read := func(i int) byte { return w.at(i) } // at: peek_closure
	return C.int(read(int(index)))              // at: peek
}

//export ServiceChecksum
func ServiceChecksum(bytes *C.uint8_t, length C.size_t) C.uint32_t {
	return checksum(bytes, length) // at: service_checksum
}

//go:noinline
func checksum(bytes *C.uint8_t, length C.size_t) C.uint32_t {
	return C.store_checksum(bytes, length) // at: go_checksum
}

//export ServiceJournal
func ServiceJournal(length C.size_t) { journal(length) } // at: service_journal

//go:noinline
func journal(length C.size_t) { C.store_journal_note(length) } // at: go_journal

//export ServiceTally
func ServiceTally(a, b C.int) C.int { return C.add_lengths(a, b) } // at: tally

//export ServiceHeadLength
func ServiceHeadLength(queue *C.store_queue) C.size_t { return headLength(queue) } // at: service_head

//go:noinline
func headLength(queue *C.store_queue) C.size_t { return C.store_head_length(queue) } // at: go_head

//export ServiceTotalLength
func ServiceTotalLength(queue *C.store_queue) C.size_t { return C.store_total_length(queue) } // at: go_total

// backlog holds C records that nothing but Go memory points to.
var backlog []*pending

type pending struct{ record *C.store_record }

//export ServiceHold
func ServiceHold(length C.size_t) {
	backlog = append(backlog, &pending{C.store_record_new(length)})
}

type subscriber struct{ name string }

//go:noinline
func greet(s *subscriber) int { return len(s.name) }

//export ServiceGreetRecovered
func ServiceGreetRecovered() (status C.int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintln(os.Stderr, "service: recovered:", r)
			status = 7
		}
	}()
	return C.int(greet(nil))
}

//export ServiceGreet
func ServiceGreet() C.int { return C.int(greet(nil)) }

func main() {}
