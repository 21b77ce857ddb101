// Package preload runs a command with libraries in front of its own: it finds
// ffikit's agent, makes the environment, and waits without dying of the signals
// that are meant for the command.
package preload
