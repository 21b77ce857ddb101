// Package codemap describes the code of one file by address: for each range of
// addresses the function, the chain of calls inlined there, the source line and
// the symbol. Readers of debug information make a Table once; kept in a file it
// is the index from which later look-ups are answered.
package codemap
