package main

/*
#include "ffikitgo.h"
*/
import "C"

import "github.com/ffikit/ffikit/go/normalize"

//export ffikitgo_demangle
func ffikitgo_demangle(name *C.ffikitgo_const_char, nameLenBytes C.size_t,
	readableOut **C.ffikit_string, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_demangle", errOut, func() error {
		linkageName, err := text("name", name, nameLenBytes)
		if err != nil {
			return err
		}
		readable, _ := normalize.Demangle(linkageName)
		return stringBlock([]byte(readable), readableOut)
	})
}
