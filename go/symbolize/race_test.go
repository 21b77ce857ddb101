//go:build race

package symbolize_test

// The race detector slows reading llvm-symbolizer's JSON tenfold, and agreement
// has nothing to do with races: every 128th byte will do there.
const referenceStep = 128
