// Package samples makes allocation sites of heap traces: stacks of addresses
// become stacks of frames, in their languages' own names, with crossings marked.
//
// Heap traces enter (package trace), with what was seen of them over time;
// model.Samples leave, the largest first. Each distinct address is looked up once, however many
// stacks it is in. Stacks that differ in a language's machinery or in the depth
// of a recursion alone are one site: what a user reads would be the same line.
package samples
