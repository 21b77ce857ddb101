package compat

import (
	"hash/maphash"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"github.com/ffikit/ffikit/go/normalize"
)

// manglings says what is demangled, and in whose style.
type manglings int

const (
	manglingsNone manglings = iota
	// LLVM's demangler: C++, with its own spellings, and Rust v0. Legacy Rust
	// names are C++ names to it.
	manglingsLLVM
	// libiberty's: C++ and Rust, both manglings of it.
	manglingsGNU
	manglingsGNUCPP
	manglingsGNURust
)

// names demangles; each distinct name once, as far as the limits go.
type names struct {
	style manglings
	seed  maphash.Seed
	known map[string]recentName
	bytes int
	// recent stands before known: most names are those just met.
	recent []recentName
}

type recentName struct{ name, readable string }

func newNames(style manglings) *names {
	return &names{style: style, seed: maphash.MakeSeed(), known: map[string]recentName{}}
}

// of is the readable form of name, which need not outlive the call.
func (n *names) of(name string) string {
	if n.style == manglingsNone || !mangled(name) {
		return name
	}
	if n.recent == nil {
		n.recent = make([]recentName, recentNamesCount)
	}
	slot := &n.recent[maphash.String(n.seed, name)%recentNamesCount]
	if slot.name != name {
		entry, ok := n.known[name]
		if !ok {
			name = strings.Clone(name)
			entry = recentName{name, n.demangle(name)}
			n.keep(entry)
		}
		*slot = entry
	}
	return slot.readable
}

// keep remembers; what does not fit makes it start anew.
func (n *names) keep(entry recentName) {
	size := len(entry.name) + len(entry.readable)
	n.bytes += size
	if len(n.known) >= maxCachedNames || n.bytes > maxCachedBytes {
		clear(n.known)
		n.bytes = size
	}
	n.known[entry.name] = entry
}

// mangled tells whether name may be one that demangling changes.
func mangled(name string) bool {
	if len(name) < 3 {
		return false
	}
	switch name[0] {
	case '_':
		return name[1] == 'Z' || name[1] == 'R' || name[1] == '_'
	case '.', '$':
		return true
	}
	return false
}

func (n *names) demangle(name string) string {
	if len(name) > maxMangledBytes {
		return name
	}
	if n.style == manglingsLLVM {
		return demangleLLVM(name)
	}
	return demangleGNU(name, n.style)
}

// demangleLLVM is as llvm::nonMicrosoftDemangle: a leading dot (PowerPC's
// function entries) is kept in front.
func demangleLLVM(name string) string {
	dot, core := "", name
	if core[0] == '.' {
		dot, core = ".", core[1:]
	}
	options := []demangle.Option{demangle.LLVMStyle}
	switch {
	case strings.HasPrefix(core, "_R"):
	case strings.HasPrefix(core, "_Z"):
		options = append(options, demangle.NoRust)
	case strings.HasPrefix(core, "___Z"):
		// A block's invocation function: the rest is the function it is in.
		options = append(options, demangle.NoRust)
	default:
		return name
	}
	if readable, ok := toReadable(core, options...); ok {
		// libiberty keeps the brackets of operator< <T> apart, LLVM does not.
		readable = strings.ReplaceAll(readable, "operator< <", "operator<<")
		return dot + strings.ReplaceAll(readable, "operator<< <", "operator<<<")
	}
	return name
}

// demangleGNU is as bfd_demangle: dots and dollars in front and a symbol's
// version behind are kept.
func demangleGNU(name string, style manglings) string {
	core := strings.TrimLeft(name, ".$")
	before := name[:len(name)-len(core)]
	after := ""
	if at := strings.IndexByte(core, '@'); at >= 0 {
		core, after = core[:at], core[at:]
	}
	var options []demangle.Option
	rust := strings.HasPrefix(core, "_R")
	switch {
	case style == manglingsGNUCPP:
		if rust {
			return name
		}
		options = append(options, demangle.NoRust)
	case style == manglingsGNURust && !rust && !isRustLegacy(core):
		return name
	}
	if !rust && !strings.HasPrefix(core, "_Z") {
		return name
	}
	if readable, ok := toReadable(core, options...); ok {
		return before + readable + after
	}
	return name
}

// isRustLegacy tells the form `_ZN…17h<16 hexadecimal digits>E`, with or
// without what the compiler appended.
func isRustLegacy(name string) bool {
	at := strings.LastIndex(name, "17h")
	return strings.HasPrefix(name, "_ZN") && at > 0 && len(name) >= at+20 && name[at+19] == 'E'
}

// toReadable is the library's answer within bounds, unless that would be wrong. No
// name is known that
// makes the library panic; a stranger's must not end the process if one does.
func toReadable(name string, options ...demangle.Option) (readable string, ok bool) {
	defer func() {
		if recover() != nil {
			readable, ok = "", false
		}
	}()
	if normalize.Misread(name) {
		return "", false
	}
	readable, err := demangle.ToString(name, append(options, demangle.MaxLength(maxReadablePow2))...)
	return readable, err == nil && readable != ""
}
