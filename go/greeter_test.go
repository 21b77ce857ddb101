package ffikit_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ffikit/ffikit/go/model"
)

// The program of the walkthrough. `go test` leaves the debug information out
// of its own binary, so the example looks at this one.
const greeterSource = `#include <stdio.h>
void greet(void) { puts("hello"); }
int main(void) { greet(); }
`

var greeterFolder string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if greeterFolder, err = os.MkdirTemp("", "ffikit-example-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(greeterFolder)
		source := filepath.Join(greeterFolder, "greeter.c")
		if err := os.WriteFile(source, []byte(greeterSource), 0o644); err != nil {
			panic(err)
		}
		if out, err := exec.Command("cc", "-g", "-o", filepath.Join(greeterFolder, "greeter"), source).CombinedOutput(); err != nil {
			panic(fmt.Sprintf("cc: %v\n%s", err, out))
		}
		return m.Run()
	}())
}

// greeter gives the program and the address of its function greet.
func greeter() (string, model.VirtAddr) {
	program := filepath.Join(greeterFolder, "greeter")
	file, err := elf.Open(program)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		panic(err)
	}
	for _, symbol := range symbols {
		if symbol.Name == "greet" {
			return program, model.VirtAddr(symbol.Value)
		}
	}
	panic("no function greet")
}
