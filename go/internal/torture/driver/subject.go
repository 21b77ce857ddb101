package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/dwarf"
	"github.com/ffikit/ffikit/go/internal/torture"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/object"
	"github.com/ffikit/ffikit/go/pclntab"
	"github.com/ffikit/ffikit/go/symbolize"
)

// reading is one way to read a mutant: each is measured by itself. It returns
// how many addresses had an answer, and what is wrong beyond an error.
type reading struct {
	name string
	read func(path string, s *subject, j *job) (answered int, fault error)
}

// readings are all ways, from the lowest package up. The symbolizer comes last:
// it would hide a panic of the others.
var readings = []reading{
	{"object", readObject},
	{"dwarf", readDWARF},
	{"pclntab", readGoTable},
	{"codemap", readIndex},
	{"symbolize", readSymbols},
	{"cache", readCached},
}

// maxViews is how many sections of one file are read whole: files with many
// have them all alike.
const maxViews = 80

func readObject(path string, s *subject, _ *job) (int, error) {
	file, err := object.Open(path)
	if err != nil {
		return 0, located(err)
	}
	defer file.Close()
	sections := file.Sections()
	for i := range sections[:min(len(sections), maxViews)] {
		if view, err := file.View(sections[i].Name); err == nil {
			_ = view.Load(view.Len()/2, view.Len()/2+1)
			_ = view.Load(-1, view.Len()+1)
			_ = view.LoadAll()
		}
	}
	_, _, _ = file.Dynamic()
	_, _, _ = file.DebugLink()
	_, _ = file.Comments()
	_, _ = file.AddressSanitizer()
	_ = file.EachSymbol(func(object.Symbol) bool { return true })
	_ = file.EachRelative(func(_, _ model.VirtAddr) bool { return true })
	if debug, err := file.OpenDebugFile([]string{"debug"}); err == nil {
		debug.Close()
	}
	answered := 0
	table, err := file.FunctionSymbols()
	if err == nil {
		for _, addr := range s.addrs {
			if _, ok := table.Lookup(addr); ok {
				answered++
			}
		}
	}
	return answered, located(err)
}

// located checks that an error of package object tells a file; other errors
// are the system's.
func located(err error) error {
	var place *object.Error
	if errors.As(err, &place) && place.Path == "" {
		return fmt.Errorf("the error names no file: %w", err)
	}
	return nil
}

func readDWARF(path string, s *subject, _ *job) (int, error) {
	file, err := object.Open(path)
	if err != nil {
		return 0, nil
	}
	defer file.Close()
	data, err := dwarf.New(file)
	if data == nil {
		return 0, located(err)
	}
	if _, err := data.Resolve(s.addrs[:1]); err != nil {
		if fault := located(err); fault != nil {
			return 0, fault
		}
	}
	data.Producers(8)
	answered := 0
	err = data.Each(s.addrs, func(_ int, frames []model.Frame) { answered += min(1, len(frames)) })
	return answered, located(err)
}

func readGoTable(path string, s *subject, _ *job) (int, error) {
	file, err := object.Open(path)
	if err != nil {
		return 0, nil
	}
	defer file.Close()
	table, err := pclntab.Open(file)
	if err != nil {
		return 0, located(err)
	}
	answered := 0
	err = table.Each(s.addrs, func(_ int, frames []model.Frame) { answered += min(1, len(frames)) })
	for i := range min(table.Len(), 64) {
		_, _ = table.At(i)
	}
	return answered, located(err)
}

// readIndex makes an index of the mutant, reads it, and reads mutants of it:
// those must be refused or answer as the index does.
func readIndex(path string, s *subject, j *job) (int, error) {
	file, err := object.Open(path)
	if err != nil {
		return 0, nil
	}
	defer file.Close()
	data, err := dwarf.New(file)
	if data == nil {
		return 0, located(err)
	}
	table, err := data.Extract(2)
	if table == nil {
		return 0, located(err)
	}
	var index bytes.Buffer
	err = codemap.Encode(&index, []codemap.Identity{{SizeBytes: 1}}, codemap.Source{Tables: []*codemap.Table{table}})
	if err != nil {
		if errors.Is(err, codemap.ErrLimit) {
			return 0, nil
		}
		return 0, fmt.Errorf("what was extracted cannot be encoded: %w", err)
	}
	want, err := answers(index.Bytes(), s.addrs)
	if err != nil {
		return 0, fmt.Errorf("an index cannot be read: %w", err)
	}
	aims := torture.Aims(index.Bytes())
	for i := range uint64(4) {
		mutant := torture.Apply(index.Bytes(), torture.Plan(index.Bytes(), aims, j.Seed*4+i))
		if bytes.Equal(mutant, index.Bytes()) {
			continue
		}
		got, err := answers(mutant, s.addrs)
		if err == nil && !slices.Equal(got, want) {
			return 0, fmt.Errorf("mutant %d of the index answers differently", i)
		}
	}
	return len(want), nil
}

func answers(index []byte, addrs []model.VirtAddr) ([]string, error) {
	reader, err := codemap.Open(bytes.NewReader(index), int64(len(index)))
	if err != nil {
		return nil, err
	}
	var found []string
	err = reader.Each(addrs, func(_ int, frames []model.Frame) {
		found = append(found, textOf(frames))
	})
	return found, err
}

// readSymbols asks the symbolizer as its users do, without an index: for one
// address, for many, for those of a report, which tells of damage that the
// others pass over.
func readSymbols(path string, s *subject, _ *job) (int, error) {
	symbolizer := symbolize.New(symbolize.Options{TrustPaths: true, DebugDirs: []string{"debug"}, NoCache: true})
	defer symbolizer.Close()
	if _, err := symbolizer.Resolve(path, "", s.addrs[:1]); err != nil {
		if fault := plain(err.Error()); fault != nil {
			return 0, fault
		}
	}
	found, err := s.ask(symbolizer, path)
	if err != nil {
		return 0, plain(err.Error())
	}
	stack := model.Stack{}
	for _, addr := range s.addrs[:8] {
		stack.Frames = append(stack.Frames, model.Frame{Module: path, VirtAddr: addr})
	}
	answered := len(slices.DeleteFunc(found, func(text string) bool { return text == "" }))
	for _, partial := range symbolizer.Report(&model.Report{Stacks: []model.Stack{stack}}) {
		if fault := plain(partial.Reason); fault != nil {
			return answered, fault
		}
	}
	return answered, nil
}

// ask gives the frames of each address as text.
func (s *subject) ask(symbolizer *symbolize.Symbolizer, path string) ([]string, error) {
	found := make([]string, len(s.addrs))
	err := symbolizer.Each(path, "", s.addrs, func(i int, frames []model.Frame) { found[i] = textOf(frames) })
	return found, err
}

func textOf(frames []model.Frame) string {
	var text strings.Builder
	for i := range frames {
		fmt.Fprintf(&text, "%s %s:%d;", frames[i].Function, frames[i].File, frames[i].Line)
	}
	return text.String()
}

// cachedUses is how often a file is used until its index is there and read.
const cachedUses = 3

// readCached asks with an index cache, by a new symbolizer each time. What a whole
// file answers may not depend on whether there is an index; one that contradicts
// itself (a function outside of its unit's ranges) may be found by an index only.
func readCached(path string, s *subject, j *job) (int, error) {
	cache, err := filepath.Abs("cache")
	if err != nil {
		return 0, err
	}
	var first []string
	for use := range cachedUses {
		symbolizer := symbolize.New(symbolize.Options{DebugDirs: []string{"debug"}, CacheDir: cache})
		found, err := s.ask(symbolizer, path)
		symbolizer.Close()
		if err != nil {
			return 0, plain(err.Error())
		}
		if use == 0 {
			first = found
		}
		for i := range found {
			if j.Whole && found[i] != first[i] {
				return 0, fmt.Errorf("%s is %q at first, %q at use %d", s.addrs[i], first[i], found[i], use+1)
			}
		}
	}
	return len(first), nil
}

// plain refuses a text that tells of a fault of ours.
func plain(text string) error {
	for _, word := range []string{"internal error", "runtime error", "panic:", "goroutine "} {
		if strings.Contains(text, word) {
			return errors.New(text)
		}
	}
	return nil
}
