// Package sanitizer runs a command under AddressSanitizer and
// UndefinedBehaviorSanitizer and collects the logs that its processes write.
//
// A command line enters; the paths of the logs, one per process that had
// something to say, and how the command ended leave. The logs are raw
// (unsymbolized): reading them is package report's business.
package sanitizer
