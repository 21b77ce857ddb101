// Package main is a plugin, with tables of its own in a module of its own; the runtime is the host's.
package main

/*
#cgo CFLAGS: -O2 -g -fomit-frame-pointer
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>

static __attribute__((noinline)) void c_leaf(void)
{
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    probe("plugin");
    __asm__ volatile("");
}
*/
import "C"

// Run calls back.
//
//go:noinline
func Run(back func()) {
	back()
}

// Leaf calls C.
//
//go:noinline
func Leaf() {
	C.c_leaf()
}

func main() {}
