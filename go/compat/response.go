package compat

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// maxResponseDepth bounds response files that name each other.
const maxResponseDepth = 16

// expand replaces each @FILE by the words in the file, as all three programs
// do; an argument whose file cannot be read stays as it is.
func (c *Command) expand(args []string) ([]string, error) {
	words := args
	if variable := c.Program.variable(); variable != "" {
		if text := c.Getenv(variable); text != "" {
			words = append(splitWords(text, false), args...)
		}
	}
	return expandResponses(words, c.Program == GNUAddr2line, 0)
}

// variable names the environment variable with further options.
func (p Program) variable() string {
	switch p {
	case LLVMSymbolizer:
		return "LLVM_SYMBOLIZER_OPTS"
	case LLVMAddr2line:
		return "LLVM_ADDR2LINE_OPTS"
	}
	return ""
}

func expandResponses(args []string, gnu bool, depth int) ([]string, error) {
	var words []string
	for i, arg := range args {
		if len(arg) < 2 || arg[0] != '@' {
			if words != nil {
				words = append(words, arg)
			}
			continue
		}
		if depth >= maxResponseDepth {
			return nil, fmt.Errorf("%s: response files name each other %d deep", arg, depth)
		}
		text, err := readSmall(arg[1:], maxResponseBytes)
		if words == nil {
			words = append(make([]string, 0, len(args)), args[:i]...)
		}
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) && !gnu {
				return nil, fmt.Errorf("cannot open file '%s': %s", arg[1:], reasonOf(err))
			}
			words = append(words, arg)
			continue
		}
		inner, err := expandResponses(splitWords(string(text), gnu), gnu, depth+1)
		if err != nil {
			return nil, err
		}
		if words = append(words, inner...); len(words) > maxArguments {
			return nil, fmt.Errorf("%s: more than %d arguments", arg, maxArguments)
		}
	}
	if words == nil {
		return args, nil
	}
	return words, nil
}

// splitWords takes text apart as a shell would: at white space, with quotes
// and backslashes. In binutils (libiberty's buildargv) a backslash counts
// between single quotes too.
func splitWords(text string, backslashAlways bool) []string {
	var words []string
	var word []byte
	inWord := false
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && (quote != '\'' || backslashAlways) && i+1 < len(text):
			i++
			word, inWord = append(word, text[i]), true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word = append(word, c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.IndexByte(" \t\n\v\f\r\x00", c) >= 0:
			if inWord {
				words = append(words, string(word))
			}
			word, inWord = word[:0], false
		default:
			word, inWord = append(word, c), true
		}
	}
	if inWord {
		words = append(words, string(word))
	}
	return words
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	// O_NONBLOCK: a FIFO must not make us wait.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, syscall.EISDIR
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// reasonOf is the system's word for err, as the C library writes it.
func reasonOf(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		text := number.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return err.Error()
}
