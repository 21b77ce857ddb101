package ffikit_test

import (
	"fmt"
	"path/filepath"
	"strings"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/symbolize"
)

const exampleLog = `collecting ... done
=================================================================
==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000013 at pc 0x55d0c0a1 bp 0x7ffd10 sp 0x7ffd08
READ of size 1 at 0x602000000013 thread T0
    #0 0x55d0c0a0 in checksum /src/app/record.c:41:19
    #1 0x55d0c1b0 in main /src/app/main.c:12:3

SUMMARY: AddressSanitizer: heap-use-after-free /src/app/record.c:41:19 in checksum
==4711==ABORTING
`

// The same walkthrough stands in ffikit's documentation for C, Rust and
// Python.
func Example_walkthrough() {
	// 1. The version.
	fmt.Println("ffikit", ffikit.Version)

	// 2. Symbolize an address of a binary, as `nm` tells it.
	program, address := greeter()
	symbolizer := symbolize.New(symbolize.Options{})
	defer symbolizer.Close()
	resolved, err := symbolizer.Resolve(program, "", []model.VirtAddr{address})
	if err != nil {
		panic(err)
	}
	frame := resolved[0][0]
	fmt.Println(frame.Function, frame.Language, filepath.Base(frame.File), frame.Line)

	// 3. Parse a log, and 4. count the reports in it.
	set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: "ci.log", Reader: strings.NewReader(exampleLog)})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(set.Reports), "report:", set.Reports[0].Kind)

	// 5. Render it: for programs (and render.Text, for people).
	var json strings.Builder
	if err := render.JSON(&json, &render.Document{ReportSet: *set}); err != nil {
		panic(err)
	}
	fmt.Println(strings.Contains(json.String(), "ffikit.report/1"))

	// 6. Demangle a name.
	fmt.Println(normalize.Demangle("_RNvC7mycrate3foo"))

	// 7. Errors say what went wrong.
	_, err = symbolizer.Resolve("/no/such/file", "", []model.VirtAddr{0})
	fmt.Println(err)

	// Output:
	// ffikit 0.1.0
	// greet c greeter.c 2
	// 1 report: heap-use-after-free
	// true
	// mycrate::foo rust
	// /no/such/file: no such file or directory
}
