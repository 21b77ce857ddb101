package normalize_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/report"
)

// A fault in C that Go's handler forwarded to the sanitizer: the frames after
// the fault's own are the handler's, and no caller can be told from them.
func TestGoSignalHandlerIsNoCaller(t *testing.T) {
	log, err := os.Open("../testdata/corpus/null_in_c.sym.txt")
	require.NoError(t, err)
	defer log.Close()
	var reports []model.Report
	_, err = report.Read(log, "log", func(r model.Report) error {
		normalize.Report(&r, normalize.Options{})
		reports = append(reports, r)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.Len(t, reports[0].Stacks, 1)
	stack := reports[0].Stacks[0]
	frames := stack.Frames
	require.Equal(t, "store_head_length", frames[0].Function)
	require.Contains(t, frames[len(frames)-1].Function, "runtime.sigfwd")
	for _, f := range frames {
		assert.Empty(t, f.Boundary, "%+v", f)
	}
	assert.Contains(t, stack.Truncated, "Go's signal handler")
}

// A stack that does go on behind the handler is whole, and its crossings count.
func TestStackBehindGoSignalHandler(t *testing.T) {
	runtime := "/usr/local/go/src/runtime/"
	r := model.Report{Stacks: []model.Stack{{Role: model.RoleFault, Frames: []model.Frame{
		{Function: "handler", File: "/src/handler.c"},
		{Function: "runtime.sigfwd.abi0", File: runtime + "sys_linux_amd64.s"},
		{Function: "store_head_length", File: "/src/store.c"},
		{Function: "runtime.asmcgocall.abi0", File: runtime + "asm_amd64.s"},
	}}}}
	normalize.Report(&r, normalize.Options{})
	assert.Empty(t, r.Stacks[0].Truncated)
	assert.Empty(t, r.Stacks[0].Frames[0].Boundary)
	assert.Equal(t, "go>c", r.Stacks[0].Frames[2].Boundary)
}
