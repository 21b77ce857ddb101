package normalize_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
)

// Only what a user would want to see is missed.
func TestMissed(t *testing.T) {
	stacks := []model.Stack{{Frames: []model.Frame{
		{Module: "/lib/libc.so.6", Runtime: true, Machinery: "libc"},
		{Module: "/usr/bin/python3", Function: "PyObject_Call", Runtime: true, Machinery: "CPython"},
	}}, {Frames: []model.Frame{
		{Module: "/opt/python", Runtime: true, Machinery: "CPython"},
		{Module: "/app/libmine.so"}, {Module: "/app/both.so", Runtime: true, Machinery: "Cython"}, {Module: "/app/both.so", Function: "f"},
	}}}
	var unresolved, want []model.Partial
	for _, file := range []string{"/lib/libc.so.6", "/usr/bin/python3", "/opt/python", "/app/libmine.so", "/app/both.so", "/not/in/them", ""} {
		partial := model.Partial{File: file, Reason: "no debug information"}
		unresolved = append(unresolved, partial)
		if file != "/lib/libc.so.6" && file != "/usr/bin/python3" {
			want = append(want, partial)
		}
	}
	assert.Equal(t, want, normalize.Missed(stacks, unresolved))
	assert.Empty(t, normalize.Missed(stacks, nil))
}
