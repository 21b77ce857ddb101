//go:build race

package pclntab_test

// The race detector makes all of this ten times slower.
const (
	mutants  = 200
	llvmStep = 1009
)
