package compat

import (
	"bytes"
	"debug/elf"
	"errors"
	"maps"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
)

// gnuLineBytes is the buffer of addr2line's fgets, less its final zero.
const gnuLineBytes = 99

// gnuProgram is binutils' addr2line with its options.
type gnuProgram struct {
	command *Command
	session *session
	options *gnuOptions
	names   *names
	module  *module
	symbols []*gnuSymbols
	// symbolsAsked counts the addresses that symbols were asked for.
	symbolsAsked int
	// declared is where variables were declared; read when one is asked for.
	declared *declarations
	// values are the symbols' by name, readable those by readable name; read
	// when a line names one.
	values, readable map[string]uint64
	// digits is how many an address has, mask its bits.
	digits int
	mask   uint64
	// With -j, addresses count from base and lie below size; within says that
	// there is a section.
	within     bool
	base, size uint64
}

// runGNU is main of addr2line.
func (c *Command) runGNU(args []string) int {
	options, err := parseGNU(args, c.Getenv("POSIXLY_CORRECT") != "")
	if err != nil {
		c.errorf("%s: %v\n", c.Name, err)
		var usage gnuUsageError
		if errors.As(err, &usage) {
			c.errorf(gnuUsage, c.Name)
		}
		return statusFailed
	}
	switch {
	case options.help:
		return c.printed(strings.Replace(gnuUsage, "%s", c.Name, 1))
	case options.version:
		return c.printed("addr2line: ffikit " + c.Version + ", compatible with GNU addr2line (GNU Binutils) 2.40\n")
	}
	p := &gnuProgram{
		command: c, options: options, names: newNames(options.demangle),
		module: &module{path: options.object, name: options.object},
	}
	s := &session{protocol: p, resolver: c.Resolver(Sources{}), to: c.Out}
	p.session = s
	if !p.open() {
		return statusFailed
	}
	if len(options.inputs) == 0 {
		err = s.read(newInput(c.In, gnuLineBytes))
	} else {
		for _, input := range options.inputs {
			if s.full() {
				s.answer()
			}
			p.request(s, []byte(input))
		}
		s.answer()
		s.flush()
		err = s.writeErr
	}
	if err != nil {
		c.errorf("%s: %v\n", c.Name, err)
		return statusFailed
	}
	return statusOK
}

func (c *Command) printed(text string) int {
	if _, err := c.Out.Write([]byte(text)); err != nil {
		c.errorf("%s: %v\n", c.Name, err)
		return statusFailed
	}
	return statusOK
}

// open looks at the object file as addr2line does before it reads anything.
func (p *gnuProgram) open() bool {
	c, path := p.command, p.options.object
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		c.errorf("%s: '%s': No such file\n", c.Name, path)
		return false
	case err != nil:
		c.errorf("%s: Warning: could not locate '%s'.  reason: %s\n", c.Name, path, reasonOf(err))
		return false
	case info.IsDir():
		c.errorf("%s: Warning: '%s' is a directory\n", c.Name, path)
		return false
	case !info.Mode().IsRegular():
		c.errorf("%s: Warning: '%s' is not an ordinary file\n", c.Name, path)
		return false
	case info.Size() == 0:
		return false
	case !gnuTarget(p.options.target):
		c.errorf("%s: %s: invalid bfd target\n", c.Name, path)
		return false
	}
	if p.module.open(p.session.resolver); p.module.failure != nil {
		p.refuse(p.module.failure)
		return false
	}
	p.digits = 2 * p.module.file.AddrSize()
	p.mask = 1<<(4*p.digits) - 1
	return p.options.section == "" || p.section(p.module.file)
}

// refuse says in binutils' words why a file is not one to read.
func (p *gnuProgram) refuse(err error) {
	c, path := p.command, p.options.object
	var own *object.Error
	switch {
	case errors.As(err, &own) && strings.HasPrefix(own.Reason, "an ar archive"):
		c.errorf("%s: %s: cannot get addresses from archive\n", c.Name, path)
	case errors.Is(err, os.ErrPermission):
		c.errorf("%s: %s: Permission denied\n", c.Name, path)
	default:
		c.errorf("%s: %s: file format not recognized\n", c.Name, path)
	}
}

// section finds the section that -j names.
func (p *gnuProgram) section(file *object.File) bool {
	sections := file.Sections()
	for i := range sections {
		section := &sections[i]
		if section.Name != p.options.section || section.Type == elf.SHT_NULL {
			continue
		}
		p.within, p.base, p.size = true, uint64(section.VirtAddr), section.SizeBytes
		if section.Flags&elf.SHF_ALLOC == 0 {
			p.size = 0 // nothing is found in what is not loaded
		}
		return true
	}
	p.command.errorf("%s: %s: cannot find section %s\n", p.command.Name, p.options.object, p.options.section)
	return false
}

// request reads a line: a hexadecimal number, or SYMBOL or SYMBOL+OFFSET. What
// begins with a digit is a number, and so is what begins with another
// hexadecimal digit, unless there is a plus.
func (p *gnuProgram) request(s *session, line []byte) {
	if at := bytes.IndexByte(line, 0); at >= 0 {
		line = line[:at] // it is a C string
	}
	text := trimSpace(line)
	number := len(text) == 0 || hexDigit(text[0]) <= 9 || hexDigit(text[0]) <= 15 && bytes.IndexByte(text, '+') < 0
	if number {
		s.code(p.module, parseUnsigned(text, 16)&p.mask)
		return
	}
	end := bytes.IndexAny(text, "+ \t\n\v\f\r")
	if end < 0 {
		end = len(text)
	}
	offset := uint64(0)
	if rest := trimSpace(text[end:]); len(rest) > 0 && rest[0] == '+' {
		offset = parseUnsigned(rest[1:], 0)
	}
	addr := uint64(0)
	if value, ok := p.named(string(text[:end])); ok {
		addr = value + offset
	}
	s.code(p.module, addr&p.mask)
}

// named is the value of the first symbol of that name, mangled or not.
func (p *gnuProgram) named(name string) (uint64, bool) {
	if p.values == nil {
		p.values = readGNUValues(p.module.file)
	}
	value, ok := p.values[name]
	if ok {
		return value, true
	}
	if p.readable == nil {
		p.readable = map[string]uint64{}
		for _, mangledName := range slices.Sorted(maps.Keys(p.values)) {
			readable := mangledName
			if mangled(mangledName) {
				readable = demangleGNU(mangledName, manglingsGNU)
			}
			if _, taken := p.readable[readable]; readable != mangledName && !taken {
				p.readable[readable] = p.values[mangledName]
			}
		}
	}
	value, ok = p.readable[name]
	return value, ok
}

func trimSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] >= '\t' && text[0] <= '\r') {
		text = text[1:]
	}
	return text
}

// parseUnsigned reads a number as strtoul does: blanks and a sign may stand
// before it, and what follows it is not looked at. Base 0 is told by 0x and 0.
func parseUnsigned(text []byte, base uint64) uint64 {
	text = trimSpace(text)
	negative := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	switch {
	case base != 10 && len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x' && hexDigit(text[2]) <= 15:
		base, text = 16, text[2:]
	case base == 0 && len(text) > 0 && text[0] == '0':
		base = 8
	case base == 0:
		base = 10
	}
	n := uint64(0)
	for _, c := range text {
		digit := uint64(hexDigit(c))
		if digit >= base {
			break
		}
		high, low := bits.Mul64(n, base)
		sum, carry := bits.Add64(low, digit, 0)
		if high != 0 || carry != 0 {
			return 1<<64 - 1 // whatever its sign
		}
		n = sum
	}
	if negative {
		return -n
	}
	return n
}

func (p *gnuProgram) lookup(addr uint64) model.VirtAddr { return model.VirtAddr(p.base + addr) }

// code answers for an address.
func (p *gnuProgram) code(out []byte, _ *module, addr uint64, frames []model.Frame) []byte {
	out = p.appendHeader(out, addr)
	if p.within && addr >= p.size {
		return p.appendNothing(out)
	}
	if len(frames) == 0 || len(frames) == 1 && frames[0].File == "" {
		found, ok := p.symbolAt(addr)
		if file, line := p.variableAt(addr); line != 0 {
			return p.appendPlace(p.appendName(out, found.name), file, line, 0)
		}
		if !ok {
			return p.appendNothing(out)
		}
		out = p.appendName(out, found.name)
		if !found.hasFile {
			found.file = "??"
		}
		return p.appendPlace(out, found.file, 0, 0)
	}
	// binutils has one discriminator at a time, and prints it for the callers
	// too.
	discriminator := frames[0].Discriminator
	for i := range frames {
		if i > 0 && p.options.pretty {
			out = append(out, " (inlined by) "...)
		}
		frame := &frames[i]
		if p.options.functions && namedBySymbol(frames, i) {
			if found, ok := p.symbolAt(addr); ok {
				frame = &model.Frame{Function: found.name, File: frame.File, Line: frame.Line}
			}
		}
		out = p.appendFrame(out, frame, discriminator)
		if !p.options.inlines {
			break
		}
	}
	return out
}

// namedBySymbol tells whether binutils takes the symbol table's name: where the
// debug information has none, or one that is no symbol's, as gcc writes it for
// what is local in C++. In C each name is a symbol's. Of inlined calls it takes
// the symbol's name for some (see the list of differences).
func namedBySymbol(frames []model.Frame, i int) bool {
	frame := &frames[i]
	if frame.Function == "" && frame.LinkageName == "" {
		return true
	}
	return len(frames) == 1 && frame.LinkageName == "" && frame.Language != model.LanguageC && frame.Language != model.LanguageAsm
}

// symbolAt is the symbol that is blamed for an address: one of the debug file, if
// the lines come from one, else the module's. For the first few addresses the
// symbols are looked through and only what answers is kept: that costs a quarter
// of the whole table, which is made when more are asked for.
func (p *gnuProgram) symbolAt(addr uint64) (gnuSymbol, bool) {
	const few = 3
	looked := uint64(p.lookup(addr))
	if p.symbolsAsked++; p.symbolsAsked <= few {
		p.readSymbols(&looked)
	} else if p.symbolsAsked == few+1 {
		p.readSymbols(nil)
	}
	for _, table := range p.symbols {
		if found, ok := table.at(looked); ok {
			return found, true
		}
	}
	return gnuSymbol{}, false
}

// readSymbols reads the symbols of the debug file and the module; with only, those
// that may answer for that address.
func (p *gnuProgram) readSymbols(only *uint64) {
	p.symbols = nil
	if file := p.module.file; !file.HasDebugInfo() {
		if debug, err := file.OpenDebugFile(nil); err == nil {
			p.symbols = append(p.symbols, readGNUSymbols(debug, only))
			_ = debug.Close() // it was only read
		}
	}
	p.symbols = append(p.symbols, readGNUSymbols(p.module.file, only))
}

// variableAt returns where the variable at an address was declared. binutils finds
// it by a symbol of the module that starts there.
func (p *gnuProgram) variableAt(addr uint64) (file string, line int) {
	looked := uint64(p.lookup(addr))
	if own := p.symbols[len(p.symbols)-1]; !own.data[looked] {
		return "", 0
	}
	if p.declared == nil {
		p.declared = &declarations{file: p.module.file}
		p.declared.open(nil)
	}
	return p.declared.variableAt(looked)
}

// failed answers where the file could not be read after all.
func (p *gnuProgram) failed(out []byte, m *module, addr uint64) []byte {
	if m.failure != nil && !m.told {
		m.told = true
		out = p.session.before(out)
		p.command.errorf("%s: %v\n", p.command.Name, m.failure)
	}
	return p.appendNothing(p.appendHeader(out, addr))
}

func (p *gnuProgram) appendHeader(out []byte, addr uint64) []byte {
	if !p.options.addresses {
		return out
	}
	const digits = "0123456789abcdef"
	out = append(out, "0x"...)
	for shift := 4 * (p.digits - 1); shift >= 0; shift -= 4 {
		out = append(out, digits[addr>>shift&15])
	}
	if p.options.pretty {
		return append(out, ": "...)
	}
	return append(out, '\n')
}

func (p *gnuProgram) appendNothing(out []byte) []byte {
	switch {
	case p.options.functions && p.options.pretty:
		out = append(out, "?? "...)
	case p.options.functions:
		out = append(out, "??\n"...)
	}
	return append(out, "??:0\n"...)
}

func (p *gnuProgram) appendFrame(out []byte, frame *model.Frame, discriminator uint32) []byte {
	name, path := frame.LinkageName, frame.File
	if name == "" {
		name = frame.Function
	}
	if path == "" {
		path = "??"
	}
	return p.appendPlace(p.appendName(out, name), path, frame.Line, discriminator)
}

// appendName prints the function, if that is wanted.
func (p *gnuProgram) appendName(out []byte, name string) []byte {
	if !p.options.functions {
		return out
	}
	if name == "" {
		out = append(out, "??"...)
	} else {
		out = append(out, p.names.of(name)...)
	}
	if p.options.pretty {
		return append(out, " at "...)
	}
	return append(out, '\n')
}

func (p *gnuProgram) appendPlace(out []byte, path string, line int, discriminator uint32) []byte {
	if p.options.basenames {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	out = append(append(out, path...), ':')
	if line == 0 {
		return append(out, "?\n"...)
	}
	out = strconv.AppendUint(out, uint64(line), 10)
	if discriminator != 0 {
		out = strconv.AppendUint(append(out, " (discriminator "...), uint64(discriminator), 10)
		out = append(out, ')')
	}
	return append(out, '\n')
}
