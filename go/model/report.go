package model

// Report is one parsed failure.
type Report struct {
	// Tool is who found it (AddressSanitizer, LeakSanitizer,
	// UndefinedBehaviorSanitizer, ...), Kind the tool's own term for it
	// (heap-use-after-free, signed-integer-overflow, ...).
	Tool    string `json:"tool"`
	Kind    string `json:"kind"`
	Message string `json:"message,omitempty"`
	PID     int    `json:"pid,omitempty"`

	// AbsAddr is the address that the failure is about; nil where there is
	// none (a NULL access has address 0).
	AbsAddr *AbsAddr `json:"abs_addr,omitempty"`
	Access  *Access  `json:"access,omitempty"`
	Leaked  *Leaked  `json:"leaked,omitempty"`
	// Details are the tool's explanations that are no stacks, a line each
	// ("0x... is located 3 bytes inside of 64-byte region [...)").
	Details []string `json:"details,omitempty"`

	Stacks []Stack `json:"stacks"`

	// Blame names the user's frame to look at first; Related the frames in
	// the other stacks that belong to the same story (who freed, who
	// allocated).
	Blame   *Blame  `json:"blame,omitempty"`
	Related []Blame `json:"related,omitempty"`

	// Fingerprint is equal for the same fault in other runs and builds, and
	// differs between faults. Count is how often it was met.
	Fingerprint string `json:"fingerprint,omitempty"`
	Count       int    `json:"count"`

	// Source says where in which input the report stood.
	Source Location `json:"source"`
}

// Access is the memory access that failed.
type Access struct {
	Type      string `json:"type,omitempty"` // "read" or "write"
	SizeBytes uint64 `json:"size_bytes,omitempty"`
}

// Leaked is how much a leak report is about, all meetings of it together.
type Leaked struct {
	SizeBytes    uint64 `json:"size_bytes"`
	ObjectsCount uint64 `json:"objects_count"`
	// Objects are the leaked objects, where the evidence lists them. They
	// serve to find their stacks, and need not be all.
	Objects []LeakedObject `json:"-"`
}

// LeakedObject is one allocation that nothing points to any more.
type LeakedObject struct {
	AbsAddr   AbsAddr
	SizeBytes uint64
}

// Blame points at one frame: Stacks[Stack].Frames[Frame] of its report.
type Blame struct {
	Stack int  `json:"stack"`
	Frame int  `json:"frame"`
	Role  Role `json:"role"`
	// Reason says in words why this frame.
	Reason string `json:"reason"`
}

// Location is a place in an input file; OffsetBytes counts from its start.
type Location struct {
	File        string `json:"file,omitempty"`
	OffsetBytes int64  `json:"offset_bytes"`
}

// Partial is something that could not be read, and what that cost.
type Partial struct {
	// File is the input or object file; OffsetBytes the place in it.
	File        string `json:"file,omitempty"`
	OffsetBytes int64  `json:"offset_bytes,omitempty"`
	Reason      string `json:"reason"`
}

// ReportSet is the result of reading logs: the failures found, deduplicated,
// and what could not be read.
type ReportSet struct {
	Reports []Report
	Partial []Partial
	// Suppressed counts the leaks that were left out, by rule.
	Suppressed []Suppressed
}

// Suppressed tells how many reports a suppression rule has left out.
type Suppressed struct {
	Rule  string `json:"rule"`
	Count int    `json:"count"`
}

// AddressFrames is the answer for one bare address: its frames, leaf first,
// inlined calls included. Frames is empty where nothing is known.
type AddressFrames struct {
	VirtAddr VirtAddr `json:"virt_addr"`
	// AbsAddr is set where an address of a process was asked for, and Module
	// then to the file that has VirtAddr; both are empty where it lies in none.
	AbsAddr AbsAddr `json:"abs_addr,omitempty"`
	Module  string  `json:"module,omitempty"`
	Frames  []Frame `json:"frames"`
}
