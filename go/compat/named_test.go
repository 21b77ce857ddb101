package compat_test

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/compat"
)

// Lines that name a symbol instead of an address, of whatever kind it is: code,
// data and labels, with lines or without.
func TestSymbolLines(t *testing.T) {
	for _, name := range []string{"c-gcc", "c-clang", "c-symbols", "c-stripped", "c-split"} {
		path := fixture(t, name)
		input := strings.Join(symbolNames(t, path), "\n") + "\n"
		for _, options := range [][]string{{}, {"--output-style=GNU"}, {"--output-style=JSON"}, {"--no-inlines", "-a"}, {"-f=short"}, {"-f=none"}} {
			options = append(options, "-e", path)
			want := original(t, compat.LLVMSymbolizer, filepath.Dir(path), input, options...)
			got := ours(t, compat.LLVMSymbolizer, filepath.Dir(path), input, options...)
			want.out, got.out = withoutStarts(want.out), withoutStarts(got.out)
			alike(t, want, got, "%s %q", name, options)
		}
	}
}

// symbolNames are the names of a file's symbols, and some with an offset.
func symbolNames(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		symbols, err = file.DynamicSymbols()
	}
	require.NoError(t, err)
	for _, symbol := range symbols {
		if symbol.Name != "" && !strings.ContainsAny(symbol.Name, "@ ") {
			names = append(names, symbol.Name, symbol.Name+"+2")
		}
	}
	require.NotEmpty(t, names)
	return names
}

// Symbols in sections of all kinds: the file of some is a symbol without a name,
// that of a variable and its line are where it was declared.
func TestGNUSymbols(t *testing.T) {
	for _, name := range []string{"c-symbols", "c-stripped", "c-gcc", "c-plain", "c-separate", "c-split", "c++-local"} {
		path := fixture(t, name)
		var input strings.Builder
		for _, symbol := range symbolNames(t, path) {
			fmt.Fprintln(&input, symbol)
		}
		for _, options := range [][]string{{"-afe"}, {"-fise"}, {"-apfe"}} {
			want := original(t, compat.GNUAddr2line, filepath.Dir(path), input.String(), append(options, path)...)
			alike(t, want, ours(t, compat.GNUAddr2line, filepath.Dir(path), input.String(), append(options, path)...), "%s %q", name, options)
		}
	}
}
