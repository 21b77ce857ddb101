//go:build !race

package symbolize_test

// referenceStep is the distance in bytes of the addresses that are compared.
const referenceStep = 16
