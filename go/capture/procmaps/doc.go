// Package procmaps says which module an address of a process lies in.
//
// The text of /proc/PID/maps enters, of a live process or a copy of it (see
// proc_pid_maps(5)); modules and file-virtual addresses leave. A path in there
// is only a name: what lies at it by now, here, may be another file. So a file
// is taken only if its device and inode are those of the mapping, or if its
// build ID is the one that the process has in memory. Files of processes in
// containers are opened as the process sees them, deleted ones and those
// without a name by the process's own handles.
//
// The text is taken for hostile: its lines, mappings and paths are bounded, and
// what cannot be read is an error with the number of its line.
package procmaps

import "errors"

// Why an address has no module, to be tested with errors.Is.
var (
	// ErrUnmapped: nothing lies at the address.
	ErrUnmapped = errors.New("no mapping holds the address")
	// ErrNoFile: what lies there comes from no file: heap, stacks, code that
	// was made at run time.
	ErrNoFile = errors.New("the address lies in memory that comes from no file")
	// ErrReplaced: the file that was mapped cannot be reached; another one lies
	// at its path.
	ErrReplaced = errors.New("not the file that was mapped")
)

// Limits. Linux allows a process 65,530 mappings, distributions up to 2^20.
const (
	maxMappings  = 1 << 20
	maxLineBytes = 64 << 10
	maxPathBytes = 64 << 20 // of all different paths together
	// maxModules bounds how many modules are remembered.
	maxModules = 4096
	// maxHandles bounds how many of a process's open files are looked at.
	maxHandles = 4096
	// maxHeadBytes is how much of a mapped file's start is read from memory.
	maxHeadBytes = 1 << 16
	// maxVDSOBytes is several times the largest vDSO.
	maxVDSOBytes = 1 << 20
)
