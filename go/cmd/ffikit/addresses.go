package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/symbolize"
)

// resolver answers addresses of one file, or of one process, in their order.
type resolver interface {
	resolve(addrs []model.VirtAddr) ([]model.AddressFrames, []model.Partial, error)
	Close() error
}

// addresses is the form that looks up bare addresses; form is its flag.
func (f *symbolizeFlags) addresses(ctx context.Context, form string, args []string) error {
	options, err := f.options(ctx, f.trustPaths)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usageError("%s wants addresses to look up, such as 0x26ff, or - to read them", form)
	}
	var addrs []model.VirtAddr
	streamed := len(args) == 1 && args[0] == "-"
	for _, arg := range args {
		var addr model.VirtAddr
		if err := addr.UnmarshalText([]byte(arg)); err != nil && !streamed {
			return usageError("%q is not a hexadecimal address", arg)
		}
		addrs = append(addrs, addr)
	}
	resolver, file, err := f.resolver(options.Symbolize, options.Normalize)
	if err != nil {
		var usage *exitError
		if errors.As(err, &usage) {
			return err
		}
		return f.failed(&render.Document{Addresses: []model.AddressFrames{}}, file, err)
	}
	defer resolver.Close()
	if streamed {
		return f.stream(resolver, file)
	}
	doc := &render.Document{}
	doc.Addresses, doc.Partial, err = resolver.resolve(addrs)
	if err != nil {
		return f.failed(&render.Document{Addresses: []model.AddressFrames{}}, file, err)
	}
	if err := f.print(os.Stdout, doc); err != nil {
		return failure(err)
	}
	if len(doc.Partial) > 0 {
		return exit(exitPartial)
	}
	return nil
}

// resolver opens what the flags name; file is its name in messages.
func (f *symbolizeFlags) resolver(sources symbolize.Options, names normalize.Options) (resolver, string, error) {
	if f.object == "" {
		return f.processResolver(sources, names)
	}
	r := &fileResolver{path: f.object, symbolizer: symbolize.New(sources), names: names}
	if f.section == "" {
		return r, f.object, nil
	}
	search := object.Search{Root: f.debug.root}
	file, err := search.Open(f.object)
	if err != nil {
		return nil, f.object, err
	}
	defer file.Close()
	base, sizeBytes, ok := file.SectionBase(f.section)
	if !ok {
		return nil, f.object, usageError("-j %q: %s has no section of that name that is loaded", f.section, f.object)
	}
	r.within, r.base, r.sizeBytes = true, base, sizeBytes
	return r, f.object, nil
}

// fileResolver answers addresses of one file.
type fileResolver struct {
	path string
	// With -j, addresses count from base, that of a section, and lie below its
	// size; within says that there is one.
	within     bool
	base       model.VirtAddr
	sizeBytes  uint64
	symbolizer *symbolize.Symbolizer
	names      normalize.Options
}

func (r *fileResolver) Close() error { return r.symbolizer.Close() }

func (r *fileResolver) resolve(addrs []model.VirtAddr) ([]model.AddressFrames, []model.Partial, error) {
	asked := addrs
	if r.base != 0 {
		asked = make([]model.VirtAddr, len(addrs))
		for i, addr := range addrs {
			asked[i] = addr + r.base
		}
	}
	resolved, err := r.symbolizer.Resolve(r.path, "", asked)
	if err != nil {
		return nil, nil, err
	}
	var partial []model.Partial
	answers := make([]model.AddressFrames, len(addrs))
	for i, frames := range resolved {
		behind := ""
		if r.within && uint64(addrs[i]) >= r.sizeBytes {
			frames, behind = nil, ", behind the section's end"
		}
		if len(frames) == 0 {
			partial = append(partial, model.Partial{File: r.path, Reason: "nothing is known about " + addrs[i].String() + behind})
		}
		normalize.Frames(frames, r.names)
		answers[i] = model.AddressFrames{VirtAddr: addrs[i], Frames: frames}
	}
	return answers, partial, nil
}

const (
	// batchAddresses are looked up at once, where as many are there.
	batchAddresses = 4096
	// maxListed bounds what a stream's document says that could not be done.
	maxListed = 100
	// maxDocument bounds the addresses of one JSON document.
	maxDocument = 1 << 20
)

// stream answers addresses from standard input, one a line: as text at once
// where the input waits, as JSON in one document.
func (f *symbolizeFlags) stream(resolver resolver, file string) error {
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	doc := &render.Document{Addresses: []model.AddressFrames{}}
	unlisted := 0
	note := func(partials ...model.Partial) {
		for _, partial := range partials {
			if len(doc.Partial) < maxListed {
				doc.Partial = append(doc.Partial, partial)
			} else {
				unlisted++
			}
		}
	}
	for number, more := 0, true; more; {
		batch, unread, lines, err := readAddresses(in, number)
		number += lines
		more = err == nil
		if err != nil && !errors.Is(err, io.EOF) {
			note(model.Partial{File: "<stdin>", Reason: err.Error()})
		}
		note(unread...)
		if len(batch) == 0 {
			continue
		}
		answers, partial, err := resolver.resolve(batch)
		if err != nil {
			return f.failed(doc, file, err)
		}
		note(partial...)
		if !f.json {
			if err := f.print(os.Stdout, &render.Document{Addresses: answers}); err != nil {
				return failure(err)
			}
			continue
		}
		if doc.Addresses = append(doc.Addresses, answers...); len(doc.Addresses) > maxDocument {
			return usageError("more than %d addresses for one JSON document: ask for them in parts", maxDocument)
		}
	}
	if unlisted > 0 {
		doc.Partial = append(doc.Partial, model.Partial{File: file, Reason: fmt.Sprintf("%d more addresses have no answer", unlisted)})
	}
	if f.json || len(doc.Partial) > 0 {
		if err := f.print(os.Stdout, doc); err != nil {
			return failure(err)
		}
	}
	if len(doc.Partial) > 0 {
		return exit(exitPartial)
	}
	return nil
}

// readAddresses reads lines until there are enough of them or the next would
// have to be waited for. The error is the input's end.
func readAddresses(in *bufio.Reader, number int) (batch []model.VirtAddr, unread []model.Partial, lines int, err error) {
	for len(batch) < batchAddresses && lines < batchAddresses {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			lines++
		}
		text := bytes.TrimSpace(line)
		var addr model.VirtAddr
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			unread = append(unread, model.Partial{File: "<stdin>", Reason: fmt.Sprintf("line %d is no address", number+lines)})
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
		case len(text) == 0:
		case addr.UnmarshalText(text) != nil:
			unread = append(unread, model.Partial{File: "<stdin>", Reason: fmt.Sprintf("line %d: %.40q is not a hexadecimal address", number+lines, text)})
		default:
			batch = append(batch, addr)
		}
		if err != nil {
			return batch, unread, lines, err
		}
		waiting, _ := in.Peek(in.Buffered())
		if bytes.IndexByte(waiting, '\n') < 0 {
			break
		}
	}
	return batch, unread, lines, nil
}
