//go:build !race

package pclntab_test

const (
	mutants = 1000 // of each of three files
	sparse  = 1
)
