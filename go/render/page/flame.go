package page

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// flameData is the tree of all stacks, root first, as the script reads it.
type flameData struct {
	// Frames are [name, place, language, machinery, boundary].
	Frames [][5]string `json:"frames"`
	// Nodes are [parent, frame, values…], parents before their children; the
	// parent of the root is -1. Numbers beyond 2^53 lose their last digits in a
	// browser.
	Nodes [][2 + flameValues]int64 `json:"nodes"`
}

// The values of a box. Memory of mmap stands apart: what a runtime reserves is
// address space, and would leave no room for all else.
const (
	growingLive = iota // of sites that keep growing
	heapLive
	mappedLive
	heapAllocated
	flameValues
)

type flameWeights [flameValues]uint64

// What is too small to be seen is left out, so that the page stays one that a
// browser opens: boxes under a 5,000th of the whole, and those deeper than
// maxDepth.
const (
	minShare = 5000
	maxDepth = 200
	maxNodes = 50_000
)

type flameNode struct {
	frame    int
	weights  flameWeights
	children []*flameNode
	// byFrame finds children.
	byFrame map[int]*flameNode
}

func (n *flameNode) add(weights *flameWeights) {
	for i := range weights {
		n.weights[i] = saturatingAdd(n.weights[i], weights[i])
	}
}

// isVisible: some value of n is worth a box in the whole of root.
func (n *flameNode) isVisible(root *flameNode) bool {
	for i := range n.weights {
		if n.weights[i] > root.weights[i]/minShare {
			return true
		}
	}
	return false
}

func weightsOf(s *model.Sample, held uint64, isGrowing bool) flameWeights {
	var w flameWeights
	if isGrowing {
		w[growingLive] = held
	}
	if s.Class == model.ClassHeap {
		w[heapLive], w[heapAllocated] = held, s.AllocatedBytes
	} else {
		w[mappedLive] = held
	}
	return w
}

func (n *flameNode) child(frame int) *flameNode {
	if c := n.byFrame[frame]; c != nil {
		return c
	}
	c := &flameNode{frame: frame}
	if n.byFrame == nil {
		n.byFrame = map[int]*flameNode{}
	}
	n.byFrame[frame] = c
	n.children = append(n.children, c)
	return c
}

// frameTable numbers frames that look the same.
type frameTable struct {
	frames [][5]string
	index  map[[5]string]int
}

func (t *frameTable) number(f [5]string) int {
	i, ok := t.index[f]
	if !ok {
		i = len(t.frames)
		t.index[f] = i
		t.frames = append(t.frames, f)
	}
	return i
}

// flameOf makes the tree of all samples.
func flameOf(h *model.Hunt) flameData {
	table := &frameTable{index: map[[5]string]int{}}
	root := &flameNode{frame: table.number([5]string{"all"})}
	held := h.HeldBytes()
	isGrowing := make([]bool, len(h.Samples))
	for i := range h.Growth {
		if g := &h.Growth[i]; g.Kind == model.GrowthRising && sampleOf(h, g) != nil {
			isGrowing[g.Sample] = true
		}
	}
	for i := range h.Samples {
		s := &h.Samples[i]
		weights := weightsOf(s, held[i], isGrowing[i])
		if weights == (flameWeights{}) {
			continue
		}
		node := root
		node.add(&weights)
		if len(h.Processes) > 1 && s.Process >= 0 && s.Process < len(h.Processes) {
			node = node.child(table.number([5]string{processName(&h.Processes[s.Process])}))
			node.add(&weights)
		}
		frames := s.Stack.Frames
		for depth := 0; depth < len(frames) && depth < maxDepth; depth++ {
			node = node.child(table.number(flameFrame(&frames[len(frames)-1-depth])))
			node.add(&weights)
		}
	}
	return flatten(root, table)
}

// flatten drops what cannot be seen, level by level: the deepest go first where
// there are too many.
func flatten(root *flameNode, table *frameTable) flameData {
	kept := &frameTable{index: map[[5]string]int{}}
	data := flameData{Nodes: [][2 + flameValues]int64{}}
	type entry struct {
		node   *flameNode
		parent int
	}
	queue := []entry{{root, -1}}
	for len(queue) > 0 && len(data.Nodes) < maxNodes {
		e := queue[0]
		queue = queue[1:]
		at := len(data.Nodes)
		row := [2 + flameValues]int64{int64(e.parent), int64(kept.number(table.frames[e.node.frame]))}
		for i, n := range e.node.weights {
			row[2+i] = int64(min(n, 1<<62))
		}
		data.Nodes = append(data.Nodes, row)
		for _, c := range e.node.children {
			if c.isVisible(root) {
				queue = append(queue, entry{c, at})
			}
		}
	}
	data.Frames = kept.frames
	return data
}

func flameFrame(f *model.Frame) [5]string {
	frame := [5]string{render.FrameName(f), render.FramePlace(f), languageClass(f.Language), "", ""}
	if f.Runtime {
		frame[3] = "runtime"
		if f.Machinery != "" {
			frame[3] = render.Printable(f.Machinery)
		}
	}
	if f.Boundary != "" {
		frame[4] = boundaryText(f.Boundary)
	}
	return frame
}

// languageClass is the class by which the style colours a language.
func languageClass(l model.Language) string {
	switch l {
	case model.LanguageCPP:
		return "cpp"
	case model.LanguageC, model.LanguageRust, model.LanguageGo, model.LanguagePython, model.LanguageCython, model.LanguageAsm:
		return string(l)
	}
	return "other"
}

func boundaryText(boundary string) string {
	return strings.Replace(render.Printable(boundary), ">", " → ", 1)
}
