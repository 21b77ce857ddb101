package compat

import (
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// lineInfo is one frame as LLVM's DILineInfo has it; the zero value is what is
// unknown.
type lineInfo struct {
	function      string
	file          string
	line, column  int
	discriminator uint32
	// Where the function is declared, and where it begins.
	startFile string
	startLine int
	startAddr uint64
	hasStart  bool
}

// code answers for an address.
func (p *llvmProgram) code(out []byte, m *module, addr uint64, frames []model.Frame) []byte {
	looked := uint64(p.lookup(addr))
	if p.style == styleJSON {
		return p.appendJSONCode(out, m, addr, frames)
	}
	out = p.appendHeader(out, addr)
	switch {
	case len(frames) == 0:
		info := p.symbolOnly(m, looked)
		out = p.appendInfo(out, &info, false)
	case p.inlines:
		for i := range frames {
			out = p.appendInfo(out, p.info(m, looked, frames, i), i > 0)
		}
	default:
		out = p.appendInfo(out, p.single(m, looked, frames), false)
	}
	return p.appendFooter(out)
}

// failed answers where the module could not be read.
func (p *llvmProgram) failed(out []byte, m *module, addr uint64) []byte {
	if p.style == styleJSON {
		if m.failure != nil && !m.told {
			m.told = m.buildID == ""
			return p.appendJSONError(out, m.name, addr, llvmReason(m))
		}
		return p.appendJSONEmpty(out, m, addr)
	}
	out = p.tell(out, m)
	out = p.appendHeader(out, addr)
	return p.appendFooter(p.appendInfo(out, &lineInfo{}, false))
}

// info is frame i as it is printed; good until the next one.
func (p *llvmProgram) info(m *module, addr uint64, frames []model.Frame, i int) *lineInfo {
	frame, info := &frames[i], &p.current
	info.function, info.file, info.line, info.column = p.nameOf(frame), frame.File, frame.Line, frame.Column
	info.discriminator = frame.Discriminator
	if p.paths == pathsRelative {
		info.file = p.relative(m, frame.File)
	}
	if p.verbose || p.style == styleJSON {
		info.startAddr, info.hasStart = 0, false
		info.startFile, info.startLine = "", 0
		if frame.FunctionLine > 0 {
			info.startFile, info.startLine = info.file, frame.FunctionLine
		}
	}
	if i == len(frames)-1 {
		p.complete(m, addr, info)
	}
	return info
}

// single is the one frame that is printed without inlines: the innermost
// place. In LLVM's own styles the symbol table names the whole, and so the
// outermost function; in GNU's the innermost function is named.
func (p *llvmProgram) single(m *module, addr uint64, frames []model.Frame) *lineInfo {
	info := p.info(m, addr, frames, 0)
	if p.style != styleGNU {
		p.nameWhole(m, addr, frames, info)
	}
	return info
}

// nameWhole gives the innermost frame the name that the symbol table has for the
// whole: the outermost function's, where it has one.
func (p *llvmProgram) nameWhole(m *module, addr uint64, frames []model.Frame, info *lineInfo) {
	if len(frames) == 1 || p.functions != functionsLinkage {
		return
	}
	if entry, ok := m.table().at(addr); ok {
		info.function = entry.name
		p.complete(m, addr, info)
	}
}

// complete adds what only the symbol table knows: where the function begins,
// and the source file of a function without debug information.
func (p *llvmProgram) complete(m *module, addr uint64, info *lineInfo) {
	wantsStart := p.verbose || p.style == styleJSON
	wantsFile := info.file == "" && info.function != ""
	if p.functions != functionsLinkage || !wantsStart && !wantsFile {
		return
	}
	entry, ok := m.table().at(addr)
	if !ok {
		return
	}
	info.startAddr, info.hasStart = entry.addr, true
	if info.file == "" {
		info.file = entry.file
	}
}

// symbolOnly is what the symbol table alone has: of data too, as it is llvm's.
func (p *llvmProgram) symbolOnly(m *module, addr uint64) lineInfo {
	info := lineInfo{}
	if p.functions == functionsLinkage {
		if entry, ok := m.table().at(addr); ok {
			info = lineInfo{function: entry.name, file: entry.file, startAddr: entry.addr, hasStart: true}
		}
	}
	return info
}

// nameOf is the name of the kind that --functions asks for.
func (p *llvmProgram) nameOf(frame *model.Frame) string {
	switch {
	case p.functions == functionsLinkage && frame.LinkageName != "":
		return frame.LinkageName
	case p.functions == functionsShort && frame.File == "" && frame.Language == model.LanguageUnknown:
		return "" // the symbol table's, which has no short names
	}
	return frame.Function
}

// answerOther answers the lines that are no plain address.
func (p *llvmProgram) answerOther(out []byte, s *session, r lineRequest) []byte {
	if r.module.open(s.resolver); r.module.failure != nil && p.style == styleJSON && !r.module.told {
		r.module.told = r.module.buildID == ""
		if r.symbol != "" {
			return p.appendJSONSymbolError(out, r.module.name, r.symbol, llvmReason(r.module))
		}
		return p.appendJSONError(out, r.module.name, r.offset, llvmReason(r.module))
	}
	out = p.tell(out, r.module)
	switch {
	case r.command == commandData:
		return p.answerData(out, &r)
	case r.command == commandFrame && p.style == styleJSON:
		return p.appendJSONFrame(out, &r)
	case r.command == commandFrame:
		out = p.appendHeader(out, r.offset)
		return p.appendFooter(append(out, "??\n"...))
	}
	return p.answerSymbol(out, s, &r)
}

// answerData names the variable that an address lies in.
func (p *llvmProgram) answerData(out []byte, r *lineRequest) []byte {
	var found symbol
	if r.module.failure == nil {
		found, _ = r.module.table().at(uint64(p.lookup(r.offset)))
	}
	if p.style == styleJSON {
		return p.appendJSONData(out, r, &found)
	}
	out = p.appendHeader(out, r.offset)
	out = append(p.appendName(out, found.name), '\n')
	out = strconv.AppendUint(out, found.addr, 10)
	out = append(out, ' ')
	out = strconv.AppendUint(out, found.size, 10)
	out = append(out, '\n')
	start := found.addr
	if found.name == "" {
		start = uint64(p.lookup(r.offset))
	}
	file, line := "", 0
	if r.module.failure == nil {
		file, line = p.declaredAt(r.module, start)
	}
	if line == 0 {
		file = found.file
	}
	if file == "" {
		return p.appendFooter(append(out, "??:?\n"...))
	}
	out = strconv.AppendUint(append(append(out, file...), ':'), uint64(line), 10)
	return p.appendFooter(append(out, '\n'))
}

// answerSymbol looks up the places of a symbol's name.
func (p *llvmProgram) answerSymbol(out []byte, s *session, r *lineRequest) []byte {
	var found []lineInfo
	if r.module.failure == nil {
		for _, addr := range r.module.table().named(r.symbol, r.offset) {
			s.each(r.module, []model.VirtAddr{model.VirtAddr(addr)}, func(_ int, frames []model.Frame) {
				var info lineInfo
				if len(frames) == 0 {
					info = p.symbolOnly(r.module, addr)
				} else {
					info = *p.info(r.module, addr, frames, 0)
					p.nameWhole(r.module, addr, frames, &info)
				}
				info.function, info.file = strings.Clone(info.function), strings.Clone(info.file)
				info.startFile = strings.Clone(info.startFile)
				if info.file != "" {
					found = append(found, info)
				}
			})
		}
	}
	if p.style == styleJSON {
		return p.appendJSONSymbol(out, r.module, r.symbol, found)
	}
	if len(found) == 0 {
		found = []lineInfo{{}}
	}
	for i := range found {
		out = p.appendInfo(out, &found[i], false)
	}
	return p.appendFooter(out)
}

func (p *llvmProgram) appendHeader(out []byte, addr uint64) []byte {
	if !p.addresses {
		return out
	}
	out = strconv.AppendUint(append(out, "0x"...), addr, 16)
	if p.pretty {
		return append(out, ": "...)
	}
	return append(out, '\n')
}

func (p *llvmProgram) appendFooter(out []byte) []byte {
	if p.style == styleGNU {
		return out
	}
	return append(out, '\n')
}

// appendUnknown answers a line that names no address.
func (p *llvmProgram) appendUnknown(out []byte, moduleName string) []byte {
	if p.style == styleJSON {
		return p.appendJSONUnknown(out, moduleName)
	}
	return p.appendFooter(p.appendInfo(out, &lineInfo{}, false))
}

func (p *llvmProgram) appendName(out []byte, name string) []byte {
	if name == "" {
		return append(out, "??"...)
	}
	return append(out, p.names.of(name)...)
}

func (p *llvmProgram) appendPath(out []byte, path string) []byte {
	if path == "" {
		return append(out, "??"...)
	}
	return append(out, p.pathOf(path)...)
}

func (p *llvmProgram) pathOf(path string) string {
	if p.paths == pathsBase {
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return path
}

// appendInfo prints a frame.
func (p *llvmProgram) appendInfo(out []byte, info *lineInfo, inlined bool) []byte {
	if p.functions != functionsNone {
		if inlined && p.pretty {
			out = append(out, " (inlined by) "...)
		}
		out = p.appendName(out, info.function)
		if p.pretty {
			out = append(out, " at "...)
		} else {
			out = append(out, '\n')
		}
	}
	if p.verbose {
		return p.appendVerbose(out, info)
	}
	out = p.appendPath(out, info.file)
	out = strconv.AppendUint(append(out, ':'), uint64(info.line), 10)
	switch {
	case p.style == styleLLVM:
		out = strconv.AppendUint(append(out, ':'), uint64(info.column), 10)
	case info.discriminator != 0:
		out = strconv.AppendUint(append(out, " (discriminator "...), uint64(info.discriminator), 10)
		out = append(out, ')')
	}
	out = append(out, '\n')
	if p.source.count > 0 {
		out = p.source.appendTo(out, p.pathOf(info.file), info.line)
	}
	return out
}

func (p *llvmProgram) appendVerbose(out []byte, info *lineInfo) []byte {
	out = append(p.appendPath(append(out, "  Filename: "...), info.file), '\n')
	if info.startLine != 0 {
		out = append(append(out, "  Function start filename: "...), p.pathOf(info.startFile)...)
		out = strconv.AppendUint(append(out, "\n  Function start line: "...), uint64(info.startLine), 10)
		out = append(out, '\n')
	}
	if info.hasStart && p.style == styleLLVM {
		out = strconv.AppendUint(append(out, "  Function start address: 0x"...), info.startAddr, 16)
		out = append(out, '\n')
	}
	out = strconv.AppendUint(append(out, "  Line: "...), uint64(info.line), 10)
	out = strconv.AppendUint(append(out, "\n  Column: "...), uint64(info.column), 10)
	if info.discriminator != 0 {
		out = strconv.AppendUint(append(out, "\n  Discriminator: "...), uint64(info.discriminator), 10)
	}
	return append(out, '\n')
}
