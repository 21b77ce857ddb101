// Command service COUNT FILE serves HTTP on a port of its own choice, which it
// writes into FILE, until it has answered COUNT requests, each by a C library.
package main

/*
#include <stdlib.h>
#include "store.h"
*/
import "C"

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"unsafe"
)

const parts = 50

func render(name string, number int64) string {
	given := C.CString(name)
	defer C.free(unsafe.Pointer(given))
	if number%100 == 0 {
		C.store_remember(given) // LEAK_CALLER
	}
	text := C.store_render(given, parts)
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}

func main() {
	count, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var served atomic.Int64
	done := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := served.Add(1) - 1
		fmt.Fprint(w, render(r.URL.Path, number))
		if number == count-1 {
			close(done)
		}
	})}
	go func() {
		<-done
		_ = server.Shutdown(context.Background())
	}()
	// The file has the address whole, or is not there.
	if err := os.WriteFile(os.Args[2]+".new", []byte(listener.Addr().String()), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(os.Args[2]+".new", os.Args[2]); err != nil {
		panic(err)
	}
	_ = server.Serve(listener)
	fmt.Printf("allocations store_render %d\nallocations store_remember %d\n", count*(parts+1), (count+99)/100)
}
