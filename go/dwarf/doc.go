// Package dwarf finds the source lines and the chain of inlined calls of
// addresses in an object file, from its DWARF debug information, versions 2
// to 5.
//
// An object.File enters, model.Frames leave. Work is lazy by unit: opening
// reads the unit headers and each unit's own address ranges; the functions and
// the line program of a unit are read when an address lies in it.
//
// Debug information is taken for hostile. No offset, length or count in it is
// trusted: reads past the end of a section give zeros and an error, loops are
// bounded by the bytes that they consume, and where the format lets few bytes
// stand for much work (attributes without bytes, shared range lists, chains of
// references) a budget of steps is spent. Over it, the error is
// object.ErrLimit.
//
// Split units are read from the package beside the program (FILE.dwp) or from
// the .dwo files that the skeletons name, if those carry the skeleton's ID.
//
// Layouts are from the DWARF 5 standard; sections are cited where they are read.
package dwarf

// Limits on one file's debug information.
const (
	freeUnits            = 1 << 16
	leastUnitBytes       = 32
	leastPackedUnitBytes = 4
	maxDamagedUnits      = 1 << 16
	freeSpans            = 1 << 16
	maxAbbrevAttrs       = 1 << 20
	maxLineFiles         = 1 << 20
	maxInlineDepth       = 512
	maxDepth             = 1 << 20
	maxReferences        = 16
	maxNameBytes         = 1 << 16
	maxPathBytes         = 1 << 12
	maxPaths             = 1 << 18
	maxInternedTexts     = 1 << 16
	maxSplitBytes        = 1 << 30

	// From so many addresses on, sections are read whole, and walks are deep.
	manyAddrs = 512
	deepAddrs = 1 << 14

	// A step is a range, a byte of a line program, or about as much work. What no
	// section bytes pay for comes out of this.
	freeSteps    = 1 << 24
	stepsPerByte = 8
	stepsPerAddr = 64
	stepsPerFile = 16
	stepsPerAttr = 4

	stepsPerAbbrev  = 16
	stepsPerTable   = 64  // of abbreviations
	stepsPerOpcodes = 256 // a table of what special opcodes stand for
	stepsPerRoot    = 32
	// A .dwo file is sought in two or three places.
	stepsPerSought = 256
	maxSoughtBytes = 64 << 20 // of the paths, which are kept
	freePathSlots  = 1 << 22  // see path

	freeTextBytes = 16 << 20
	textPerAddr   = 16 << 10
	// What the names and paths of an extraction may come to.
	maxExtractedText = 1 << 30
)
