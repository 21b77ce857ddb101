package render

import (
	"path"
	"strconv"

	"github.com/ffikit/ffikit/go/model"
)

// FrameName names a frame in one printable line, also where no function is known:
// by the module and the address in it.
func FrameName(f *model.Frame) string {
	switch {
	case f.Function != "":
		return functionText(f)
	case f.LinkageName != "":
		return printable(f.LinkageName, 2000)
	case f.Module != "" && f.VirtAddr != 0:
		return printable(path.Base(f.Module), 200) + "+" + f.VirtAddr.String()
	case f.Module != "":
		return printable(path.Base(f.Module), 200)
	case f.AbsAddr != 0:
		return f.AbsAddr.String()
	}
	return "[unknown]"
}

// FramePlace is a frame's file:line in one printable line; empty where the file is
// unknown.
func FramePlace(f *model.Frame) string {
	if f.File == "" || f.Line <= 0 {
		return printable(f.File, 1000)
	}
	return printable(f.File, 1000) + ":" + strconv.Itoa(f.Line)
}
