package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// maxEdits is how many edits a mutant has at most; the least is one.
const maxEdits = 16

// Kind is what an edit does.
type Kind uint8

// The kinds of edits.
const (
	FlipBit Kind = iota
	SetByte
	SetNumber
	Fill
	Swap
	Duplicate
	Remove
	Truncate
)

var kindNames = [...]string{"flip a bit", "set a byte", "set a number", "fill", "swap", "duplicate", "remove", "truncate"}

// Edit is one change. Offsets are of the content that it is applied to: an
// earlier edit may have moved what lay there.
type Edit struct {
	Kind Kind
	// Where is the name of the aim.
	Where  string
	Offset int
	// Length is in bytes: of what is filled, swapped, duplicated or removed, or
	// of the number.
	Length int
	// From is where the bytes come from that are swapped or duplicated.
	From  int
	Value uint64
	Big   bool
}

func (e Edit) String() string {
	text := fmt.Sprintf("%s at 0x%x (%s)", kindNames[e.Kind], e.Offset, e.Where)
	switch e.Kind {
	case FlipBit, SetByte:
		return fmt.Sprintf("%s: 0x%x", text, e.Value)
	case SetNumber, Fill:
		return fmt.Sprintf("%s: 0x%x in %d bytes", text, e.Value, e.Length)
	case Swap, Duplicate:
		return fmt.Sprintf("%s: %d bytes, the others from 0x%x", text, e.Length, e.From)
	case Remove:
		return fmt.Sprintf("%s: %d bytes", text, e.Length)
	}
	return text
}

// planner draws edits for one file.
type planner struct {
	random *rand.Rand
	size   int
	aims   []Aim
	total  int // of all weights
	big    bool
}

// Plan draws the edits of the mutant that seed stands for: always the same for
// the same content. The content must not be empty.
func Plan(content []byte, aims []Aim, seed uint64) []Edit {
	p := &planner{
		random: rand.New(rand.NewPCG(seed, 0x7041)),
		size:   len(content),
		aims:   aims,
		big:    len(content) > 5 && content[5] == 2,
	}
	for _, aim := range aims {
		p.total += aim.Weight
	}
	// Few edits reach deep, since what comes before them is whole: they are
	// the more frequent ones.
	count := 1
	for count < maxEdits && p.random.IntN(3) > 0 {
		count++
	}
	edits := make([]Edit, count)
	for i := range edits {
		edits[i] = p.edit()
	}
	return edits
}

func (p *planner) aim() Aim {
	left := p.random.IntN(p.total)
	for _, aim := range p.aims {
		if left -= aim.Weight; left < 0 {
			return aim
		}
	}
	return p.aims[len(p.aims)-1]
}

// place is an offset in aim, at the start of a field more often than not.
func (p *planner) place(aim Aim) int {
	at := p.random.IntN(aim.End - aim.Start)
	switch p.random.IntN(4) {
	case 0:
		if aim.Step > 0 {
			at -= at % aim.Step
		}
	case 1:
		at &^= 7
	case 2:
		at &^= 3
	}
	return aim.Start + at
}

func (p *planner) edit() Edit {
	aim := p.aim()
	e := Edit{Where: aim.Name, Offset: p.place(aim), Big: p.big}
	switch roll := p.random.IntN(40); {
	case roll < 10:
		e.Kind, e.Value = FlipBit, uint64(p.random.IntN(8))
	case roll < 20:
		e.Kind, e.Value = SetByte, p.byte()
	case roll < 31:
		e.Kind, e.Length = SetNumber, []int{2, 4, 4, 8, 8}[p.random.IntN(5)]
		e.Value = p.number()
	case roll < 34:
		e.Kind, e.Length, e.Value = Fill, 1+p.random.IntN(64), p.byte()
	case roll < 36:
		e.Kind, e.Length, e.From = Swap, 1+p.random.IntN(32), p.place(aim)
	case roll < 38:
		e.Kind, e.Length, e.From = Duplicate, 1+p.random.IntN(64), p.place(p.aim())
	case roll < 39:
		e.Kind, e.Length = Remove, 1+p.random.IntN(64)
	default:
		e.Kind = Truncate
		if p.random.IntN(2) == 0 {
			e.Offset = p.random.IntN(p.size)
		}
	}
	return e
}

func (p *planner) byte() uint64 {
	values := []uint64{0, 0xff, 0x7f, 0x80, 1, 0xfe, 0x40}
	if i := p.random.IntN(len(values) + 3); i < len(values) {
		return values[i]
	}
	return uint64(p.random.IntN(256))
}

// number is one at which arithmetic or a bound goes wrong.
func (p *planner) number() uint64 {
	size := uint64(p.size)
	values := []uint64{
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 1 << 16, 1 << 20, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<32 - 16,
		1 << 32, 1 << 40, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(0) - 7, ^uint64(0) - 4095, size, size - 1, size + 1, size / 2, size * 1000,
	}
	if i := p.random.IntN(len(values) + 4); i < len(values) {
		return values[i]
	}
	return p.random.Uint64() >> p.random.IntN(64)
}

// Apply makes the edits on a copy of content, one after another.
func Apply(content []byte, edits []Edit) []byte {
	mutant := bytes.Clone(content)
	for _, edit := range edits {
		mutant = edit.apply(mutant)
	}
	return mutant
}

func (e Edit) apply(mutant []byte) []byte {
	if e.Offset >= len(mutant) {
		return mutant
	}
	there := mutant[e.Offset:]
	length := min(e.Length, len(there))
	switch e.Kind {
	case FlipBit:
		there[0] ^= 1 << e.Value
	case SetByte:
		there[0] = byte(e.Value)
	case SetNumber:
		copy(there, e.number())
	case Fill:
		for i := range there[:length] {
			there[i] = byte(e.Value)
		}
	case Swap:
		for i := range length {
			if other := e.From + i; other < len(mutant) {
				there[i], mutant[other] = mutant[other], there[i]
			}
		}
	case Duplicate:
		if e.From < len(mutant) {
			block := bytes.Clone(mutant[e.From:min(e.From+e.Length, len(mutant))])
			mutant = append(mutant[:e.Offset:e.Offset], append(block, there...)...)
		}
	case Remove:
		mutant = append(mutant[:e.Offset], there[length:]...)
	case Truncate:
		mutant = mutant[:e.Offset]
	}
	return mutant
}

func (e Edit) number() []byte {
	var bytes [8]byte
	if e.Big {
		binary.BigEndian.PutUint64(bytes[:], e.Value)
		return bytes[8-e.Length:]
	}
	binary.LittleEndian.PutUint64(bytes[:], e.Value)
	return bytes[:e.Length]
}
