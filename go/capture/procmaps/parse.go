package procmaps

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// Mapping is one line of the maps: a range of addresses and the part of a file
// that lies there.
type Mapping struct {
	Start, End model.AbsAddr // End is excluded
	FileOffset uint64        // in bytes, of Start
	Inode      uint64
	Major      uint32 // of the file's device
	Minor      uint32
	// Executable says that code may run there.
	Executable bool
	// Path is the text as the kernel wrote it: empty for anonymous memory,
	// "[heap]" and its like, or a path in which a line end stands as \012 and
	// behind which a deleted file has " (deleted)".
	Path string
	// Line is the number of the line, from 1.
	Line int
}

// ParseError is a line that cannot be read.
type ParseError struct {
	Name   string
	Line   int
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Reason) }

// Parse reads maps. Mappings are in the order of their addresses and do not
// overlap. name stands in errors, which are *ParseErrors or r's own.
func Parse(r io.Reader, name string) ([]Mapping, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 8<<10), maxLineBytes)
	var mappings []Mapping
	paths := map[string]string{}
	pathBytes, number := 0, 0
	for scanner.Scan() {
		number++
		fail := func(format string, args ...any) ([]Mapping, error) {
			return nil, &ParseError{name, number, fmt.Sprintf(format, args...)}
		}
		line := scanner.Bytes()
		if len(line) == 0 {
			continue
		}
		m, path, reason := parseLine(line)
		if reason != "" {
			return fail("%s", reason)
		}
		if n := len(mappings); n > 0 && m.Start < mappings[n-1].End {
			return fail("the mapping at %v begins before the one above it ends", m.Start)
		}
		if len(mappings) >= maxMappings {
			return fail("more than %d mappings", maxMappings)
		}
		known, ok := paths[string(path)]
		if !ok {
			if pathBytes += len(path); pathBytes > maxPathBytes {
				return fail("the paths are longer than %d bytes together", maxPathBytes)
			}
			known = string(path)
			paths[known] = known
		}
		m.Path, m.Line = known, number
		mappings = append(mappings, m)
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, &ParseError{name, number + 1, fmt.Sprintf("the line is longer than %d bytes", maxLineBytes)}
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return mappings, nil
}

// parseLine reads "START-END PERMS OFFSET MAJOR:MINOR INODE   PATH"; reason is
// empty where it could. path lies in line.
func parseLine(line []byte) (m Mapping, path []byte, reason string) {
	rest := line
	field := func() string {
		word, after, _ := bytes.Cut(rest, []byte(" "))
		rest = after
		return string(word)
	}
	hex := func(text string, bits int) uint64 {
		// ParseUint takes signs for errors, but underscores not even then.
		value, err := strconv.ParseUint(text, 16, bits)
		if err != nil && reason == "" {
			reason = fmt.Sprintf("%.40q is no hexadecimal number of %d bits", text, bits)
		}
		return value
	}
	start, end, ok := strings.Cut(field(), "-")
	if !ok {
		return m, nil, fmt.Sprintf("%.40q is no range of addresses: is this /proc/PID/maps?", line)
	}
	m.Start, m.End = model.AbsAddr(hex(start, 64)), model.AbsAddr(hex(end, 64))
	perms := field()
	m.FileOffset = hex(field(), 64)
	major, minor, _ := strings.Cut(field(), ":")
	m.Major, m.Minor = uint32(hex(major, 32)), uint32(hex(minor, 32))
	inode := field()
	var err error
	if m.Inode, err = strconv.ParseUint(inode, 10, 64); err != nil && reason == "" {
		reason = fmt.Sprintf("%.40q is no inode", inode)
	}
	switch {
	case reason != "":
	case m.End <= m.Start:
		reason = fmt.Sprintf("the mapping at %v has no bytes", m.Start)
	case len(perms) != 4:
		reason = fmt.Sprintf("%.40q are no permissions", perms)
	case m.FileOffset+uint64(m.End-m.Start) < m.FileOffset:
		reason = fmt.Sprintf("the mapping at %v reaches past every file's end", m.Start)
	}
	m.Executable = len(perms) == 4 && perms[2] == 'x'
	return m, bytes.TrimLeft(rest, " "), reason
}

const deletedSuffix = " (deleted)"

// names are the paths that the text in a mapping may mean, likeliest first:
// the kernel writes a line end as \012, but a backslash as it is; and a file
// may be called "x (deleted)".
func names(text string) (paths []string) {
	if !strings.HasPrefix(text, "/") {
		return nil
	}
	if strings.Contains(text, `\012`) {
		paths = append(paths, strings.ReplaceAll(text, `\012`, "\n"))
	}
	return append(paths, text)
}

// DisplayPath is the path for people: without the kernel's marks.
func (m *Mapping) DisplayPath() string {
	return strings.ReplaceAll(strings.TrimSuffix(m.Path, deletedSuffix), `\012`, "\n")
}
