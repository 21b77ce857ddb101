package main

/*
#include "ffikitgo.h"
#include "result.h"
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/ffikit/ffikit/go/cmd/libffikit/internal/handle"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/symbolize"
)

var symbolizers = handle.NewTable(1, func(s *symbolize.Symbolizer) { _ = s.Close() })

//export ffikitgo_symbolizer_new
func ffikitgo_symbolizer_new(options *C.ffikitgo_const_symbolizer_options,
	symbolizerOut *C.ffikit_symbolizer, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_symbolizer_new", errOut, func() error {
		dirs, err := text("debug_dirs", options.debug_dirs, options.debug_dirs_len_bytes)
		if err != nil {
			return err
		}
		var opts symbolize.Options
		for dir := range strings.SplitSeq(dirs, ":") {
			if dir != "" {
				opts.DebugDirs = append(opts.DebugDirs, dir)
			}
		}
		bits, err := symbolizers.Add(symbolize.New(opts))
		if err != nil {
			return err
		}
		symbolizerOut.bits = C.uint64_t(bits)
		return nil
	})
}

//export ffikitgo_symbolizer_free
func ffikitgo_symbolizer_free(self C.ffikit_symbolizer) {
	free(func() { symbolizers.Free(handle.Bits(self.bits)) })
}

//export ffikitgo_symbolizer_resolve
func ffikitgo_symbolizer_resolve(self C.ffikit_symbolizer, path *C.ffikitgo_const_char, pathLenBytes C.size_t,
	virtAddrs *C.ffikitgo_const_uint64_t, virtAddrsCount C.size_t,
	framesOut **C.ffikit_frames, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_symbolizer_resolve", errOut, func() error {
		symbolizer, release, err := symbolizers.Acquire(handle.Bits(self.bits))
		if err != nil {
			return err
		}
		defer release()
		file, err := text("path", path, pathLenBytes)
		if err != nil {
			return err
		}
		if file == "" || strings.IndexByte(file, 0) >= 0 {
			return withStatus(C.FFIKIT_ERR_ARGUMENT, "path is empty or contains a NUL byte")
		}
		if virtAddrsCount > maxAddressCount {
			return withStatus(C.FFIKIT_ERR_LIMIT, "%s: %d addresses in one call, more than the %d that are allowed",
				file, uint64(virtAddrsCount), maxAddressCount)
		}
		// A copy, since the memory is the caller's.
		addrs := slices.Clone(unsafe.Slice((*model.VirtAddr)(unsafe.Pointer(virtAddrs)), int(virtAddrsCount)))
		answers, err := symbolizer.Resolve(file, "", addrs)
		if err != nil {
			return err
		}
		for _, frames := range answers {
			normalize.Frames(frames, normalize.Options{})
		}
		return framesBlock(addrs, answers, framesOut)
	})
}

// framesBlock copies frames into one block of C memory: a table, then all
// texts, each once.
func framesBlock(addrs []model.VirtAddr, answers [][]model.Frame, framesOut **C.ffikit_frames) error {
	count := 0
	offsets := map[string]int{}
	textBytes := 0
	intern := func(s string) {
		if _, seen := offsets[s]; !seen {
			offsets[s] = textBytes
			textBytes += len(s) + 1
		}
	}
	intern("")
	for _, frames := range answers {
		count += len(frames)
		for i := range frames {
			for _, s := range frameTexts(&frames[i]) {
				intern(s)
			}
		}
	}

	var textStart *C.char
	block := C.ffikit_result_frames(C.size_t(count), C.size_t(textBytes), &textStart)
	if block == nil {
		return withStatus(C.FFIKIT_ERR_MEMORY, "no memory for %d frames; ask for fewer addresses in one call", count)
	}
	texts := unsafe.Slice((*byte)(unsafe.Pointer(textStart)), textBytes)
	for s, offset := range offsets {
		copy(texts[offset:], s)
	}
	at := func(s string) *C.char { return (*C.char)(unsafe.Pointer(&texts[offsets[s]])) }

	table := unsafe.Slice((*C.ffikit_frame)(unsafe.Add(unsafe.Pointer(block), C.sizeof_struct_ffikit_frames)), count)
	row := 0
	for index, frames := range answers {
		for i := range frames {
			f, t := &frames[i], frameTexts(&frames[i])
			table[row] = C.ffikit_frame{
				struct_size:   C.sizeof_ffikit_frame,
				address_index: C.size_t(index),
				virt_addr:     C.uint64_t(addrs[index]),
				function:      at(t[0]),
				linkage_name:  at(t[1]),
				language:      at(t[2]),
				file:          at(t[3]),
				line:          C.uint32_t(f.Line),
				column:        C.uint32_t(f.Column),
				flags:         frameFlags(f),
			}
			row++
		}
	}
	*framesOut = block
	return nil
}

// frameTexts are the texts of a frame as C strings may hold them: valid UTF-8
// without NUL.
func frameTexts(f *model.Frame) [4]string {
	texts := [4]string{f.Function, f.LinkageName, string(f.Language), f.File}
	for i, s := range texts {
		texts[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", `\0`)
	}
	return texts
}

func frameFlags(f *model.Frame) (flags C.uint32_t) {
	if f.Inlined {
		flags |= C.FFIKIT_FRAME_INLINED
	}
	if f.Runtime {
		flags |= C.FFIKIT_FRAME_RUNTIME
	}
	return flags
}
