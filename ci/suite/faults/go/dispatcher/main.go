// Command dispatcher is the record program without Python: Go's own main over
// the C record store.
//
// usage: dispatcher [payload|leak]
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../c
#cgo LDFLAGS: -lstore
#include "store.h"
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

const length = 48

//go:noinline
func released() *C.store_record {
	record := C.store_record_new(length) // at: dispatcher_new
	C.store_record_release(record)       // at: dispatcher_release
	return record
}

//go:noinline
func sum() uint32 {
	record := released()                                                    // at: sum_released
	return uint32(C.store_checksum(C.store_record_payload(record), length)) // at: dispatcher_sum
}

//go:noinline
func lastByte() byte {
	record := released() // at: last_released
	payload := unsafe.Slice((*byte)(unsafe.Pointer(C.store_record_payload(record))), length)
	return payload[length-1] // fault: dispatcher_last
}

//go:noinline
func forget() {
	C.store_journal_note(length) // at: dispatcher_forget
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "payload":
		fmt.Println("dispatcher:", lastByte()) // at: dispatcher_main_payload
	case "leak":
		forget() // at: dispatcher_main_leak
	default:
		fmt.Println("dispatcher:", sum()) // at: dispatcher_main_sum
	}
}
