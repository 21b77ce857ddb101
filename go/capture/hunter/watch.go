package hunter

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ffikit/ffikit/go/trace"
)

// maxPrograms bounds how many programs are watched: each is an open file.
const maxPrograms = 512

// scanInterval is how often new programs are looked for.
const scanInterval = 20 * time.Millisecond

// watcher watches the heap traces in a folder.
type watcher struct {
	dir      string
	programs []*Program
	// known are the files that were met, met the processes that had one.
	known map[string]bool
	met   map[int]bool
	// unread are files that cannot be read, and programs beyond the bound.
	unread []Untraced
	beyond int

	stop, stopped chan struct{}
}

// watch begins to watch what the processes write into dir.
func watch(dir string) *watcher {
	w := &watcher{dir: dir, known: map[string]bool{}, met: map[int]bool{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-timer.C:
				timer.Reset(w.round())
			}
		}
	}()
	return w
}

// round looks for new programs and at those that are due, and gives the time
// until the next one is.
func (w *watcher) round() time.Duration {
	w.scan()
	wait := scanInterval
	for _, p := range w.programs {
		if p.isDone {
			continue
		}
		if now := time.Now(); !now.Before(p.due) {
			p.look()
			p.due = now.Add(max(p.interval, min(costFactor*time.Since(now), longestPause)))
		}
		wait = min(wait, max(time.Until(p.due), time.Millisecond))
	}
	return wait
}

// scan opens the heap traces that are new.
func (w *watcher) scan() {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return // it will be missed at the end
	}
	for _, entry := range entries {
		name := entry.Name()
		pid, number, ok := numbersOf(name)
		if !ok || w.known[name] || !entry.Type().IsRegular() {
			continue
		}
		if len(w.programs) >= maxPrograms {
			w.known[name] = true
			w.met[pid] = true
			w.beyond++
			continue
		}
		path := filepath.Join(w.dir, name)
		heap, err := trace.OpenHeap(path)
		if err != nil {
			w.known[name] = true
			w.unread = append(w.unread, Untraced{name, err.Error()})
			continue
		}
		if heap.State == trace.HeapNotBegun && time.Since(modified(entry)) < time.Second {
			heap.Close() // looked at again soon
			continue
		}
		for _, p := range w.programs {
			if p.PID == pid && p.Number < number {
				p.isDone, p.isReplaced = true, true
			}
		}
		w.known[name], w.met[pid] = true, true
		w.programs = append(w.programs, &Program{
			Heap: heap, PID: pid, Number: number, file: strings.TrimSuffix(heap.Program, deleted), interval: firstInterval, memory: memory{pid: pid},
		})
	}
}

func modified(entry os.DirEntry) time.Time {
	info, err := entry.Info()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// numbersOf are the process and the program's number in a heap trace's name.
func numbersOf(name string) (pid, number int, ok bool) {
	rest, isTrace := strings.CutPrefix(name, traceName+".")
	first, second, _ := strings.Cut(rest, ".")
	pid, err := strconv.Atoi(first)
	number, err2 := strconv.Atoi(second)
	return pid, number, isTrace && err == nil && err2 == nil
}

// end looks at all programs a last time.
func (w *watcher) end() ([]*Program, []Untraced) {
	close(w.stop)
	<-w.stopped
	w.scan()
	slices.SortStableFunc(w.programs, func(a, b *Program) int {
		return cmp.Or(a.Heap.Started.Compare(b.Heap.Started), cmp.Compare(a.PID, b.PID), cmp.Compare(a.Number, b.Number))
	})
	untraced := append(w.unread, w.lost()...)
	var tracked []*Program
	for _, p := range w.programs {
		if err := p.finish(); err != nil {
			untraced = append(untraced, Untraced{p.title(), "its heap trace could not be read to the end: " + err.Error()})
		}
		if p.Heap.State == trace.HeapRefused || p.Heap.State == trace.HeapNotBegun {
			reason := strings.Join(p.Heap.Notes, "; ")
			if reason == "" {
				reason = "it ended before the agent was ready"
			}
			untraced = append(untraced, Untraced{p.title(), reason})
			p.Heap.Close()
			continue
		}
		tracked = append(tracked, p)
	}
	// A child of fork that execs at once asks for nothing; that nobody does is odd.
	if !slices.ContainsFunc(tracked, func(p *Program) bool { return len(p.Heap.Counts()) > 0 }) {
		for _, p := range tracked {
			untraced = append(untraced, Untraced{p.title(), "not one allocation arrived: it makes none, or brings its own malloc"})
			p.Heap.Close()
		}
		tracked = nil
	}
	if w.beyond > 0 {
		untraced = append(untraced, Untraced{fmt.Sprintf("%d more programs", w.beyond), fmt.Sprintf("more than %d were run: the rest was not read", maxPrograms)})
	}
	return tracked, untraced
}

// lost are programs that took a tracked process over and left no heap trace:
// statically linked ones, say, that a shell ran.
func (w *watcher) lost() []Untraced {
	type program struct{ pid, number int }
	traced := map[program]bool{}
	for _, p := range w.programs {
		traced[program{p.PID, p.Number}] = true
	}
	var lost []Untraced
	for _, p := range w.programs {
		if p.successor == "" || traced[program{p.PID, p.Number + 1}] {
			continue
		}
		reason := whyUntraceable(p.successor)
		if reason == "" {
			reason = "it left no heap trace"
		}
		lost = append(lost, Untraced{p.successor, reason})
	}
	return lost
}
