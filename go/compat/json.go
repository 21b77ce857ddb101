package compat

import (
	"unicode/utf8"

	"strconv"

	"github.com/ffikit/ffikit/go/model"
)

// jsonText writes JSON as LLVM's json::OStream does: keys in order, nothing or
// two blanks a level between them. It is written by hand because the answers
// to 100,000 addresses go through it, and because LLVM's escapes are not those
// of encoding/json.
type jsonText struct {
	out    []byte
	indent bool
	depth  int
	// fresh is true right after a bracket was opened.
	fresh bool
}

func (j *jsonText) open(bracket byte) {
	j.out = append(j.out, bracket)
	j.depth++
	j.fresh = true
}

func (j *jsonText) close(bracket byte) {
	j.depth--
	if !j.fresh {
		j.newline()
	}
	j.fresh = false
	j.out = append(j.out, bracket)
}

// next begins an element or a member.
func (j *jsonText) next() {
	if !j.fresh {
		j.out = append(j.out, ',')
	}
	j.fresh = false
	j.newline()
}

func (j *jsonText) newline() {
	if !j.indent {
		return
	}
	j.out = append(j.out, '\n')
	for range j.depth {
		j.out = append(j.out, "  "...)
	}
}

func (j *jsonText) key(key string) {
	j.next()
	j.out = append(append(append(j.out, '"'), key...), `":`...)
	if j.indent {
		j.out = append(j.out, ' ')
	}
}

func (j *jsonText) number(key string, n uint64) {
	j.key(key)
	j.out = strconv.AppendUint(j.out, n, 10)
}

func (j *jsonText) text(key, value string) {
	j.key(key)
	j.out = appendQuoted(j.out, value)
}

func (j *jsonText) hex(key string, n uint64) {
	j.key(key)
	j.out = append(strconv.AppendUint(append(j.out, `"0x`...), n, 16), '"')
}

// appendQuoted escapes as llvm::json does; each byte that is no UTF-8, and each
// character that is cut off, becomes U+FFFD.
func appendQuoted(out []byte, text string) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\t':
			out = append(out, `\t`...)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c < ' ':
			out = append(out, `\u00`...)
			out = append(out, digits[c>>4], digits[c&15])
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			for r == utf8.RuneError && i+size < len(text) && !utf8.FullRuneInString(text[i:i+size+1]) {
				size++
			}
			out = utf8.AppendRune(out, r)
			i += size
			continue
		default:
			out = append(out, c)
		}
		i++
	}
	return append(out, '"')
}

// begin opens the object of an answer, end closes it.
func (p *llvmProgram) begin(out []byte) *jsonText {
	j := &p.json
	*j = jsonText{out: out, indent: p.pretty}
	if p.list {
		j.depth, j.fresh = 1, p.listed == 0
		j.next()
		p.listed++
	}
	j.open('{')
	return j
}

func (p *llvmProgram) end(j *jsonText) []byte {
	j.close('}')
	if p.list {
		return j.out
	}
	return append(j.out, '\n')
}

// endList ends the list of a command line's answers.
func (p *llvmProgram) endList(out []byte) []byte {
	j := &jsonText{out: out, indent: p.pretty, depth: 1, fresh: p.listed == 0}
	j.close(']')
	return append(j.out, '\n')
}

func (p *llvmProgram) appendJSONCode(out []byte, m *module, addr uint64, frames []model.Frame) []byte {
	j := p.begin(out)
	j.hex("Address", addr)
	j.text("ModuleName", m.name)
	j.key("Symbol")
	j.open('[')
	looked := uint64(p.lookup(addr))
	switch {
	case len(frames) == 0:
		info := p.symbolOnly(m, looked)
		p.appendJSONInfo(j, &info)
	case p.inlines:
		for i := range frames {
			p.appendJSONInfo(j, p.info(m, looked, frames, i))
		}
	default:
		p.appendJSONInfo(j, p.single(m, looked, frames))
	}
	j.close(']')
	return p.end(j)
}

// appendJSONEmpty is for a module of which it was said that it cannot be read.
func (p *llvmProgram) appendJSONEmpty(out []byte, m *module, addr uint64) []byte {
	j := p.begin(out)
	j.hex("Address", addr)
	j.text("ModuleName", m.name)
	j.key("Symbol")
	j.open('[')
	if !p.inlines {
		p.appendJSONInfo(j, &lineInfo{})
	}
	j.close(']')
	return p.end(j)
}

func (p *llvmProgram) appendJSONUnknown(out []byte, moduleName string) []byte {
	j := p.begin(out)
	j.text("ModuleName", moduleName)
	j.key("Symbol")
	j.open('[')
	p.appendJSONInfo(j, &lineInfo{})
	j.close(']')
	return p.end(j)
}

func (p *llvmProgram) appendJSONError(out []byte, moduleName string, addr uint64, reason string) []byte {
	j := p.begin(out)
	j.hex("Address", addr)
	j.failure(reason)
	j.text("ModuleName", moduleName)
	return p.end(j)
}

func (p *llvmProgram) appendJSONSymbolError(out []byte, moduleName, symbol, reason string) []byte {
	j := p.begin(out)
	j.failure(reason)
	j.text("ModuleName", moduleName)
	j.text("SymName", symbol)
	return p.end(j)
}

func (j *jsonText) failure(reason string) {
	j.key("Error")
	j.open('{')
	j.text("Message", reason)
	j.close('}')
}

func (p *llvmProgram) appendJSONData(out []byte, r *lineRequest, found *symbol) []byte {
	j := p.begin(out)
	j.address(r)
	j.key("Data")
	j.open('{')
	j.text("Name", p.names.of(found.name))
	j.hex("Size", found.size)
	j.hex("Start", found.addr)
	j.close('}')
	j.subject(r)
	return p.end(j)
}

func (p *llvmProgram) appendJSONFrame(out []byte, r *lineRequest) []byte {
	j := p.begin(out)
	j.address(r)
	j.key("Frame")
	j.open('[')
	j.close(']')
	j.subject(r)
	return p.end(j)
}

// address is the one that a line gives, subject what else it asks about.
func (j *jsonText) address(r *lineRequest) {
	if r.symbol == "" {
		j.hex("Address", r.offset)
	}
}

func (j *jsonText) subject(r *lineRequest) {
	j.text("ModuleName", r.module.name)
	if r.symbol != "" {
		j.text("SymName", r.symbol)
	}
}

func (p *llvmProgram) appendJSONSymbol(out []byte, m *module, symbol string, found []lineInfo) []byte {
	j := p.begin(out)
	j.key("Loc")
	j.open('[')
	for i := range found {
		p.appendJSONInfo(j, &found[i])
	}
	j.close(']')
	j.text("ModuleName", m.name)
	j.text("SymName", symbol)
	return p.end(j)
}

func (p *llvmProgram) appendJSONInfo(j *jsonText, info *lineInfo) {
	j.next()
	j.open('{')
	j.number("Column", uint64(info.column))
	j.number("Discriminator", uint64(info.discriminator))
	j.text("FileName", p.pathOf(info.file))
	j.text("FunctionName", p.names.of(info.function))
	j.number("Line", uint64(info.line))
	if p.source.count > 0 {
		if source := p.source.appendTo(nil, p.pathOf(info.file), info.line); len(source) > 0 {
			j.text("Source", string(source))
		}
	}
	if info.hasStart {
		j.hex("StartAddress", info.startAddr)
	} else {
		j.text("StartAddress", "")
	}
	j.text("StartFileName", p.pathOf(info.startFile))
	j.number("StartLine", uint64(info.startLine))
	j.close('}')
}
