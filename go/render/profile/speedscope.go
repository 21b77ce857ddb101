package profile

import (
	"encoding/json"
	"io"
	"math"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

// speedscopeFile is a file as speedscope's file-format-spec.ts describes it.
type speedscopeFile struct {
	Schema   string              `json:"$schema"`
	Shared   speedscopeShared    `json:"shared"`
	Profiles []speedscopeProfile `json:"profiles"`
	Name     string              `json:"name"`
	Active   int                 `json:"activeProfileIndex"`
	Exporter string              `json:"exporter"`
}

type speedscopeShared struct {
	Frames []speedscopeFrame `json:"frames"`
}

type speedscopeFrame struct {
	Name string `json:"name"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

type speedscopeProfile struct {
	Type       string   `json:"type"`
	Name       string   `json:"name"`
	Unit       string   `json:"unit"`
	StartValue uint64   `json:"startValue"`
	EndValue   uint64   `json:"endValue"`
	Samples    [][]int  `json:"samples"`
	Weights    []uint64 `json:"weights"`
}

// Speedscope writes h for speedscope (https://www.speedscope.app): a sampled
// profile for each of Values, live bytes first. The error is w's.
func Speedscope(w io.Writer, h *model.Hunt) error {
	file := speedscopeFile{
		Schema: "https://www.speedscope.app/file-format-schema.json",
		Name:   "ffikit hunt", Exporter: "ffikit",
	}
	table := map[speedscopeFrame]int{}
	index := func(f speedscopeFrame) int {
		i, ok := table[f]
		if !ok {
			i = len(table)
			table[f] = i
			file.Shared.Frames = append(file.Shared.Frames, f)
		}
		return i
	}
	stacks := make([][]int, len(h.Samples))
	roots := processRoots(h)
	for i := range h.Samples {
		s := &h.Samples[i]
		if root := rootOf(roots, s); root != "" {
			stacks[i] = append(stacks[i], index(speedscopeFrame{Name: root}))
		}
		frames := framesOf(s)
		for j := len(frames) - 1; j >= 0; j-- {
			stacks[i] = append(stacks[i], index(speedscopeFrameOf(&frames[j])))
		}
	}
	if file.Shared.Frames == nil {
		file.Shared.Frames = []speedscopeFrame{}
	}
	for _, v := range []Value{LiveBytes, LiveBlocks, AllocatedBytes, AllocatedBlocks} {
		file.Profiles = append(file.Profiles, speedscopeProfileOf(h, v, stacks))
	}
	encoder := json.NewEncoder(w)
	return encoder.Encode(&file)
}

func speedscopeFrameOf(f *model.Frame) speedscopeFrame {
	return speedscopeFrame{Name: render.FrameName(f), File: render.Printable(f.File), Line: max(f.Line, 0), Col: max(f.Column, 0)}
}

func speedscopeProfileOf(h *model.Hunt, v Value, stacks [][]int) speedscopeProfile {
	p := speedscopeProfile{Type: "sampled", Name: v.title(), Unit: "none", Samples: [][]int{}, Weights: []uint64{}}
	if v.isBytes() {
		p.Unit = "bytes"
	}
	held := h.HeldBytes()
	for i := range h.Samples {
		if n := v.of(&h.Samples[i], held[i]); n > 0 {
			p.Samples, p.Weights = append(p.Samples, stacks[i]), append(p.Weights, n)
			p.EndValue += min(n, math.MaxUint64-p.EndValue)
		}
	}
	return p
}
