package main

/*
#include "ffikitgo.h"
*/
import "C"

import "unsafe"

// What a caller may ask for in one call. Above these, FFIKIT_ERR_LIMIT.
const (
	maxLogBytes     = 1 << 30
	maxTextBytes    = 1 << 20 // paths, names, options
	maxAddressCount = 1 << 22
)

// text copies a caller's text. The shims have checked pointer and length
// against each other.
func text(what string, data *C.ffikitgo_const_char, lenBytes C.size_t) (string, error) {
	if lenBytes > maxTextBytes {
		return "", withStatus(C.FFIKIT_ERR_LIMIT, "%s has %d bytes, more than the %d that are allowed",
			what, uint64(lenBytes), maxTextBytes)
	}
	if lenBytes == 0 {
		return "", nil
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(data)), int(lenBytes))), nil
}
