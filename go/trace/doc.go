// Package trace reads the evidence that the sanitizer companion
// (libffikit_agent.so) writes beside a sanitizer's log: stacks of addresses
// and Python places, and which report each belongs to. FORMAT.md is the format.
//
// A stream of bytes enters, which a stranger may have written; Evidence leaves,
// whose stacks are model.Frames as the process had them: modules and addresses,
// nothing symbolized. Heap is the heap trace of a program that `ffikit hunt`
// runs (HEAP.md), which may be read while it is written.
//
// A file that was torn, corrupted or is too large gives what can be read of it,
// and says what cannot. Memory is bounded (see limits).
package trace
