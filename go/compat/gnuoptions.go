package compat

import (
	"fmt"
	"strings"
)

// gnuOptions are the settings of binutils' addr2line.
type gnuOptions struct {
	addresses, functions, inlines, pretty, basenames bool

	demangle manglings
	object   string
	section  string
	target   string
	inputs   []string
	help     bool
	version  bool
}

// The options of binutils 2.40's addr2line, as getopt_long knows them: a short
// option followed by ':' wants a value.
const gnuShort = "ab:Ce:rRsfHhij:pVv"

type gnuLong struct {
	name  string
	value byte // 0 none, '=' wanted, '?' allowed
	short byte
}

var gnuLongs = [...]gnuLong{
	{"addresses", 0, 'a'}, {"basenames", 0, 's'}, {"demangle", '?', 'C'}, {"exe", '=', 'e'}, {"functions", 0, 'f'},
	{"inlines", 0, 'i'}, {"pretty-print", 0, 'p'}, {"recurse-limit", 0, 'R'}, {"recursion-limit", 0, 'R'},
	{"no-recurse-limit", 0, 'r'}, {"no-recursion-limit", 0, 'r'}, {"section", '=', 'j'}, {"target", '=', 'b'},
	{"help", 0, 'h'}, {"version", 0, 'v'},
}

// gnuUsageError is what getopt says; the usage follows it.
type gnuUsageError string

func (e gnuUsageError) Error() string { return string(e) }

// parseGNU takes arguments apart as getopt_long does: options may stand
// anywhere (unless the environment has POSIXLY_CORRECT), long ones may be cut
// short, "--" ends them.
func parseGNU(args []string, strict bool) (*gnuOptions, error) {
	o := &gnuOptions{object: "a.out"}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			o.inputs = append(o.inputs, args[i+1:]...)
			return o, nil
		case strings.HasPrefix(arg, "--"):
			taken, err := o.long(arg[2:], args[i+1:])
			if err != nil {
				return nil, err
			}
			i += taken
		case len(arg) > 1 && arg[0] == '-':
			taken, err := o.short(arg[1:], args[i+1:])
			if err != nil {
				return nil, err
			}
			i += taken
		case strict:
			o.inputs = append(o.inputs, args[i:]...)
			return o, nil
		default:
			o.inputs = append(o.inputs, arg)
		}
		if o.help || o.version {
			return o, nil // they act where they stand
		}
	}
	return o, nil
}

// long handles one long option; it returns how many of the arguments that
// follow were its value.
func (o *gnuOptions) long(text string, following []string) (taken int, err error) {
	name, value, hasValue := strings.Cut(text, "=")
	var found *gnuLong
	for i := range gnuLongs {
		option := &gnuLongs[i]
		// Options that begin alike mean the same, so the first will do.
		if option.name == name || strings.HasPrefix(option.name, name) && found == nil {
			found = option
		}
	}
	switch {
	case found == nil:
		return 0, gnuUsageError(fmt.Sprintf("unrecognized option '--%s'", text))
	case hasValue && found.value == 0:
		return 0, gnuUsageError(fmt.Sprintf("option '--%s' doesn't allow an argument", found.name))
	case !hasValue && found.value == '=':
		if len(following) == 0 {
			return 0, gnuUsageError(fmt.Sprintf("option '--%s' requires an argument", found.name))
		}
		value, taken = following[0], 1
	}
	return taken, o.set(found.short, value, hasValue)
}

// short handles a group of short options.
func (o *gnuOptions) short(letters string, following []string) (taken int, err error) {
	for i := 0; i < len(letters); i++ {
		letter := letters[i]
		at := strings.IndexByte(gnuShort, letter)
		if at < 0 || letter == ':' {
			return 0, gnuUsageError(fmt.Sprintf("invalid option -- '%c'", letter))
		}
		if at+1 == len(gnuShort) || gnuShort[at+1] != ':' {
			if err := o.set(letter, "", false); err != nil {
				return 0, err
			}
			if o.help || o.version {
				return 0, nil
			}
			continue
		}
		if value := letters[i+1:]; value != "" {
			return 0, o.set(letter, value, true)
		}
		if len(following) == 0 {
			return 0, gnuUsageError(fmt.Sprintf("option requires an argument -- '%c'", letter))
		}
		return 1, o.set(letter, following[0], true)
	}
	return 0, nil
}

func (o *gnuOptions) set(letter byte, value string, hasValue bool) error {
	switch letter {
	case 'a':
		o.addresses = true
	case 'b':
		o.target = value
	case 'C':
		o.demangle = manglingsGNU
		if hasValue {
			style, err := gnuStyle(value)
			if err != nil {
				return err
			}
			o.demangle = style
		}
	case 'e':
		o.object = value
	case 'f':
		o.functions = true
	case 'i':
		o.inlines = true
	case 'j':
		o.section = value
	case 'p':
		o.pretty = true
	case 's':
		o.basenames = true
	case 'h', 'H':
		o.help = true
	case 'v', 'V':
		o.version = true
	}
	return nil // r and R: how deep is bounded here in any case
}

// gnuStyle is the demangling style of that name.
func gnuStyle(name string) (manglings, error) {
	switch name {
	case "none":
		return manglingsNone, nil
	case "auto":
		return manglingsGNU, nil
	case "gnu-v3":
		return manglingsGNUCPP, nil
	case "rust":
		return manglingsGNURust, nil
	case "java", "gnat", "dlang":
		return 0, fmt.Errorf("demangling style `%s' is not supported", name)
	}
	return 0, fmt.Errorf("unknown demangling style `%s'", name)
}

const gnuUsage = `Usage: %s [option(s)] [addr(s)]
 Prints the source lines of addresses, as GNU addr2line does. Addresses are
 hexadecimal; without any on the command line they are read from stdin.
  @FILE                  read options from FILE
  -a --addresses         print the address first
  -b --target=FORMAT     accepted: ELF is what is read
  -e --exe=FILE          the object file (a.out)
  -i --inlines           print the calls that were inlined there
  -j --section=NAME      addresses are offsets in this section
  -p --pretty-print      one line a frame
  -s --basenames         leave out folders
  -f --functions         print function names
  -C --demangle[=STYLE]  demangle them; none, auto, gnu-v3 or rust
  -R, -r                 accepted: demangling is always bounded
  -h --help              print this
  -v --version           print the version
`

// gnuTarget tells whether -b names a format that binutils knows. It is a hint only:
// files are told by what they hold.
func gnuTarget(name string) bool {
	switch name {
	case "", "default", "pe-i386", "pei-i386", "pe-x86-64", "pei-x86-64", "pe-bigobj-x86-64", "pdb", "srec", "symbolsrec", "verilog", "tekhex", "ihex", "plugin":
		return true
	}
	return strings.HasPrefix(name, "elf")
}
