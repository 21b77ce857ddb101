package symbolize

import (
	"slices"
	"strings"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
)

const (
	// fewAddrs is how many addresses a call may have for its answers to be
	// kept: logs ask for the same few again and again, and each time would cost
	// a unit's line program.
	fewAddrs   = 64
	maxAnswers = 1 << 13
)

// each visits the frames of each address, in order.
func (m *module) each(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) {
	done := m.eachIndexed(addrs, visit)
	if done > 0 {
		rest := visit
		visit = func(i int, frames []model.Frame) { rest(i+done, frames) }
		addrs = addrs[done:]
	}
	if len(addrs) <= fewAddrs {
		m.eachKept(addrs, visit)
	} else {
		m.eachRead(addrs, visit)
	}
}

// eachKept reads what is not among the answers kept.
func (m *module) eachKept(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) {
	var unknown []model.VirtAddr
	for _, addr := range addrs {
		if _, ok := m.answers[addr]; !ok && !slices.Contains(unknown, addr) {
			unknown = append(unknown, addr)
		}
	}
	if len(unknown) > 0 {
		if m.answers == nil || len(m.answers)+len(unknown) > maxAnswers {
			// Those of this call are read again: there is no order among them.
			m.answers = map[model.VirtAddr][]model.Frame{}
			unknown = slices.Clone(addrs)
		}
		slices.Sort(unknown)
		m.eachRead(unknown, func(i int, frames []model.Frame) {
			m.answers[unknown[i]] = cloneFrames(frames)
		})
	}
	var frames []model.Frame
	for i, addr := range addrs {
		frames = append(frames[:0], m.answers[addr]...)
		visit(i, frames)
	}
}

// cloneFrames copies frames with their texts, which may lie in sections.
func cloneFrames(frames []model.Frame) []model.Frame {
	frames = slices.Clone(frames)
	for i := range frames {
		f := &frames[i]
		f.Function, f.LinkageName, f.File = strings.Clone(f.Function), strings.Clone(f.LinkageName), strings.Clone(f.File)
	}
	return frames
}

// eachRead asks the Go table first, where there is one, then DWARF for what it
// does not know.
func (m *module) eachRead(addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) {
	n := naming{module: m, addrs: addrs, visit: visit}
	if table := m.goTable(); table != nil {
		m.eachOfTwo(table, addrs, n.emit)
		return
	}
	done := 0
	if lines := m.lines(); lines != nil {
		done = m.ask(lines, addrs, n.emit)
	}
	for i := done; i < len(addrs); i++ {
		n.emit(i, nil)
	}
}

// ask lets one reader visit and returns how many addresses it did visit: fewer
// than all if it broke. A panic of the reader is damage; one of visit is not
// the reader's and goes on.
func (m *module) ask(reader resolver, addrs []model.VirtAddr, visit func(i int, frames []model.Frame)) (done int) {
	visiting := false
	defer func() {
		if visiting {
			return
		}
		if cause := recover(); cause != nil {
			m.broken(cause)
		}
	}()
	err := reader.Each(addrs, func(i int, frames []model.Frame) {
		visiting = true
		visit(i, frames)
		visiting = false
		done = i + 1
	})
	if err != nil {
		m.note(err)
	}
	return done
}

// eachOfTwo lets first answer, and DWARF what first does not know. From the
// first such address on, what first said waits until DWARF was asked.
func (m *module) eachOfTwo(first resolver, addrs []model.VirtAddr, emit func(i int, frames []model.Frame)) {
	var w waiting
	add := func(i int, frames []model.Frame) {
		open := m.isOpen(addrs[i], frames)
		if !open && len(w.open) == 0 {
			emit(i, frames)
			return
		}
		w.add(i, frames, open)
	}
	for i := m.ask(first, addrs, add); i < len(addrs); i++ {
		add(i, nil)
	}
	if len(w.open) == 0 {
		return
	}
	openAddrs := make([]model.VirtAddr, len(w.open))
	for i, index := range w.open {
		openAddrs[i] = addrs[index]
	}
	if lines := m.lines(); lines != nil {
		m.ask(lines, openAddrs, func(i int, frames []model.Frame) {
			w.flush(w.open[i], emit)
			known := w.take()
			if completeness(frames) > completeness(known) {
				known = frames
			}
			emit(w.open[i], known)
		})
	}
	w.flush(len(addrs), emit)
}

// isOpen tells whether DWARF may know more of addr than frames.
func (m *module) isOpen(addr model.VirtAddr, frames []model.Frame) bool {
	if completeness(frames) == complete || !m.mayHaveLines() {
		return false
	}
	if len(frames) > 0 {
		return !linkersMark(frames[0].Function)
	}
	_, inGo := m.goTextAt(addr)
	return !inGo
}

// complete is the completeness of frames with a function and a line.
const complete = 3

// completeness orders answers as codemap.Source does.
func completeness(frames []model.Frame) int {
	rank := 0
	if len(frames) > 0 {
		if frames[0].File != "" {
			rank = 2
		}
		if frames[len(frames)-1].Function != "" {
			rank++
		}
	}
	return rank
}

// naming gives addresses and functions the names that only a symbol table has,
// and hands them on.
type naming struct {
	module *module
	addrs  []model.VirtAddr
	visit  func(i int, frames []model.Frame)
	single [1]model.Frame
	// names are those of all addresses, where many are asked for.
	names []string
}

// name is the symbol table's. Those of many addresses are found together, in the
// order of their addresses, which is that of the table.
func (n *naming) name(i int) string {
	if n.names == nil && len(n.addrs) > fewAddrs {
		n.names = n.module.symbolsAt(n.addrs)
	}
	if n.names != nil {
		return n.names[i]
	}
	return n.module.symbolAt(n.addrs[i])
}

func (n *naming) emit(i int, frames []model.Frame) {
	linkage := n.module.from.opts.SymbolNames
	// Debug information still describes what the linker left out, at address 0.
	if len(frames) == 0 || !n.module.inCode(n.addrs[i]) {
		n.single[0] = model.Frame{}
		frames = n.single[:]
	}
	root := &frames[len(frames)-1]
	if linkage || root.Function == "" {
		codemap.NameBySymbol(root, n.name(i), linkage)
	}
	if len(frames) == 1 && root.Function == "" && root.File == "" {
		frames = nil
	}
	n.visit(i, frames)
}
