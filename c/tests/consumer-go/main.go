// Command consumer is what a user of the Go module writes. scripts/package-go
// puts it into a fresh module of its own; it ends with a message and status 1
// where an answer is not right.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
)

const log = `==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000013 at pc 0x55d0c0a1 bp 0x7ffd10 sp 0x7ffd08
READ of size 1 at 0x602000000013 thread T0
    #0 0x55d0c0a0 in checksum /src/app/record.c:41:19
    #1 0x55d0c1b0 in main /src/app/main.c:12:3

freed by thread T0 here:
    #0 0x55d0b001 in free (/src/app/app+0x9b001)
    #1 0x55d0c0f3 in record_drop /src/app/record.c:28:3

SUMMARY: AddressSanitizer: heap-use-after-free /src/app/record.c:41:19 in checksum
==4711==ABORTING
`

func main() {
	set, err := ffikit.Read(ffikit.Options{}, ffikit.Log{Name: "ci.log", Reader: strings.NewReader(log)})
	if err != nil {
		wrong("reading: %v", err)
	}
	if len(set.Reports) != 1 || set.Reports[0].Kind != "heap-use-after-free" {
		wrong("reports: %+v", set.Reports)
	}
	report := set.Reports[0]
	if report.Blame == nil {
		wrong("nobody is blamed")
	}
	blamed := report.Stacks[report.Blame.Stack].Frames[report.Blame.Frame]
	if blamed.Function != "checksum" || blamed.Line != 41 {
		wrong("blamed: %+v", blamed)
	}
	if readable, _ := normalize.Demangle("_RNvCs1234_7mycrate3foo"); readable != "mycrate::foo" {
		wrong("demangled: %q", readable)
	}
	var document bytes.Buffer
	if err := render.JSON(&document, &render.Document{ReportSet: *set}); err != nil {
		wrong("rendering: %v", err)
	}
	if !strings.Contains(document.String(), `"ffikit.report/1"`) {
		wrong("document: %s", document.String())
	}
	fmt.Println("blamed:", blamed.Function, blamed.File, blamed.Line)
}

func wrong(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "consumer: "+format+"\n", args...)
	os.Exit(1)
}
