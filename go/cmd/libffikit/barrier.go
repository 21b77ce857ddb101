package main

/*
#include "ffikitgo.h"
#include "result.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ffikit/ffikit/go/cmd/libffikit/internal/handle"
	"github.com/ffikit/ffikit/go/object"
)

// statusError is an error whose status is known.
type statusError struct {
	status C.ffikit_status
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func withStatus(status C.ffikit_status, format string, args ...any) error {
	return &statusError{status, fmt.Errorf(format, args...)}
}

// call is the barrier between C and Go: it runs body, hands its error out and
// returns the status. A panic of body becomes FFIKIT_ERR_PANIC. What Go calls
// a fatal error (concurrent map writes, a corrupted heap, no memory for Go's
// own heap, a stack of more than 1 GB) cannot be caught: it ends the process.
func call(function string, errOut **C.ffikit_error, body func() error) (status C.ffikit_status) {
	defer func() {
		if r := recover(); r != nil {
			status = C.FFIKIT_ERR_PANIC
			handOut(errOut, status, fmt.Sprintf("%s: panic: %v%s; this is a bug in ffikit, please report it",
				function, r, panicSite()))
		}
	}()
	err := body()
	if err == nil {
		return C.FFIKIT_OK
	}
	status = statusOf(err)
	handOut(errOut, status, function+": "+err.Error())
	return status
}

// free is the barrier for functions that cannot fail.
func free(body func()) {
	defer func() { _ = recover() }()
	body()
}

func handOut(errOut **C.ffikit_error, status C.ffikit_status, message string) {
	// A NUL would end the message early for who reads it as a C string.
	message = strings.ReplaceAll(strings.ToValidUTF8(message, "\uFFFD"), "\x00", `\0`)
	C.ffikit_result_error(status, (*C.char)(unsafe.Pointer(unsafe.StringData(message))), C.size_t(len(message)), errOut)
}

func statusOf(err error) C.ffikit_status {
	var known *statusError
	switch {
	case errors.As(err, &known):
		return known.status
	case errors.Is(err, handle.ErrInvalid):
		return C.FFIKIT_ERR_HANDLE
	case errors.Is(err, handle.ErrFull), errors.Is(err, object.ErrLimit):
		return C.FFIKIT_ERR_LIMIT
	case errors.Is(err, object.ErrChanged):
		return C.FFIKIT_ERR_IO
	case errors.Is(err, object.ErrNotRegular), errors.Is(err, object.ErrNotELF), errors.Is(err, object.ErrFormat):
		return C.FFIKIT_ERR_FORMAT
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return C.FFIKIT_ERR_NOT_FOUND
	}
	// What is left is the system's word on opening or reading.
	return C.FFIKIT_ERR_IO
}

// panicSite says where the recovered panic came from: the innermost frame that
// is not the runtime's. Called from the deferred function that recovered.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf(" at %s (%s:%d)", frame.Function, frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}
