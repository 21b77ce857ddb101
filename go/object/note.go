package object

import (
	"debug/elf"
	"encoding/hex"
)

// The notes that name a build (n_type by owner).
const (
	noteGNUBuildID = 3 // NT_GNU_BUILD_ID, owner "GNU"
	noteGoBuildID  = 4 // cmd/link: ELF_NOTE_GOBUILDID_TAG, owner "Go"
)

// readNotes finds the build IDs. Segments come first: they are there in
// stripped files too; sections serve relocatable objects and files whose
// segments lost their contents (objcopy --only-keep-debug).
func (f *File) readNotes() {
	areas := 0
	for i := range f.segments {
		if s := &f.segments[i]; s.Type == elf.PT_NOTE && areas < maxNoteAreas {
			f.readNoteArea(s.FileOffset, s.FileSize)
			areas++
		}
	}
	for i := range f.sections {
		if s := &f.sections[i]; s.Type == elf.SHT_NOTE && f.buildID == "" && areas < maxNoteAreas {
			f.readNoteArea(s.FileOffset, s.SizeBytes)
			areas++
		}
	}
}

// readNoteArea takes what can be read: damage here costs the build ID only,
// and a file without one is trusted less, not more.
func (f *File) readNoteArea(offset, size uint64) {
	data, err := f.readAt(offset, min(size, maxNotesBytes), "notes")
	if err != nil {
		return
	}
	for len(data) >= 12 {
		nameSize := uint64(f.order.Uint32(data))
		descSize := uint64(f.order.Uint32(data[4:]))
		kind := f.order.Uint32(data[8:])
		data = data[12:]
		// Both parts are padded to 4 bytes (glibc and binutils use 4 also in
		// 64-bit files, whatever the gABI says; 8-byte notes hold no build ID).
		nameEnd, descEnd := align4(nameSize), align4(nameSize)+align4(descSize)
		if nameSize > maxNotesBytes || descSize > maxNotesBytes || nameEnd+descSize > uint64(len(data)) {
			return
		}
		name, desc := string(data[:nameSize]), data[nameEnd:nameEnd+descSize]
		switch {
		case name == "GNU\x00" && kind == noteGNUBuildID && len(desc) > 0 && f.buildID == "":
			f.buildID = hex.EncodeToString(desc)
		case name == "Go\x00\x00" && kind == noteGoBuildID && f.goBuildID == "":
			f.goBuildID = stringAt(desc, 0, len(desc))
		}
		data = data[min(descEnd, uint64(len(data))):]
	}
}

func align4(n uint64) uint64 { return (n + 3) &^ 3 }
