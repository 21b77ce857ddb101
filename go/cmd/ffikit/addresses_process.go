package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ffikit/ffikit/go/capture/procmaps"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/normalize"
	"github.com/ffikit/ffikit/go/symbolize"
)

// processResolver answers addresses of a process, live or by its saved maps.
type processResolver struct {
	space      *procmaps.Space
	symbolizer *symbolize.Symbolizer
	// passing is for files that have a path only while this process looks:
	// nobody would find an index of them again.
	passing *symbolize.Symbolizer
	names   normalize.Options
}

func (f *symbolizeFlags) processResolver(sources symbolize.Options, names normalize.Options) (resolver, string, error) {
	r := &processResolver{names: names}
	var name string
	var err error
	if f.maps == "" {
		if f.pid <= 0 {
			return nil, "", usageError("--pid %d: want the number of a process", f.pid)
		}
		name = fmt.Sprintf("process %d", f.pid)
		r.space, err = procmaps.ReadProcess(f.pid)
		if err == nil && sources.DebugDirs == nil {
			sources.DebugDirs = r.space.DebugDirs()
		}
	} else {
		name = f.maps
		var file *os.File
		if file, err = openLog(f.maps); err == nil {
			defer file.Close()
			r.space, err = procmaps.ReadCopy(file, f.maps, procmaps.CopyOptions{Root: f.debug.root, TrustPaths: f.trustPaths})
		}
	}
	if err != nil {
		return nil, name, err
	}
	// Which files they are was looked at by now.
	sources.TrustPaths = true
	r.symbolizer = symbolize.New(sources)
	sources.NoCache = true
	r.passing = symbolize.New(sources)
	return r, name, nil
}

func (r *processResolver) Close() error {
	return errors.Join(r.symbolizer.Close(), r.passing.Close(), r.space.Close())
}

// resolve groups addresses by module, so that each is asked once.
func (r *processResolver) resolve(addrs []model.VirtAddr) ([]model.AddressFrames, []model.Partial, error) {
	answers := make([]model.AddressFrames, len(addrs))
	var partial []model.Partial
	var modules []*procmaps.Module
	wanted := map[*procmaps.Module][]int{}
	for i, addr := range addrs {
		answers[i] = model.AddressFrames{AbsAddr: model.AbsAddr(addr), Frames: []model.Frame{}}
		module, virt, err := r.space.Locate(model.AbsAddr(addr))
		if err != nil {
			partial = append(partial, model.Partial{Reason: fmt.Sprintf("%v: %v", addr, err)})
			continue
		}
		answers[i].Module, answers[i].VirtAddr = module.Path, virt
		if wanted[module] == nil {
			modules = append(modules, module)
		}
		wanted[module] = append(wanted[module], i)
	}
	for _, module := range modules {
		partial = append(partial, r.ask(module, wanted[module], answers)...)
	}
	return answers, partial, nil
}

// ask fills in the answers that lie in one module.
func (r *processResolver) ask(module *procmaps.Module, places []int, answers []model.AddressFrames) (partial []model.Partial) {
	virt := make([]model.VirtAddr, len(places))
	for i, place := range places {
		virt[i] = answers[place].VirtAddr
	}
	symbolizer := r.symbolizer
	if strings.HasPrefix(module.OpenPath, "/proc/") {
		symbolizer = r.passing
	}
	resolved, err := symbolizer.Resolve(module.OpenPath, module.BuildID, virt)
	if err != nil {
		// The way to the file is nobody's business; its name is.
		return []model.Partial{{Reason: strings.ReplaceAll(err.Error(), module.OpenPath, module.Path)}}
	}
	for i, frames := range resolved {
		answer := &answers[places[i]]
		if len(frames) == 0 {
			partial = append(partial, model.Partial{File: module.Path, Reason: fmt.Sprintf("nothing is known about %v (%v)", answer.VirtAddr, answer.AbsAddr)})
			continue
		}
		for j := range frames {
			frames[j].Module, frames[j].AbsAddr = module.Path, answer.AbsAddr
		}
		normalize.Frames(frames, r.names)
		answer.Frames = frames
	}
	return partial
}
