package object

import (
	"bytes"
	"debug/elf"
	"strings"
)

// Dynamic is what a file tells the dynamic loader.
type Dynamic struct {
	// Soname is the file's own name, Needed the sonames that it asks for.
	Soname string
	Needed []string
	// Rpath and Runpath are search paths, colon-separated in the file.
	Rpath, Runpath []string
	// NoDelete means that dlclose keeps the file loaded (-z nodelete).
	NoDelete bool
	// StaticTLS means that the file wants room in the static TLS block.
	StaticTLS bool
	// TextRelocations means that code is patched when it is loaded.
	TextRelocations bool
}

// Dynamic reads the dynamic section; ok is false for a static file.
func (f *File) Dynamic() (dynamic Dynamic, ok bool, err error) {
	data, err := f.dynamicEntries()
	if err != nil || data == nil {
		return Dynamic{}, false, err
	}
	names, err := f.dynamicStrings(data)
	if err != nil {
		return Dynamic{}, false, err
	}
	// Many entries may name the same long text.
	length := 0
	f.eachDynamic(data, func(tag elf.DynTag, value uint64) {
		dynamic.add(tag, value, func() string {
			text := bytesAt(names, value, maxNameBytes)
			if length += len(text); length > maxDynamicTextBytes {
				return ""
			}
			return string(text)
		})
	})
	if length > maxDynamicTextBytes {
		return Dynamic{}, false, f.NewError(0, ErrLimit, "dynamic section with %d bytes of text", length)
	}
	return dynamic, true, nil
}

// dynamicEntries are the bytes of the dynamic section, nil in a static file.
func (f *File) dynamicEntries() ([]byte, error) {
	var segment *Segment
	for i := range f.segments {
		if f.segments[i].Type == elf.PT_DYNAMIC {
			segment = &f.segments[i]
		}
	}
	if segment == nil || segment.FileSize == 0 {
		return nil, nil
	}
	entrySize := 2 * uint64(f.AddrSize())
	if segment.FileSize/entrySize > maxDynamicEntries {
		return nil, f.NewError(int64(min(segment.FileOffset, 1<<62)), ErrLimit, "%d dynamic entries", segment.FileSize/entrySize)
	}
	return f.readAt(segment.FileOffset, segment.FileSize, "dynamic section")
}

func (d *Dynamic) add(tag elf.DynTag, value uint64, text func() string) {
	switch tag {
	case elf.DT_SONAME:
		d.Soname = text()
	case elf.DT_NEEDED:
		d.Needed = append(d.Needed, text())
	case elf.DT_RPATH:
		d.Rpath = append(d.Rpath, strings.Split(text(), ":")...)
	case elf.DT_RUNPATH:
		d.Runpath = append(d.Runpath, strings.Split(text(), ":")...)
	case elf.DT_TEXTREL:
		d.TextRelocations = true
	case elf.DT_FLAGS:
		d.StaticTLS = d.StaticTLS || value&uint64(elf.DF_STATIC_TLS) != 0
		d.TextRelocations = d.TextRelocations || value&uint64(elf.DF_TEXTREL) != 0
	case elf.DT_FLAGS_1:
		d.NoDelete = d.NoDelete || value&uint64(elf.DF_1_NODELETE) != 0
	}
}

func (f *File) eachDynamic(data []byte, visit func(elf.DynTag, uint64)) {
	r := f.fields(data)
	for len(r.data) >= 2*f.AddrSize() {
		tag, value := elf.DynTag(r.word()), r.word()
		if tag == elf.DT_NULL {
			return
		}
		visit(tag, value)
	}
}

// dynamicStrings finds the string table by its address, as the loader does:
// section headers may be gone.
func (f *File) dynamicStrings(data []byte) ([]byte, error) {
	var addr, size uint64
	f.eachDynamic(data, func(tag elf.DynTag, value uint64) {
		switch tag {
		case elf.DT_STRTAB:
			addr = value
		case elf.DT_STRSZ:
			size = value
		}
	})
	if size > maxAtOnceBytes {
		return nil, f.NewError(0, ErrLimit, "dynamic string table of %d bytes", size)
	}
	if offset, room, ok := f.fileOffset(addr); ok {
		return f.readAt(offset, min(size, room), "dynamic string table")
	}
	return nil, f.NewError(0, ErrFormat, "dynamic string table at 0x%x, outside of every segment", addr)
}

// Comments are the strings of .comment, where compilers and linkers leave
// their names and versions.
func (f *File) Comments() ([]string, error) {
	s, ok := f.SectionNamed(".comment")
	if !ok || s.Type == elf.SHT_NOBITS {
		return nil, nil
	}
	data, err := f.readAt(s.FileOffset, min(s.SizeBytes, maxCommentBytes), "section .comment")
	if err != nil {
		return nil, err
	}
	var comments []string
	for _, text := range bytes.Split(data, []byte{0}) {
		if len(text) > 0 {
			comments = append(comments, string(text))
		}
	}
	return comments, nil
}
