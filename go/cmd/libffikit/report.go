package main

/*
#include "ffikitgo.h"
#include "result.h"
*/
import "C"

import (
	"bytes"
	"strings"
	"unsafe"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/cmd/libffikit/internal/handle"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/render"
)

// reports holds what was parsed; it is only read after that.
var reports = handle.NewTable[*model.ReportSet](2, nil)

//export ffikitgo_report_parse
func ffikitgo_report_parse(log *C.ffikitgo_const_uint8_t, logLenBytes C.size_t,
	options *C.ffikitgo_const_report_options, reportOut *C.ffikit_report, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_report_parse", errOut, func() error {
		opts, name, err := reportOptions(options)
		if err != nil {
			return err
		}
		if logLenBytes > maxLogBytes {
			return withStatus(C.FFIKIT_ERR_LIMIT, "%s: the log has %d bytes, more than the %d that are allowed",
				name, uint64(logLenBytes), maxLogBytes)
		}
		content := unsafe.Slice((*byte)(unsafe.Pointer(log)), int(logLenBytes))
		set, err := ffikit.Read(opts, ffikit.Log{Name: name, Reader: bytes.NewReader(content)})
		if err != nil {
			return err
		}
		bits, err := reports.Add(set)
		if err != nil {
			return err
		}
		reportOut.bits = C.uint64_t(bits)
		return nil
	})
}

func reportOptions(options *C.ffikitgo_const_report_options) (opts ffikit.Options, name string, err error) {
	if name, err = text("log_name", options.log_name, options.log_name_len_bytes); err != nil {
		return opts, name, err
	}
	if opts.Merge.SourceRoot, err = text("source_root", options.source_root, options.source_root_len_bytes); err != nil {
		return opts, name, err
	}
	pathMap, err := text("path_map", options.path_map, options.path_map_len_bytes)
	if err != nil {
		return opts, name, err
	}
	for line := range strings.Lines(pathMap) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		from, to, found := strings.Cut(line, "=")
		if !found || from == "" {
			return opts, name, withStatus(C.FFIKIT_ERR_ARGUMENT, "path_map: %q is not of the form FROM=TO", line)
		}
		opts.Normalize.PathMap = append(opts.Normalize.PathMap, normalize.PathMapping{From: from, To: to})
	}
	opts.Symbolize.TrustPaths = options.trust_paths != 0
	return opts, name, nil
}

//export ffikitgo_report_free
func ffikitgo_report_free(self C.ffikit_report) {
	free(func() { reports.Free(handle.Bits(self.bits)) })
}

//export ffikitgo_report_count
func ffikitgo_report_count(self C.ffikit_report, countOut *C.size_t, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_report_count", errOut, func() error {
		set, release, err := reports.Acquire(handle.Bits(self.bits))
		if err != nil {
			return err
		}
		defer release()
		*countOut = C.size_t(len(set.Reports))
		return nil
	})
}

//export ffikitgo_report_render
func ffikitgo_report_render(self C.ffikit_report, format C.ffikit_format,
	renderedOut **C.ffikit_string, errOut **C.ffikit_error) C.ffikit_status {
	return call("ffikit_report_render", errOut, func() error {
		set, release, err := reports.Acquire(handle.Bits(self.bits))
		if err != nil {
			return err
		}
		defer release()
		var out bytes.Buffer
		document := &render.Document{ReportSet: *set}
		switch format {
		case C.FFIKIT_FORMAT_TEXT:
			err = render.Text(&out, document, render.TextOptions{})
		case C.FFIKIT_FORMAT_COLOR:
			err = render.Text(&out, document, render.TextOptions{Color: true})
		case C.FFIKIT_FORMAT_JSON:
			err = render.JSON(&out, document)
		default:
			return withStatus(C.FFIKIT_ERR_ARGUMENT, "%d is no FFIKIT_FORMAT_ value", int(format))
		}
		if err != nil {
			return err
		}
		return stringBlock(out.Bytes(), renderedOut)
	})
}

// stringBlock copies bytes into a string of the ABI.
func stringBlock(data []byte, out **C.ffikit_string) error {
	block := C.ffikit_result_string((*C.char)(unsafe.Pointer(unsafe.SliceData(data))), C.size_t(len(data)))
	if block == nil {
		return withStatus(C.FFIKIT_ERR_MEMORY, "no memory for %d bytes of text", len(data))
	}
	*out = block
	return nil
}
