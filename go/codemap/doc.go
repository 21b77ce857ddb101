// Package codemap describes the code of one file by address: for each range of
// addresses the function, the chain of calls inlined there, the source line and
// the symbol. Readers of debug information make a Table once; kept in a file it
// is the index from which later look-ups are answered.
//
// Tables and symbols enter by Encode, which merges them and writes a file;
// model.Frames leave through a Reader. FORMAT.md describes the file, and why it
// looks as it does. What is refused: files of another version (ErrVersion),
// files that are not whole or contradict themselves (ErrDamaged), and code over
// the format's limits (ErrLimit).
//
// A Reader takes a file for hostile, although it lies in the user's own cache.
// It reads by pread into memory of its own and never maps the file: a mapped
// file that is cut off while it is read is a SIGBUS, which a library in
// somebody's Python process could not catch. Blocks are read when an address
// needs them and checked then; many addresses have all of them read at once.
package codemap
