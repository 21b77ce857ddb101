// Package compat speaks the protocols of llvm-symbolizer, llvm-addr2line
// (LLVM 19) and GNU addr2line (binutils 2.40), so that sanitizer runtimes,
// perf and editors can use ffikit in their place.
//
// A command line and standard input enter, the program's own answers leave:
// its options, its response files, its ways to write an address, its output
// styles and its words for what went wrong. What the originals answer was
// learned by running them; the tests run them again and compare byte for byte,
// and list every difference that is left with its reason.
//
// Input is answered as it comes. Every line that is there is answered, and the
// answers are written, before a read can block: a sanitizer's runtime sends a
// line and waits. Where many lines are there at once (a file, a full pipe) they
// are answered in one batch, which is what makes it fast.
//
// Input is a stranger's: a line longer than the original's buffer is cut where
// it cuts, so that no length is unbounded; a module is opened only if it is a
// regular file; a source file for --print-source-context-lines likewise.
//
// Of a relocatable object with several sections the originals place each at 0,
// where one address is many places, and each program picks another. Here they
// lie one after the other, so that each place has one address; -j of addr2line
// counts from a section's start either way.
//
// What is not spoken, and is refused by a clear message: markup filtering, and
// demangling styles other than those of C++ and Rust. FRAME, which asks for the
// variables of a stack frame, is answered as for a frame without any. Servers
// are asked only with --debuginfod, never because the environment names some.
package compat

// Limits on what is held at a time.
const (
	// maxBatch is the number of lines that are answered together, maxMixed
	// the number where several modules are asked for in turn: their answers
	// wait in memory for their place in the order.
	maxBatch = 1 << 17
	maxMixed = 1 << 13
	// maxOther bounds the lines of a batch that are not plain addresses.
	maxOther = 1 << 10
	// maxModules bounds the modules that are remembered by name.
	maxModules = 1 << 12
	// flushBytes is when answers are written.
	flushBytes = 1 << 16
	// inputBytes is what is read at a time.
	inputBytes = 1 << 16
	// maxSourceBytes bounds a source file that is shown.
	maxSourceBytes = 16 << 20
	// maxFolders bounds the folders that --relativenames looks for.
	maxFolders = 1 << 10
	// maxResponseBytes and maxArguments bound response files.
	maxResponseBytes = 16 << 20
	maxArguments     = 1 << 20
	// maxMangledBytes bounds the names that are demangled, maxReadablePow2
	// what demangling may blow them up to, as a power of two.
	maxMangledBytes  = 16 << 10
	maxReadablePow2  = 16
	maxCachedNames   = 1 << 16
	maxCachedBytes   = 16 << 20
	recentNamesCount = 1 << 12
)
