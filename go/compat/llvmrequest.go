package compat

import (
	"bytes"
	"errors"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// llvmSpace is what llvm trims, wordEnds what ends a word.
const (
	llvmSpace = " \t\n\v\f\r"
	wordEnds  = " \n\r"
)

// request takes a line of standard input. It is a C string: a zero byte ends it.
// Carriage returns are dropped.
func (p *llvmProgram) request(s *session, line []byte) {
	if at := bytes.IndexByte(line, 0); at >= 0 {
		line = line[:at]
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		line = bytes.ReplaceAll(line, []byte{'\r'}, nil)
	}
	p.ask(s, line)
}

// ask takes a line apart: [CODE|DATA|FRAME] [FILE:|BUILDID:]MODULE ADDRESS, where
// the module stands only if the command line names none, may be quoted, and the
// address may be SYMBOL or SYMBOL+OFFSET.
func (p *llvmProgram) ask(s *session, line []byte) {
	if len(line) == 0 {
		// Who sends an empty line asks whether anybody is there.
		s.other(func(out []byte) []byte { return p.appendUnknown(out, "") })
		return
	}
	if p.fixed != nil {
		if addr, ok := p.plainAddress(line); ok {
			s.code(p.fixed, addr)
			return
		}
	}
	r, err := p.parse(line)
	if err != nil {
		text, name := string(line), r.moduleName
		s.other(func(out []byte) []byte {
			out = s.before(out)
			p.command.errorf("%s: error: '%s': %v\n", p.command.Name, text, err)
			return p.appendUnknown(out, name)
		})
		return
	}
	if r.command == commandCode && r.symbol == "" {
		s.code(r.module, r.offset)
		return
	}
	s.other(func(out []byte) []byte { return p.answerOther(out, s, r) })
}

// plainAddress is the short way for most lines, where the module is known: hexadecimal
// digits and nothing else.
func (p *llvmProgram) plainAddress(line []byte) (uint64, bool) {
	digits := line
	if len(line) > 2 && line[0] == '0' && line[1]|0x20 == 'x' {
		digits = line[2:]
	} else if !p.addr2line {
		return 0, false
	}
	if len(digits) == 0 || len(digits) > 16 {
		return 0, false
	}
	addr := uint64(0)
	for _, c := range digits {
		digit := hexDigit(c)
		if digit > 15 {
			return 0, false
		}
		addr = addr<<4 | uint64(digit)
	}
	return addr, true
}

// hexDigit is the value of a digit, 255 if it is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

type lineCommand int

const (
	commandCode lineCommand = iota
	commandData
	commandFrame
)

// lineRequest is a line taken apart.
type lineRequest struct {
	command lineCommand
	module  *module
	// moduleName is for what is said of a line that is wrong.
	moduleName string
	symbol     string
	offset     uint64
}

func (p *llvmProgram) parse(line []byte) (lineRequest, error) {
	var r lineRequest
	for _, word := range [...]struct {
		text    string
		command lineCommand
	}{{"CODE ", commandCode}, {"DATA ", commandData}, {"FRAME ", commandFrame}} {
		if rest, ok := bytes.CutPrefix(line, []byte(word.text)); ok {
			line, r.command = rest, word.command
			break
		}
	}
	if p.fixed != nil && p.fixed.buildID == "" {
		r.moduleName = p.fixed.name
	}
	line, err := p.parseModule(&r, line)
	if err != nil {
		return r, err
	}
	line = bytes.Trim(line, llvmSpace)
	if len(line) == 0 {
		return r, errors.New("no module offset has been specified")
	}
	if end := bytes.IndexAny(line, wordEnds); end >= 0 {
		line = line[:end]
	}
	return r, r.parseAddress(string(line), p.addr2line)
}

// parseModule finds the module and returns what follows it.
func (p *llvmProgram) parseModule(r *lineRequest, line []byte) ([]byte, error) {
	hasFile, hasBuildID := false, false
	for len(line) > 0 {
		line = bytes.TrimLeft(line, llvmSpace)
		rest, ok := bytes.CutPrefix(line, []byte("FILE:"))
		isFile := ok
		if !ok {
			rest, ok = bytes.CutPrefix(line, []byte("BUILDID:"))
		}
		if !ok {
			break
		}
		if hasFile || hasBuildID {
			return nil, errors.New("duplicate input file specification prefix")
		}
		hasFile, hasBuildID, line = isFile, !isFile, rest
	}
	if !hasFile && !hasBuildID {
		if r.module = p.fixed; r.module != nil {
			return line, nil
		}
		name, rest := cutWord(line)
		if len(name) == 0 {
			return nil, errors.New("no input filename has been specified")
		}
		r.module = p.moduleNamed(name)
		r.moduleName = r.module.name
		return rest, nil
	}
	line = bytes.TrimLeft(line, llvmSpace)
	switch {
	case len(line) == 0 && hasFile:
		return nil, errors.New("must be followed by an input file")
	case len(line) == 0:
		return nil, errors.New("must be followed by a hash")
	case p.fixed != nil:
		return nil, errors.New("input file has already been specified")
	}
	name, rest := cutWord(line)
	if len(name) == 0 {
		return nil, errors.New("unbalanced quotes in input file name")
	}
	if hasFile {
		r.module = p.moduleNamed(name)
		r.moduleName = r.module.name
		return rest, nil
	}
	id, ok := parseBuildID(string(name))
	if !ok {
		return nil, errors.New("wrong format of build-id")
	}
	// No path holds a zero byte.
	r.module = p.remember("\x00"+id, func() *module { return moduleOfBuild(id) })
	return rest, nil
}

// cutWord takes the first word off, which may stand in quotes; none where they
// do not end.
func cutWord(line []byte) (word, rest []byte) {
	line = bytes.TrimLeft(line, wordEnds)
	if len(line) > 0 && (line[0] == '"' || line[0] == '\'') {
		end := bytes.IndexByte(line[1:], line[0])
		if end < 0 {
			return nil, line
		}
		return line[1 : 1+end], line[2+end:]
	}
	if end := bytes.IndexAny(line, wordEnds); end >= 0 {
		return line[:end], line[end:]
	}
	return line, nil
}

func (p *llvmProgram) moduleNamed(name []byte) *module {
	if m := p.modules[string(name)]; m != nil { // does not allocate
		return m
	}
	path := string(name)
	return p.remember(path, func() *module { return &module{path: path, name: path} })
}

// remember keeps what is known of a module; of too many it forgets all.
func (p *llvmProgram) remember(key string, make func() *module) *module {
	m := p.modules[key]
	if m == nil {
		if len(p.modules) >= maxModules {
			clear(p.modules)
		}
		m = make()
		p.modules[key] = m
	}
	return m
}

// parseAddress reads a number, or a symbol with or without an offset.
func (r *lineRequest) parseAddress(text string, hexadecimal bool) error {
	startsWithDigit := text[0] >= '0' && text[0] <= '9'
	ok := false
	if hexadecimal {
		if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
			text = text[2:]
		}
		r.offset, ok = parseHexadecimal(text)
	} else {
		r.offset, ok = parseInteger(text)
	}
	switch {
	case ok:
		return nil
	case startsWithDigit || text == "":
		return errors.New("expected a number as module offset")
	}
	r.symbol, r.offset = text, 0
	if plus := strings.LastIndexByte(text, '+'); plus > 0 {
		if offset, ok := parseInteger(text[plus+1:]); ok {
			r.symbol, r.offset = text[:plus], offset
		}
	}
	return nil
}

func parseHexadecimal(text string) (uint64, bool) {
	n, ok := uint64(0), text != ""
	for i := 0; i < len(text) && ok; i++ {
		digit := hexDigit(text[i])
		ok = digit <= 15 && n>>60 == 0
		n = n<<4 | uint64(digit)
	}
	return n, ok
}

func (p *llvmProgram) lookup(addr uint64) model.VirtAddr { return model.VirtAddr(addr - p.adjust) }
