// Package object reads ELF object files: identity (build ID, machine),
// segments, sections, symbol tables, what the dynamic loader is told, and
// where separate debug files lie. Relocatable objects are laid out and their
// debug sections relocated, as a linker would.
//
// A path enters, values, Views of sections and names that share their memory
// leave. Every file is taken for hostile: only regular files are opened (no
// FIFO can block, no device can be touched), a Search keeps paths that a log or
// a file names below its root, contents are read by pread so that a file that
// shrinks meanwhile is an error and not a SIGBUS, and no count, offset or size
// from the file is used before it was checked against the file's own length and
// the limits below. PE, Mach-O, archives and core files are refused by name.
//
// The layouts are those of the System V gABI, chapters 4 and 5, as glibc's
// elf.h numbers them; relocations are those of each machine's supplement.
package object

// Limits on what one file may make us hold in memory. Each is several times
// what the largest known programs need.
const (
	maxSections = 1 << 18
	maxSegments = 1 << 12
	// What is read lazily may be larger than what is read at once; the file's
	// own length bounds both.
	maxSectionBytes     = 4 << 30
	maxAtOnceBytes      = 1 << 30
	maxSectionNamesByte = 16 << 20
	maxSymbols          = 1 << 23
	maxNotesBytes       = 1 << 16 // of one area
	maxNoteAreas        = 1 << 8
	maxDynamicEntries   = 1 << 16
	maxNameBytes        = 1 << 16
	// maxNameTimes is how many times as long as their table all names may be;
	// linkers share names that are alike, or alike at their end.
	maxNameTimes        = 64
	maxDynamicTextBytes = 4 << 20
	maxCommentBytes     = 1 << 16

	// deflate cannot expand more than 1032 times (RFC 1951: 258 bytes from
	// two bits), and no debug section that zstd wrote comes near it.
	maxExpansion      = 1032
	expansionSlackLen = 1 << 16

	// All sections of one file together: debug sections shrink to a third, a
	// fifth, hardly ever to less.
	maxInflatedBytes = 128 << 20
	maxInflatedTimes = 64
)
