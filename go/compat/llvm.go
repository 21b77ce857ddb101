package compat

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ffikit/ffikit/go/object"
)

// llvmLineBytes is the buffer of llvm-symbolizer's fgets, less its final zero.
const llvmLineBytes = 1023

// outputStyle is what --output-style says.
type outputStyle int

const (
	styleLLVM outputStyle = iota
	styleGNU
	styleJSON
)

// functionNames is what --functions says.
type functionNames int

const (
	functionsLinkage functionNames = iota
	functionsShort
	functionsNone
)

// pathStyle is what --basenames and --relativenames say.
type pathStyle int

const (
	pathsAbsolute pathStyle = iota
	pathsBase
	pathsRelative
)

// llvmProgram is llvm-symbolizer or llvm-addr2line with its options.
type llvmProgram struct {
	command   *Command
	session   *session
	addr2line bool // which of the two

	style     outputStyle
	functions functionNames
	paths     pathStyle
	names     *names
	inlines   bool
	addresses bool
	pretty    bool
	verbose   bool
	adjust    uint64
	source    sourceLines
	sources   Sources

	// fixed is the module of --obj or --build-id, if given; modules are the
	// ones met, by name.
	fixed    *module
	modules  map[string]*module
	declared *declarations
	// list is where the JSON answers to a command line's addresses stand.
	list   bool
	listed int
	// What is being written.
	json    jsonText
	current lineInfo
}

// errorf says something on standard error. What cannot be said there has no
// other place to go.
func (c *Command) errorf(format string, args ...any) { _, _ = fmt.Fprintf(c.Err, format, args...) }

// runLLVM is main of llvm-symbolizer and llvm-addr2line.
func (c *Command) runLLVM(args []string) int {
	options := llvmOptions()
	parsed := parseLLVM(options, args)
	if parsed.missing != "" {
		c.errorf("error: %s: missing argument\n", parsed.missing)
	}
	for _, unknown := range parsed.unknown {
		hint := ""
		if known, ok := nearest(options, unknown); ok {
			hint = fmt.Sprintf(", did you mean '%s'?", known)
		}
		c.errorf("error: unknown argument '%s'%s\n", unknown, hint)
	}
	if parsed.missing != "" || len(parsed.unknown) > 0 {
		return statusFailed
	}
	p := &llvmProgram{command: c, addr2line: c.Program == LLVMAddr2line, modules: map[string]*module{}}
	if p.addr2line {
		p.style, p.functions = styleGNU, functionsNone
	}
	p.inlines = !p.addr2line
	if status, done := p.configure(parsed); done {
		return status
	}
	return p.run(parsed.inputs)
}

func (p *llvmProgram) run(inputs []string) int {
	c := p.command
	s := &session{protocol: p, resolver: c.Resolver(p.sources), to: c.Out}
	p.session = s
	if p.fixed != nil && p.fixed.buildID == "" {
		// A file that cannot be read ends it before anything is read.
		if p.fixed.open(s.resolver); p.fixed.failure != nil {
			if p.style == styleJSON {
				s.out = p.appendJSONError(s.out, p.fixed.name, 0, llvmReason(p.fixed))
				s.flush()
			} else {
				s.out = p.tell(s.out, p.fixed)
			}
			return statusFailed
		}
	}
	if len(inputs) == 0 {
		if err := s.read(newInput(c.In, llvmLineBytes)); err != nil {
			c.errorf("%s: error: %v\n", c.Name, err)
			return statusFailed
		}
		return statusOK
	}
	if p.list = p.style == styleJSON; p.list {
		s.out = append(s.out, '[')
	}
	for _, line := range inputs {
		if s.full() {
			s.answer()
		}
		p.ask(s, []byte(line))
	}
	s.answer()
	if p.list {
		s.out = p.endList(s.out)
	}
	if s.flush(); s.writeErr != nil {
		c.errorf("%s: error: %v\n", c.Name, s.writeErr)
		return statusFailed
	}
	return statusOK
}

// configure applies the options; done means that the program ends with status.
func (p *llvmProgram) configure(parsed *llvmArguments) (status int, done bool) {
	c := p.command
	demangleNames := !p.addr2line
	var object, buildID *givenOption
	namesGiven := false
	for i := range parsed.given {
		option := &parsed.given[i]
		var err error
		switch option.id {
		case optHelp:
			fmt.Fprintf(c.Out, llvmUsage, p.tool())
			return statusOK, true
		case optVersion:
			fmt.Fprintf(c.Out, "%s\n  ffikit %s, compatible with LLVM version 19.1.7\n", p.tool(), c.Version)
			return statusOK, true
		case optDebuginfod, optNoDebuginfod:
			p.sources.Debuginfod = option.id == optDebuginfod
		case optFilterMarkup:
			c.errorf("%s: error: %s is not supported\n", c.Name, option.spelling)
			return statusFailed, true
		case optAdjustVMA:
			p.adjust, err = option.integer()
		case optContextLines:
			p.source.count, err = option.lines()
		case optCacheSize:
			_, err = option.integer() // what is held is bounded in any case
		case optDemangle, optNoDemangle:
			demangleNames = option.id == optDemangle
		case optInlines, optNoInlines:
			p.inlines = option.id == optInlines
		case optFunctions:
			p.functions, namesGiven = functionsLinkage, true
		case optFunctionsIs:
			if !namesGiven {
				p.functions = functionsOf(option.value)
			}
		case optObject:
			object = option
		case optBuildID:
			buildID = option
		default:
			p.set(option)
		}
		if err != nil {
			c.errorf("%v", err)
			return statusFailed, true
		}
	}
	p.names = newNames(manglingsNone)
	if demangleNames {
		p.names.style = manglingsLLVM
	}
	p.sources.SymbolNames = p.functions == functionsLinkage
	return p.choose(object, buildID)
}

// set applies the options that cannot fail.
func (p *llvmProgram) set(option *givenOption) {
	switch option.id {
	case optAddresses:
		p.addresses = true
	case optBasenames:
		p.paths = pathsBase
	case optRelativeNames:
		p.paths = pathsRelative
	case optPretty:
		p.pretty = true
	case optVerbose:
		p.verbose = true
	case optDebugDir, optFallbackDir:
		p.sources.DebugDirs = append(p.sources.DebugDirs, option.value)
	case optDsymHint:
		if filepath.Ext(option.value) != ".dSYM" {
			p.command.errorf("Warning: invalid dSYM hint: \"%s\" (must have the '.dSYM' extension).\n", option.value)
		}
	case optOutputStyle:
		switch option.value {
		case "GNU":
			p.style = styleGNU
		case "JSON":
			p.style = styleJSON
		default:
			p.style = styleLLVM
		}
	}
}

// choose settles which module the whole input is about, if one is given.
func (p *llvmProgram) choose(object, buildID *givenOption) (status int, done bool) {
	c := p.command
	switch {
	case object != nil && buildID != nil:
		c.errorf("error: cannot specify both --build-id and --obj\n")
		return statusFailed, true
	case buildID != nil:
		id, ok := parseBuildID(buildID.value)
		if !ok {
			c.errorf("%s: expected a build ID, but got '%s'\n", buildID.spelling, buildID.value)
			return statusFailed, true
		}
		p.fixed = moduleOfBuild(id)
	case object != nil:
		p.fixed = &module{path: object.value, name: object.value}
	}
	return statusOK, false
}

func (p *llvmProgram) tool() string {
	if p.addr2line {
		return "llvm-addr2line"
	}
	return "llvm-symbolizer"
}

func functionsOf(value string) functionNames {
	switch value {
	case "none":
		return functionsNone
	case "short":
		return functionsShort
	}
	return functionsLinkage
}

// integer reads the value as LLVM reads numbers: 0x, 0b, 0o and 0 in front
// tell the base.
func (o *givenOption) integer() (uint64, error) {
	if n, ok := parseInteger(o.value); ok {
		return n, nil
	}
	return 0, fmt.Errorf("%s: expected a non-negative integer, but got '%s'", o.spelling, o.value)
}

// lines reads a number of lines; none, where it is negative.
func (o *givenOption) lines() (int, error) {
	digits, negative := strings.CutPrefix(o.value, "-")
	n, ok := parseInteger(digits)
	if !ok || n > 1<<31-1 {
		return 0, fmt.Errorf("%s: expected a non-negative integer, but got '%s'", o.spelling, o.value)
	}
	if negative {
		n = 0
	}
	return int(n), nil
}

// parseInteger is llvm::StringRef::getAsInteger with base 0.
func parseInteger(text string) (uint64, bool) {
	base := 10
	switch {
	case len(text) < 2 || text[0] != '0':
	case text[1] == 'x' || text[1] == 'X':
		base, text = 16, text[2:]
	case text[1] == 'b' || text[1] == 'B':
		base, text = 2, text[2:]
	case text[1] == 'o':
		base, text = 8, text[2:]
	case text[1] >= '0' && text[1] <= '9':
		base, text = 8, text[1:]
	}
	if text == "" || text[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, base, 64)
	return n, err == nil
}

// parseBuildID reads a build ID in hexadecimal and gives it in lower case.
func parseBuildID(text string) (string, bool) {
	if len(text)%2 != 0 {
		text = "0" + text
	}
	bits, err := hex.DecodeString(text)
	return hex.EncodeToString(bits), err == nil && len(bits) > 0
}

func moduleOfBuild(id string) *module { return &module{buildID: id, name: strings.ToUpper(id)} }

// tell says once why a module cannot be read. What was answered before goes
// out first; the rest of out is returned.
func (p *llvmProgram) tell(out []byte, m *module) []byte {
	if m.failure != nil && !m.told {
		m.told = m.buildID == "" // of builds llvm says it each time
		out = p.session.before(out)
		about := ""
		if m.name != "" {
			about = "'" + m.name + "': "
		}
		p.command.errorf("%s: error: %s%s\n", p.command.Name, about, llvmReason(m))
	}
	return out
}

// llvmReason says it in llvm's words, where it has some.
func llvmReason(m *module) string {
	var own *object.Error
	switch {
	case m.buildID != "":
		return "could not find build ID"
	case errors.Is(m.failure, object.ErrNotELF):
		return "The file was not recognized as a valid object file"
	case errors.Is(m.failure, object.ErrNotRegular):
		if errors.As(m.failure, &own) && own.Reason == "a directory" {
			return "Is a directory"
		}
		return "not a regular file"
	case errors.As(m.failure, &own) && own.Reason != "":
		return own.Reason
	case errors.As(m.failure, &own):
		return reasonOf(own.Err)
	}
	return reasonOf(m.failure)
}

const llvmUsage = `USAGE: %s [options] addresses...

Prints functions and source lines of addresses, as LLVM's program of that name
does. Without addresses, lines are read from standard input.

  -e FILE, --obj=FILE, --exe=FILE   the object file; else each line names its own
  --build-id=ID                     look the object file up by its build ID
  -a, --addresses                   print the address first
  --adjust-vma=OFFSET               subtract this from each address
  -C, --demangle, --no-demangle     whether to demangle names
  -f, --functions[=none|short|linkage]  print function names
  -i, --inlines, --no-inlines       whether to print inlined calls
  -s, --basenames, --relativenames  how to print paths
  -p, --pretty-print                one line a frame; indented JSON
  --output-style=LLVM|GNU|JSON
  --print-source-context-lines=N    show the source
  --verbose                         say more of each frame
  --debuginfod, --no-debuginfod     whether to ask the servers of $DEBUGINFOD_URLS (no)
  --debug-file-directory=DIR, --fallback-debug-path=DIR  where debug files lie
  -v, --version, -h, --help

Accepted without effect on ELF files: --cache-size --color --default-arch --dia
--dsym-hint --dwp --relative-address --untag-addresses
--no-untag-addresses. @FILE reads options from FILE.
`
