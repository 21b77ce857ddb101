package codemap

// Table is the code of one file. Entry 0 of Nodes, Functions, Places, Files and
// Names stands for "unknown" and is zero (empty), so that the zero Record knows
// nothing.
type Table struct {
	// Base is the file-virtual address from which Starts count: no file has
	// more than 4 GiB of code.
	Base uint64
	// Starts rise strictly; Records[i] holds from Starts[i] to Starts[i+1]. A gap
	// in the code is a zero Record, and so is the last one, where the code ends.
	Starts  []uint32
	Records []Record

	Nodes     []Node
	Functions []Function
	Places    []Place
	// Files are source paths, Names the names of functions and symbols.
	Files []string
	Names []string
}

// Record says what is known of one range of addresses; each field may be 0.
type Record struct {
	// Node is the innermost call, an index of Nodes; Place, of Places, is where
	// in it the code stands.
	Node, Place uint32
	// Symbol is the function of the symbol table that covers the range, an
	// index of Names.
	Symbol uint32
}

// Node is one function, or one call of it that was inlined.
type Node struct {
	// Function is an index of Functions.
	Function uint32
	// Parent is the Node into which this call was inlined, 0 where it was not;
	// it is smaller than the Node's own index. Call, of Places, is where in the
	// parent the call stood.
	Parent, Call uint32
}

// Function is what source code defines once.
type Function struct {
	// Name is the readable name, Linkage what the object file calls it, 0 where
	// that is the same or unknown; both are indices of Names.
	Name, Linkage uint32
	// File, of Files, and Line are where it is declared.
	File, Line uint32
	// Language is one of the Language constants.
	Language uint8
}

// Place is a point of source code. Line and Column count from 1; 0 is unknown.
type Place struct {
	// File is an index of Files.
	File, Line, Discriminator uint32
	Column                    uint16
}
