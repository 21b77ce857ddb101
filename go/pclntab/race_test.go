//go:build race

package pclntab_test

// The race detector makes all of this ten times slower: fewer mutants, and
// addresses further apart.
const (
	mutants = 200
	sparse  = 11
)
