package model

// Language is the source language of a frame, as written in JSON.
type Language string

// The languages that ffikit tells apart. The empty Language is unknown.
const (
	LanguageC       Language = "c"
	LanguageCPP     Language = "c++"
	LanguageRust    Language = "rust"
	LanguageGo      Language = "go"
	LanguagePython  Language = "python"
	LanguageCython  Language = "cython"
	LanguageAsm     Language = "asm"
	LanguageUnknown Language = ""
)

// Frame is one logical call: a physical frame (one activation record), or a
// call that the compiler inlined into it.
type Frame struct {
	// Function is the readable name (demangled, normalized); LinkageName is
	// what the object file calls it, where that differs.
	Function    string   `json:"function,omitempty"`
	LinkageName string   `json:"linkage_name,omitempty"`
	Language    Language `json:"language,omitempty"`

	// File is the source path, Line and Column count from 1; 0 is unknown.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Discriminator tells apart the blocks of code that the compiler made of
	// one line (DWARF's line number programs, 6.2.2); 0 is none.
	Discriminator uint32 `json:"discriminator,omitempty"`
	// FunctionLine is the line that declares the function in File (DWARF's
	// DW_AT_decl_line): a fault's distance from it survives edits above.
	FunctionLine int `json:"function_line,omitempty"`

	// Module is the path of the loaded object file, BuildID the lower-case
	// hexadecimal GNU build ID that the evidence named for it.
	Module  string `json:"module,omitempty"`
	BuildID string `json:"build_id,omitempty"`
	// VirtAddr is where in Module the frame stands; 0 is unknown. It is the
	// address to look up: for a caller it already lies within the call.
	VirtAddr VirtAddr `json:"virt_addr,omitempty"`
	// AbsAddr is the address in the process. JSON shows it only where no
	// module is known, since it differs between runs.
	AbsAddr AbsAddr `json:"abs_addr,omitempty"`

	// Inlined marks a call that was inlined into the next frame of its stack.
	Inlined bool `json:"inlined,omitempty"`
	// Runtime marks a language's own machinery: interpreter, cgo glue,
	// sanitizer interceptors, trampolines. Such frames fold, never vanish.
	Runtime bool `json:"runtime,omitempty"`
	// Machinery names whose machinery a Runtime frame is ("CPython", "cgo",
	// "sanitizer", ...), where that is known.
	Machinery string `json:"machinery,omitempty"`
	// Boundary names the change of language on the frame that was entered
	// across it, caller first: "go>c".
	Boundary string `json:"boundary,omitempty"`
}

// Role says what a stack tells about its report.
type Role string

// The roles of stacks.
const (
	RoleFault      Role = "fault"
	RoleFree       Role = "free"
	RoleAllocation Role = "allocation"
	RoleThread     Role = "thread"
	RoleOther      Role = "other"
)

// Stack is a list of frames, leaf first.
type Stack struct {
	Role Role `json:"role"`
	// Name is the evidence's own heading, such as "freed by thread T0 here".
	Name   string  `json:"name,omitempty"`
	Frames []Frame `json:"frames"`
	// Truncated says why the stack ends before its root, if it does.
	Truncated string `json:"truncated,omitempty"`
	// Complete says that the evidence knows the stack to reach its root:
	// nobody need guess from its last frame.
	Complete bool `json:"-"`
}
