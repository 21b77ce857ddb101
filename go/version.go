package ffikit

// Version is the version of this module and of every other artefact of
// ffikit: they are released together. ffikit.h says the same.
const Version = "0.1.0"
