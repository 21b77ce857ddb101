package trace

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ffikit/ffikit/go/model"
)

// firstNode: numbers below are no nodes but say why a walk ended (HEAP.md).
const firstNode = 11

// nodePages are pieces of the nodes' region, read when they are first asked
// for. A node never changes once it is used; its piece may be read before.
type nodePages map[uint32]*nodePage

type nodePage struct {
	bytes [nodesPerPage * nodeBytes]byte
	used  uint64 // how many nodes there were in the file when it was read
}

const nodesPerPage = 1024

// node gives a node's frame and its caller's number; ok is false where there
// is no such node.
func (h *Heap) node(number uint32) (frame uint64, caller uint32, ok bool) {
	if number < firstNode || uint64(number) >= h.used[regionNodes] {
		return 0, 0, false
	}
	at := number / nodesPerPage
	page := h.nodes[at]
	if page == nil || uint64(number) >= page.used {
		if page == nil {
			page = &nodePage{}
		}
		first := uint64(at) * nodesPerPage
		n := min(h.used[regionNodes]-first, nodesPerPage)
		if err := h.readAt(page.bytes[:n*nodeBytes], int64(h.regions[regionNodes].offset+first*nodeBytes)); err != nil {
			h.partial.once(h.nodeOffset(number), err.Error())
			return 0, 0, false
		}
		page.used = h.used[regionNodes]
		if h.nodes == nil {
			h.nodes = nodePages{}
		}
		h.nodes[at] = page
	}
	entry := page.bytes[number%nodesPerPage*nodeBytes:]
	return binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint32(entry[8:]), true
}

func (h *Heap) nodeOffset(number uint32) int64 {
	return int64(h.regions[regionNodes].offset + uint64(number)*nodeBytes)
}

// Frames gives the frames of the stack of which number is the leaf's node, leaf
// first, and why it ends before its root, empty if it does not. ok is false
// where there is no such stack, or it leads nowhere: Partial then says where.
// The frames are the caller's.
func (h *Heap) Frames(number uint32) (frames []model.Frame, truncated string, ok bool) {
	h.locate()
	frames = make([]model.Frame, 0, h.depth(number))
	n := number
	for n >= firstNode {
		word, caller, there := h.node(n)
		if !there || caller >= n {
			return nil, "", false // locate told of it
		}
		if len(frames) >= h.limits.framesPerStack {
			return frames, fmt.Sprintf("the stack is too deep: only the first %d frames are read", h.limits.framesPerStack), true
		}
		frames = append(frames, h.frame(n, word))
		n = caller
	}
	if n == 0 {
		return frames, "the stack was not kept: the callers are unknown", len(frames) > 0
	}
	return frames, endReason(n - 1), len(frames) > 0
}

// depth is how many frames a stack has, as far as it leads, up to the limit.
func (h *Heap) depth(number uint32) int {
	depth := 0
	for number >= firstNode && depth < h.limits.framesPerStack {
		_, caller, ok := h.node(number)
		if !ok || caller >= number {
			break
		}
		depth, number = depth+1, caller
	}
	return depth
}

func (h *Heap) frame(number uint32, word uint64) model.Frame {
	if word&isPython != 0 {
		s, known := h.log.sites[uint32(word&siteMask)]
		if !known {
			return model.Frame{Language: model.LanguagePython}
		}
		return model.Frame{
			Function: s.function, Language: model.LanguagePython,
			File: s.file, Line: int(s.line), FunctionLine: int(s.functionLine),
		}
	}
	addr := lookup(word)
	frame := model.Frame{AbsAddr: model.AbsAddr(addr)}
	if owner := h.owners[number]; owner != 0 {
		m := &h.log.modules[owner-1]
		frame.Module, frame.BuildID, frame.VirtAddr = m.path, m.buildID, model.VirtAddr(addr-m.bias)
	}
	return frame
}

// locate finds the module of each node that a count leads to. A node has the
// last module that was recorded for its address and holds for its number: nodes
// are gone through in their order, and modules come in when they begin to hold.
func (h *Heap) locate() {
	if h.located {
		return
	}
	h.located = true
	h.owners = slices.Grow(h.owners[:0], int(h.used[regionNodes]))[:h.used[regionNodes]]
	clear(h.owners)
	wanted := h.reachable()
	order := make([]int, len(h.log.modules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(h.log.modules[a].node, h.log.modules[b].node) })
	var loaded ranges
	for number, isWanted := range wanted {
		if !isWanted {
			continue
		}
		for len(order) > 0 && uint64(h.log.modules[order[0]].node) <= uint64(number) {
			m := &h.log.modules[order[0]]
			loaded.setBelow(m.start, m.end, uint32(order[0])+1)
			order = order[1:]
		}
		if word, _, _ := h.node(uint32(number)); word&isPython == 0 {
			h.owners[number] = uint16(loaded.at(lookup(word)))
		}
	}
}

// reachable marks the nodes that counts lead to, and tells of those that lead
// nowhere.
func (h *Heap) reachable() []bool {
	wanted := make([]bool, h.used[regionNodes])
	for i := range h.counts {
		for n := h.counts[i].Node; n >= firstNode; {
			_, caller, ok := h.node(n)
			if !ok {
				h.partial.once(h.nodeOffset(n), "counts name stacks that are not there; they are kept without a stack")
				break
			}
			if wanted[n] {
				break
			}
			wanted[n] = true
			if caller >= n {
				h.partial.once(h.nodeOffset(n), "stacks lead in circles; their counts are kept without a stack")
				break
			}
			n = caller
		}
	}
	return wanted
}
