// Package hunter runs a command with ffikit's agent preloaded, which tracks its
// allocations, and watches the heap traces of all its processes while they grow.
//
// Where nothing can be tracked it says why: a program that was not watched must
// not look like one without leaks.
package hunter
