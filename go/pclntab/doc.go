// Package pclntab finds functions, source lines and the chain of inlined calls
// of addresses in a Go program from the tables that its runtime prints
// tracebacks with. They are loaded with the program, so they are there in
// stripped files, in files without section headers, and in a process's memory.
//
// An object.File or an Image (segments of memory) enters, model.Frames leave.
// Tables of Go 1.20 and later are read (magic 0xfffffff1), of any byte order
// and address size; older ones are refused with ErrVersion.
//
// Work is lazy: opening finds the table, a lookup is a binary search and reads
// the pages that it needs, through a cache of fixed size. A function's lines
// are decoded when an address lies in it.
//
// The tables are taken for hostile. No offset or count in them is trusted:
// what lies outside of its segment is an error, what takes room was checked
// against the code that it describes, and names and frames come out of a
// budget for each call. Over it, the error is object.ErrLimit.
//
// Layouts are from Go's runtime/symtab.go (pcHeader, moduledata, inlinedCall),
// runtime/runtime2.go (_func), internal/abi/symtab.go and cmd/link's pcln.go,
// compared over the releases 1.21 to 1.26.
package pclntab

import "errors"

// What can be wrong besides the errors of package object.
var (
	// ErrNoTable means that there is no Go program in the file or image.
	ErrNoTable = errors.New("no Go function table")
	// ErrVersion is a table of a Go release before 1.20.
	ErrVersion = errors.New("Go function table of a release before 1.20")
)

// Limits on one table. Each is several times what the largest known programs
// need.
const (
	maxFunctions    = 1 << 24
	maxTextSections = 1 << 10
	maxNameBytes    = 1 << 16
	maxRows         = 1 << 20
	maxInlineDepth  = 512
	maxCalls        = 1 << 20 // inlined into one function
	maxTexts        = 1 << 16
	maxKeptBytes    = 16 << 20

	// Opening may read this many bytes in search of the table. A place that
	// may be its start costs as many as can be read in the time.
	maxSearchBytes = 1 << 30
	costOfLooking  = 1 << 10
	costOfSkipping = 1 << 6
	maxPlaces      = 16

	// What a call of Resolve or Each may return: frames, and bytes of names and
	// paths.
	freeFrames    = 1 << 16
	framesPerAddr = 16
	freeTextBytes = 16 << 20
	textPerAddr   = 16 << 10

	// Addresses are answered in rounds of this many, so that what is kept of
	// them is bounded.
	addrsPerRound = 1 << 17
	maxNodes      = 1 << 18

	// Functions are extracted in pieces, and rows and nodes of them come out of a
	// budget: functions may share their tables.
	functionsPerPiece = 512
	maxWorkers        = 64
	rowsPerByte       = 2
	freeRows          = 1 << 16

	// What is kept of the file: so many pages of each of the table's regions at
	// first, and at most. A cache grows when it missed so often for a page.
	pageBytes     = 16 << 10
	slackBytes    = 64
	fewPages      = 1 << 2
	manyPages     = 1 << 6
	limitPages    = 1 << 9
	missesPerPage = 8
)
