// Package join puts the stacks that the companion recorded in the place of
// those that a sanitizer's log has.
//
// Reports enter as the log has them, in its order and before they are
// symbolized, with the evidence of the same processes; the reports leave with
// stacks that run through all languages to their root, and leaks by the stack
// that allocated them. A stack of the evidence is used only where it holds an
// address that the log names for the same stack, or, where the log names none
// that could be in both, where the report's address or the sanitizer's own
// numbers say that they belong together. What has no recorded stack stays as
// it is, and says so.
package join
