// Package leak says of allocation sites which keep growing, how fast, and which
// frame to look at; and which hold what they hold for a known reason.
//
// A model.Hunt with samples enters (package samples); its Growth, Crossings and
// Verdict leave. What counts is not what a site holds but what it keeps: the
// lower envelope of what was live, that is at each moment the least that was live from then on.
// A cache that fills and stays, a pool, a table that is built once do not rise in it for
// long; what leaks does, to the end. Nothing is left out: what rules set apart stands behind
// the rest, with the rule and its reason.
package leak
