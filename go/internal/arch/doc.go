// Package arch holds no code: its test reads the import graph of the module
// and fails where a package imports what the design does not let it, and where
// a package that should not need cgo does.
package arch
