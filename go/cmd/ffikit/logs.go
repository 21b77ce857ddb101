package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	ffikit "github.com/ffikit/ffikit/go"
	"github.com/ffikit/ffikit/go/capture/sanitizer"
	"github.com/ffikit/ffikit/go/model"
)

// openLogs opens what can be opened; the rest is told of as partial. Each log
// gets the evidence that a run left beside it, and of the files named in
// evidence those that may be of its processes.
func openLogs(names, evidence []string) ([]ffikit.Log, []model.Partial, func()) {
	var logs []ffikit.Log
	var unread []model.Partial
	var files []*os.File
	for _, name := range names {
		if name == "-" {
			if term.IsTerminal(int(os.Stdin.Fd())) {
				note("reading a log from standard input (end it with Ctrl-D)")
			}
			logs = append(logs, ffikit.Log{Name: "<stdin>", Reader: os.Stdin, Evidence: evidenceFiles(evidence)})
			continue
		}
		file, err := openLog(name)
		if err != nil {
			note("%s: %v", name, err)
			unread = append(unread, model.Partial{File: name, Reason: err.Error()})
			continue
		}
		files = append(files, file)
		logs = append(logs, ffikit.Log{Name: name, Reader: file, Evidence: evidenceFiles(evidenceOf(name, evidence))})
	}
	return logs, unread, func() {
		for _, file := range files {
			file.Close()
		}
	}
}

// openLog's errors leave out the name, which stands beside them.
func openLog(name string) (*os.File, error) {
	file, err := os.Open(name)
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return nil, pathErr.Err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, errors.New("is a folder, not a log")
	}
	return file, err
}

// evidenceOf lists the evidence for a log: what lies beside it, and what was
// named, less what is of another process by its name.
func evidenceOf(log string, named []string) []string {
	pid := processOf(log)
	var files []string
	for _, file := range named {
		if of := processOf(file); of == "" || pid == "" || of == pid {
			files = append(files, file)
		}
	}
	if beside := sanitizer.EvidenceBeside(log); len(files) == 0 && beside != "" {
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			files = append(files, beside)
		}
	}
	return files
}

// processOf is the number that a run's file of one process ends in.
func processOf(file string) string {
	number := strings.TrimPrefix(filepath.Ext(file), ".")
	if _, err := strconv.ParseUint(number, 10, 32); err != nil {
		return ""
	}
	return number
}

func evidenceFiles(names []string) []ffikit.Evidence {
	files := make([]ffikit.Evidence, len(names))
	for i, name := range names {
		files[i] = ffikit.Evidence{Name: name, Reader: &lateFile{name: name}}
	}
	return files
}

// lateFile is opened when it is first read, and closed at its end: there may be
// as many of them as a run had processes.
type lateFile struct {
	name string
	file *os.File
	err  error
}

func (f *lateFile) Read(into []byte) (int, error) {
	if f.file == nil && f.err == nil {
		f.file, f.err = openLog(f.name)
	}
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.file.Read(into)
	if err != nil {
		f.err = err
		f.file.Close()
	}
	return n, err
}
