package compat

import (
	"cmp"
	"slices"
	"strings"
)

// optionID says what an option does; several spellings may do the same.
type optionID int

const (
	optUnknown optionID = iota
	optAddresses
	optAdjustVMA
	optBasenames
	optBuildID
	optCacheSize
	optColor
	optDebugDir
	optDebuginfod
	optDefaultArch
	optDemangle
	optDsymHint
	optDWP
	optFallbackDir
	optFilterMarkup
	optFunctions
	optFunctionsIs
	optHelp
	optIgnored
	optInlines
	optNoDebuginfod
	optNoDemangle
	optNoInlines
	optObject
	optOutputStyle
	optPretty
	optRelativeNames
	optContextLines
	optVerbose
	optVersion
)

type optionKind int

const (
	kindFlag optionKind = iota
	// kindJoined has its value in the same argument, kindSeparate in the next
	// one, kindEither where it is.
	kindJoined
	kindSeparate
	kindEither
)

type llvmOption struct {
	spelling string
	kind     optionKind
	id       optionID
}

// llvmOptions are those of LLVM 19's llvm/tools/llvm-symbolizer/Opts.td.
func llvmOptions() []llvmOption {
	options := []llvmOption{
		{"--addresses", kindFlag, optAddresses}, {"--print-address", kindFlag, optAddresses}, {"-a", kindFlag, optAddresses},
		{"--basenames", kindFlag, optBasenames}, {"-s", kindFlag, optBasenames},
		{"--color", kindFlag, optColor}, {"--color=", kindJoined, optColor},
		{"--debuginfod", kindFlag, optDebuginfod}, {"--no-debuginfod", kindFlag, optNoDebuginfod},
		{"--demangle", kindFlag, optDemangle}, {"-C", kindFlag, optDemangle}, {"-demangle=true", kindFlag, optDemangle},
		{"--no-demangle", kindFlag, optNoDemangle}, {"-demangle=false", kindFlag, optNoDemangle},
		{"--dia", kindFlag, optIgnored},
		{"-e", kindEither, optObject}, {"-e=", kindJoined, optObject},
		{"--exe", kindSeparate, optObject}, {"--exe=", kindJoined, optObject},
		{"--filter-markup", kindFlag, optFilterMarkup},
		{"--functions", kindFlag, optFunctions}, {"-f", kindFlag, optFunctions},
		{"--functions=", kindJoined, optFunctionsIs}, {"-f=", kindJoined, optFunctionsIs},
		{"--help", kindFlag, optHelp}, {"-h", kindFlag, optHelp},
		{"--inlines", kindFlag, optInlines}, {"--inlining", kindFlag, optInlines}, {"-i", kindFlag, optInlines},
		{"--inlining=true", kindFlag, optInlines}, {"--inlining=false", kindFlag, optNoInlines}, {"--no-inlines", kindFlag, optNoInlines},
		{"--pretty-print", kindFlag, optPretty}, {"-p", kindFlag, optPretty},
		{"--relative-address", kindFlag, optIgnored}, // the base of an ELF file is 0
		{"--relativenames", kindFlag, optRelativeNames},
		{"--untag-addresses", kindFlag, optIgnored}, {"--no-untag-addresses", kindFlag, optIgnored},
		{"--verbose", kindFlag, optVerbose},
		{"--version", kindFlag, optVersion}, {"-v", kindFlag, optVersion},
	}
	for _, valued := range []llvmOption{
		{"--adjust-vma", 0, optAdjustVMA}, {"--build-id", 0, optBuildID}, {"--cache-size", 0, optCacheSize},
		{"--debug-file-directory", 0, optDebugDir}, {"--default-arch", 0, optDefaultArch}, {"--dsym-hint", 0, optDsymHint},
		{"--dwp", 0, optDWP}, {"--fallback-debug-path", 0, optFallbackDir}, {"--obj", 0, optObject},
		{"--output-style", 0, optOutputStyle}, {"--print-source-context-lines", 0, optContextLines},
	} {
		options = append(options, llvmOption{valued.spelling, kindSeparate, valued.id},
			llvmOption{valued.spelling + "=", kindJoined, valued.id})
	}
	// The longest spelling that fits is meant.
	slices.SortStableFunc(options, func(a, b llvmOption) int { return cmp.Compare(len(b.spelling), len(a.spelling)) })
	return options
}

// givenOption is an option as it was given; spelling is for messages.
type givenOption struct {
	id       optionID
	spelling string
	value    string
}

// llvmArguments is a command line taken apart.
type llvmArguments struct {
	given   []givenOption
	inputs  []string
	unknown []string
	// missing is the option whose value is missing, if one is.
	missing string
}

// parseLLVM takes arguments apart as LLVM's OptTable does, grouped short
// options included.
func parseLLVM(options []llvmOption, args []string) *llvmArguments {
	parsed := &llvmArguments{}
	for i := 0; i < len(args) && parsed.missing == ""; i++ {
		for arg := args[i]; arg != ""; {
			if arg[0] != '-' || arg == "-" {
				parsed.inputs = append(parsed.inputs, arg)
				break
			}
			var next string
			if i+1 < len(args) {
				next = args[i+1]
			}
			taken, rest := parsed.take(options, arg, next, i+1 < len(args))
			if taken {
				i++
			}
			arg = rest
		}
	}
	return parsed
}

// take reads one option off arg. It returns whether the next argument was its
// value, and what is left of arg where short options were grouped.
func (p *llvmArguments) take(options []llvmOption, arg, next string, hasNext bool) (taken bool, rest string) {
	var group *llvmOption
	for i := range options {
		option := &options[i]
		if !strings.HasPrefix(arg, option.spelling) {
			continue
		}
		value := arg[len(option.spelling):]
		switch {
		case option.kind == kindJoined, value == "" && option.kind == kindFlag, value != "" && option.kind == kindEither:
			p.given = append(p.given, givenOption{option.id, option.spelling, value})
			return false, ""
		case value == "" && option.kind != kindFlag:
			if !hasNext {
				p.missing = arg
				return false, ""
			}
			spelling := option.spelling
			if option.kind == kindSeparate {
				spelling += "=" // what it is an alias of
			}
			p.given = append(p.given, givenOption{option.id, spelling, next})
			return true, ""
		case option.kind == kindFlag && len(option.spelling) == 2:
			group = option
		}
	}
	switch {
	case group != nil && arg[2] != '=':
		p.given = append(p.given, givenOption{group.id, group.spelling, ""})
		return false, "-" + arg[2:]
	case group == nil && arg[1] != '-':
		p.unknown = append(p.unknown, arg[:2])
		if len(arg) == 2 {
			return false, ""
		}
		return false, "-" + arg[2:]
	}
	p.unknown = append(p.unknown, arg)
	return false, ""
}

// nearest is the option that differs from an unknown one by one letter.
func nearest(options []llvmOption, unknown string) (string, bool) {
	const shortest = 4
	name, value, valued := strings.Cut(unknown, "=")
	for i := range options {
		spelling := options[i].spelling
		if len(strings.TrimLeft(spelling, "-")) < shortest {
			continue
		}
		given, suffix := unknown, ""
		if spelling[len(spelling)-1] == '=' && valued {
			given, suffix = name+"=", value
		}
		if withinOneEdit(given, spelling) {
			return spelling + suffix, true
		}
	}
	return "", false
}

// withinOneEdit tells whether one letter more, less or other makes a of b.
func withinOneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	same := 0
	for same < len(a) && a[same] == b[same] {
		same++
	}
	if len(a) == len(b) {
		return same == len(a) || a[same+1:] == b[same+1:]
	}
	return a[same:] == b[same+1:]
}
