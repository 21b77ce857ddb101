// go-debug looks addresses up by Go's standard library alone, as a tool does that
// has no other reader: function, file and line of the innermost frame, without
// what was inlined.
//
//	usage: go-debug FILE < ADDRESSES
//
// The units' ranges are read first. Each unit is read once, when the first address
// falls into it: its functions and the rows of its line table are kept sorted. The
// output is that of addr2line -f.
package main

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
)

// span is the code from low to high (exclusive) that one function has.
type span struct {
	low, high uint64
	name      string
}

// row is a row of a line table; one without a file ends a sequence.
type row struct {
	address uint64
	file    string
	line    int
}

type unit struct {
	entry *dwarf.Entry
	read  bool
	spans []span
	rows  []row
}

// extent is code that one unit has.
type extent struct {
	low, high uint64
	unit      *unit
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-debug FILE < ADDRESSES")
		os.Exit(2)
	}
	if err := lookUp(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go-debug:", err)
		os.Exit(1)
	}
}

func lookUp(path string, in io.Reader, out io.Writer) error {
	file, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := file.DWARF()
	if err != nil {
		return err
	}
	extents, err := extentsOf(data)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		address, err := strconv.ParseUint(strings.TrimPrefix(lines.Text(), "0x"), 16, 64)
		if err != nil {
			return err
		}
		name, place := "??", "??:0"
		i := sort.Search(len(extents), func(i int) bool { return extents[i].low > address }) - 1
		if i >= 0 && address < extents[i].high {
			found := extents[i].unit
			if err := found.load(data); err != nil {
				return err
			}
			name, place = found.at(address)
		}
		fmt.Fprintf(buffered, "%s\n%s\n", name, place)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

func extentsOf(data *dwarf.Data) ([]extent, error) {
	var extents []extent
	reader := data.Reader()
	for {
		entry, err := reader.Next()
		if err != nil {
			return nil, err
		}
		if entry == nil {
			break
		}
		reader.SkipChildren()
		if entry.Tag != dwarf.TagCompileUnit {
			continue
		}
		ranges, err := data.Ranges(entry)
		if err != nil {
			return nil, err
		}
		found := &unit{entry: entry}
		for _, r := range ranges {
			extents = append(extents, extent{r[0], r[1], found})
		}
	}
	sort.Slice(extents, func(i, j int) bool { return extents[i].low < extents[j].low })
	return extents, nil
}

// load reads the unit, unless that was done.
func (u *unit) load(data *dwarf.Data) error {
	if u.read {
		return nil
	}
	u.read = true
	reader := data.Reader()
	reader.Seek(u.entry.Offset)
	if _, err := reader.Next(); err != nil {
		return err
	}
	for depth := 1; depth > 0; {
		child, err := reader.Next()
		if err != nil {
			return err
		}
		switch {
		case child == nil || child.Tag == 0:
			depth--
			continue
		case child.Tag == dwarf.TagSubprogram:
			ranges, err := data.Ranges(child)
			if err != nil {
				return err
			}
			name := ""
			if len(ranges) > 0 {
				name = nameOf(data, child, 0)
			}
			for _, r := range ranges {
				u.spans = append(u.spans, span{r[0], r[1], name})
			}
			reader.SkipChildren()
			continue
		}
		if child.Children {
			depth++
		}
	}
	sort.Slice(u.spans, func(i, j int) bool { return u.spans[i].low < u.spans[j].low })
	return u.readRows(data)
}

// nameOf follows abstract origins and specifications, which may form a circle.
func nameOf(data *dwarf.Data, entry *dwarf.Entry, depth int) string {
	if name, ok := entry.Val(dwarf.AttrLinkageName).(string); ok {
		return name
	}
	for _, attribute := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		offset, ok := entry.Val(attribute).(dwarf.Offset)
		if !ok || depth > 4 {
			continue
		}
		reader := data.Reader()
		reader.Seek(offset)
		if origin, err := reader.Next(); err == nil && origin != nil {
			return nameOf(data, origin, depth+1)
		}
	}
	name, _ := entry.Val(dwarf.AttrName).(string)
	return name
}

func (u *unit) readRows(data *dwarf.Data) error {
	lines, err := data.LineReader(u.entry)
	if err != nil || lines == nil {
		return err
	}
	for {
		var at dwarf.LineEntry
		if err := lines.Next(&at); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if at.EndSequence || at.File == nil {
			u.rows = append(u.rows, row{address: at.Address})
		} else {
			u.rows = append(u.rows, row{at.Address, at.File.Name, at.Line})
		}
	}
	sort.SliceStable(u.rows, func(i, j int) bool { return u.rows[i].address < u.rows[j].address })
	return nil
}

func (u *unit) at(address uint64) (name, place string) {
	name, place = "??", "??:0"
	i := sort.Search(len(u.spans), func(i int) bool { return u.spans[i].low > address }) - 1
	if i >= 0 && address < u.spans[i].high && u.spans[i].name != "" {
		name = u.spans[i].name
	}
	i = sort.Search(len(u.rows), func(i int) bool { return u.rows[i].address > address }) - 1
	if i >= 0 && u.rows[i].file != "" {
		place = u.rows[i].file + ":" + strconv.Itoa(u.rows[i].line)
	}
	return name, place
}
