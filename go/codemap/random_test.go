package codemap_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/ffikit/ffikit/go/codemap"
	"github.com/ffikit/ffikit/go/model"
)

// randomTable makes a table that keeps the rules, of about n records: chains
// of inlined calls, gaps, files and names that repeat, values at the limits of
// their types.
func randomTable(rng *rand.Rand, base uint64, n int, spread uint32) *codemap.Table {
	t := &codemap.Table{
		Base: base, Nodes: make([]codemap.Node, 1), Functions: make([]codemap.Function, 1),
		Places: make([]codemap.Place, 1), Files: []string{""}, Names: []string{""},
	}
	below := func(length int) uint32 { return uint32(rng.IntN(length)) }
	rare := func(usual uint32) uint32 {
		if rng.IntN(50) == 0 {
			return rng.Uint32()
		}
		return usual
	}
	for i := range 1 + n/50 {
		t.Files = append(t.Files, fmt.Sprintf("/src/%d/file%d.c", i%7, i))
	}
	for i := range 1 + n/10 {
		t.Names = append(t.Names, fmt.Sprintf("function_%d", i%(1+n/12)))
	}
	for range 1 + n/8 {
		t.Functions = append(t.Functions, codemap.Function{
			Name: below(len(t.Names)), Linkage: below(len(t.Names)) * below(2), File: below(len(t.Files)),
			Line: rare(below(3000)), Language: uint8(below(8)),
		})
	}
	for range 1 + n/2 {
		t.Places = append(t.Places, codemap.Place{
			File: below(len(t.Files)), Line: rare(below(5000)), Discriminator: rare(0) % 4096, Column: uint16(rare(below(120))),
		})
	}
	for len(t.Nodes) < 2+n/4 {
		node := codemap.Node{Function: below(len(t.Functions))}
		if rng.IntN(3) > 0 {
			node.Parent = below(len(t.Nodes))
			if rng.IntN(4) > 0 {
				node.Parent = uint32(len(t.Nodes) - 1)
			}
		}
		if node.Parent != 0 {
			node.Call = below(len(t.Places))
		}
		if depth(t, node) < 500 {
			t.Nodes = append(t.Nodes, node)
		}
	}
	at := below(100)
	for range n {
		record := codemap.Record{Node: below(len(t.Nodes)), Place: below(len(t.Places))}
		if rng.IntN(12) == 0 {
			record = codemap.Record{}
		}
		t.Starts, t.Records = append(t.Starts, at), append(t.Records, record)
		step := 1 + below(int(spread))
		if at+step < at {
			break
		}
		at += step
	}
	if n > 0 {
		t.Records[len(t.Records)-1] = codemap.Record{}
	}
	return t
}

func depth(t *codemap.Table, node codemap.Node) int {
	depth := 0
	for node.Parent != 0 {
		node = t.Nodes[node.Parent]
		depth++
	}
	return depth
}

func randomSymbols(rng *rand.Rand, base uint64, n int, spread uint32) []codemap.Symbol {
	var symbols []codemap.Symbol
	at := base + rng.Uint64N(uint64(spread))
	for i := range n {
		end := at + 1 + rng.Uint64N(uint64(spread)*20)
		name := fmt.Sprintf("symbol_%d", i%max(1, n-2))
		if rng.IntN(3) == 0 {
			name = fmt.Sprintf("function_%d", i)
		}
		symbols = append(symbols, codemap.Symbol{Start: at, End: end, Name: name})
		at = end
		if rng.IntN(2) == 0 {
			at += rng.Uint64N(uint64(spread) * 4)
		}
	}
	return symbols
}

// naive answers by the documentation of Table and Source, without regard to
// speed; the file's reader must agree with it.
func naive(source codemap.Source, addr uint64, symbolNames bool) []model.Frame {
	var best []model.Frame
	bestRank := 0
	for _, t := range source.Tables {
		frames := naiveTable(t, addr)
		rank := 0
		if len(frames) > 0 && frames[0].File != "" {
			rank += 2
		}
		if len(frames) > 0 && frames[len(frames)-1].Function != "" {
			rank++
		}
		if len(frames) > 0 && (len(best) == 0 || rank > bestRank) {
			best, bestRank = frames, rank
		}
	}
	symbol := ""
	for _, s := range source.Symbols {
		if addr >= s.Start && addr < s.End {
			symbol = s.Name
		}
	}
	if symbol != "" && len(best) == 0 {
		return []model.Frame{{Function: symbol}}
	}
	if symbol != "" {
		root := &best[len(best)-1]
		switch {
		case root.Function == "":
			root.Function = symbol
		case symbolNames && root.Function == symbol:
			root.LinkageName = ""
		case symbolNames:
			root.LinkageName = symbol
		}
	}
	if len(best) == 1 && best[0].Function == "" && best[0].File == "" {
		return nil
	}
	return best
}

func naiveTable(t *codemap.Table, addr uint64) (frames []model.Frame) {
	if addr < t.Base || addr-t.Base > 1<<32-1 {
		return nil
	}
	at, found := slices.BinarySearch(t.Starts, uint32(addr-t.Base))
	if !found {
		at--
	}
	if at < 0 {
		return nil
	}
	record := t.Records[at]
	if record == (codemap.Record{}) {
		return nil
	}
	place := record.Place
	for number := record.Node; ; {
		node := t.Nodes[number]
		function, where := t.Functions[node.Function], t.Places[place]
		frame := model.Frame{
			Function: t.Names[function.Name], LinkageName: t.Names[function.Linkage],
			Language: codemap.ModelLanguage(function.Language),
			File:     t.Files[where.File], Line: int(where.Line), Column: int(where.Column),
			Discriminator: where.Discriminator, Inlined: node.Parent != 0,
		}
		declared := t.Files[function.File]
		if (declared == frame.File || declared == "" && frame.Language == model.LanguageGo) && int(function.Line) <= frame.Line {
			frame.FunctionLine = int(function.Line)
		}
		frames = append(frames, frame)
		if node.Parent == 0 {
			return frames
		}
		number, place = node.Parent, node.Call
	}
}
