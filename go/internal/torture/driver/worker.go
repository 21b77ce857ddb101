package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/ffikit/ffikit/go/internal/torture"
)

// job asks for one mutant; it goes to a worker as a line of JSON.
type job struct {
	Number  int    `json:"number"`
	Subject string `json:"subject"`
	Seed    uint64 `json:"seed"`
	// Keep says which of the mutant's edits are made; nil: all.
	Keep []int `json:"keep,omitempty"`
	// Whole asks for the file as it is, Count for the names of the edits only.
	Whole bool `json:"whole,omitempty"`
	Count bool `json:"count,omitempty"`
}

// outcome is what came of it.
type outcome struct {
	Number int `json:"number"`
	// Edits are the mutant's, as text.
	Edits []string `json:"edits"`
	// Answered are the addresses that the symbolizer had an answer for, of Asked.
	Answered int `json:"answered"`
	Asked    int `json:"asked"`
	// CPUNS is what the dearest reading took, which is named by Reading.
	CPUNS   time.Duration `json:"cpu_ns"`
	Reading string        `json:"reading"`
	// RSSBytes is the most memory that was held, in the reading LargestReading.
	RSSBytes       int64  `json:"rss_bytes"`
	LargestReading string `json:"largest_reading"`
	// Command are the addresses to ask the command for, hexadecimal.
	Command []string `json:"command"`
	// Failures are empty where all went well.
	Failures []string `json:"failures,omitempty"`
}

// retainBytes is how much of an earlier mutant's memory may still be there
// when the next one starts.
const retainBytes = 96 << 20

// work is the worker's whole life: jobs on standard input, outcomes on
// standard output. The mutant lies in the working folder.
func work(corpus, manifest string) {
	subjects, err := readManifest(corpus, manifest, "")
	exitOn(err)
	byName := map[string]*subject{}
	for _, s := range subjects {
		byName[s.Name] = s
	}
	jobs, replies := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var next job
		if err := jobs.Decode(&next); err != nil {
			return // the parent has no more
		}
		s := byName[next.Subject]
		exitOn(s.load(corpus))
		result, err := torment(corpus, s, &next)
		exitOn(err)
		exitOn(replies.Encode(result))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// lay puts the subject into the working folder, with the mutant in its place.
func lay(corpus string, s *subject, chosen int, mutant []byte) error {
	old, err := filepath.Glob("*")
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	for i := range s.parts {
		if s.bomb != nil {
			mutant = s.parts[i].content
		}
		if i == chosen || s.bomb != nil {
			if err := os.WriteFile(s.parts[i].name, mutant, 0o700); err != nil {
				return err
			}
		} else if err := os.Symlink(filepath.Join(corpus, s.Name, s.parts[i].name), s.parts[i].name); err != nil {
			return err
		}
	}
	return nil
}

// torment makes the mutant and reads it in all ways.
func torment(corpus string, s *subject, j *job) (*outcome, error) {
	chosen, edits := 0, []torture.Edit(nil)
	if !j.Whole {
		chosen, edits = s.plan(j.Seed)
	}
	if j.Keep != nil {
		kept := make([]torture.Edit, 0, len(j.Keep))
		for _, i := range j.Keep {
			kept = append(kept, edits[i])
		}
		edits = kept
	}
	result := &outcome{Number: j.Number, Asked: len(s.addrs)}
	for _, edit := range edits {
		result.Edits = append(result.Edits, s.parts[chosen].name+": "+edit.String())
	}
	for _, addr := range s.asked {
		result.Command = append(result.Command, addr.String())
	}
	if j.Count {
		return result, nil
	}
	if err := lay(corpus, s, chosen, torture.Apply(s.parts[chosen].content, edits)); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(s.Main)
	if err != nil {
		return nil, err
	}
	if s.bomb != nil {
		s.parts = nil // they were large to make
	}
	if residentBytes() > retainBytes || s.bomb != nil {
		debug.FreeOSMemory()
	}
	if err := forgetPeak(); err != nil {
		return nil, err
	}
	for _, way := range readings {
		result.measure(way, path, s, j)
		peak, err := peakBytes()
		if err != nil {
			return nil, err
		}
		if peak > result.RSSBytes {
			result.RSSBytes, result.LargestReading = peak, way.name
		}
	}
	if _, limit := s.limits(); result.RSSBytes > limit {
		result.fail("%s: took %d MB of memory", result.LargestReading, result.RSSBytes>>20)
	}
	return result, nil
}

func (o *outcome) fail(format string, args ...any) {
	o.Failures = append(o.Failures, fmt.Sprintf(format, args...))
}

// measure runs one reading and holds it to the limits.
func (o *outcome) measure(way reading, path string, s *subject, j *job) {
	defer func() {
		if cause := recover(); cause != nil {
			o.fail("%s: panic: %v\n%s", way.name, cause, debug.Stack())
		}
	}()
	begun := cpuTime()
	answered, fault := way.read(path, s, j)
	took := cpuTime() - begun
	if took > o.CPUNS {
		o.CPUNS, o.Reading = took, way.name
	}
	if limit, _ := s.limits(); took > limit {
		o.fail("%s: took %.1f s of CPU", way.name, took.Seconds())
	}
	if fault != nil {
		o.fail("%s: %v", way.name, fault)
	}
	if way.name == "symbolize" {
		o.Answered = answered
	}
}
