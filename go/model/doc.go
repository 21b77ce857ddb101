// Package model holds the values that every part of ffikit speaks: frames,
// stacks, reports and what could not be read of them.
//
// It imports the standard library only and no sibling. The field names of the
// JSON documents that ffikit writes (schema ffikit.report/1, see
// go/render/schema) are the json tags here: the model is defined once.
//
// What is unknown is absent (the zero value, a nil pointer), never a guess.
package model
