// Command libffikit is the C ABI of ffikit, c/include/ffikit/ffikit.h. Build it
// by scripts/build-lib, as a C shared library or archive.
//
// A call comes in through the C shims (shims.c, generated), which refuse
// forked children and impossible arguments; the exports here turn C values
// into Go ones, call the packages that do the work, and hand the answer out in
// one block of C memory (result.c). No export lets a panic out: see call.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/include -std=c11 -D_GNU_SOURCE -Wall -Wextra
#include "ffikitgo.h"
*/
import "C"

func main() {}
