package render_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

func TestInline(t *testing.T) {
	frames := []model.Frame{
		{Function: "inner", File: "/src/a.c", Line: 3, Column: 9, Inlined: true},
		{Function: "middle", File: "/src/a.h", Line: 7, Inlined: true},
		{Function: "outer", File: "/src/b.c"},
	}
	assert.Equal(t, "in inner /src/a.c:3:9 [inlined into middle /src/a.h:7, outer /src/b.c]", render.Inline(frames, false))
	assert.Equal(t, "in inner /src/a.c:3:9", render.Inline(frames[:1], false))
	assert.Equal(t, "in malloc", render.Inline([]model.Frame{{Function: "malloc"}}, false))
	assert.Equal(t, "/src/a.c:1", render.Inline([]model.Frame{{File: "/src/a.c", Line: 1}}, false))
	assert.Empty(t, render.Inline(nil, true))
	assert.Empty(t, render.Inline([]model.Frame{{Module: "/lib/x.so", VirtAddr: 1}}, true))
	assert.Equal(t, "in \x1b[33minner\x1b[0m /src/a.c:3:9", render.Inline(frames[:1], true))

	again := &model.Report{Tool: "AddressSanitizer", Kind: "SEGV\x1b", Count: 3, Fingerprint: "1:ab"}
	assert.Equal(t, `── AddressSanitizer: SEGV\x1b again: met 3 times · fingerprint 1:ab`, render.Again(again, false))

	hostile := render.Inline([]model.Frame{{Function: "\x1b[2J\nf", File: "/a\r\u202eb"}}, false)
	assert.Equal(t, `in \x1b[2J\nf /a\r\u202eb`, hostile)
	long := strings.Repeat("x", 1<<20)
	assert.Less(t, len(render.Inline([]model.Frame{{Function: long, File: long}}, false)), 1<<14)
}
