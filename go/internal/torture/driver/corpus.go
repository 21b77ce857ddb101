package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ffikit/ffikit/go/internal/torture"
	"github.com/ffikit/ffikit/go/model"
)

// subject is one file of the corpus, with what belongs to it.
type subject struct {
	Name string   `json:"name"`
	Main string   `json:"main"`
	With []string `json:"with"`
	// Silent is a file in which nothing is to be found.
	Silent bool `json:"silent"`

	// bomb is what the subject is made by where it is not of the corpus.
	bomb *torture.Bomb

	parts []part
	addrs []model.VirtAddr
	// asked is what the command is asked: few of addrs.
	asked []model.VirtAddr
}

// part is one file that is mutated.
type part struct {
	name    string
	content []byte
	aims    []torture.Aim
}

// limits are what reading the subject, in any one way, may take. Bombs have a
// watchdog only.
func (s *subject) limits() (cpu time.Duration, rssBytes int64) {
	switch {
	case s.bomb == nil:
		return maxCPU, maxRSSBytes
	case s.bomb.Claims:
		return hungAfterCPU, maxClaimRSSBytes
	}
	return hungAfterCPU, maxBombRSSBytes
}

const (
	maxFunctionAddrs = 300
	maxAsked         = 24
)

// bombs stands in place of a manifest's name for torture.Bombs.
const bombs = "bombs"

func bombSubjects() []*subject {
	var subjects []*subject
	for _, bomb := range torture.Bombs() {
		subjects = append(subjects, &subject{Name: bomb.Name, Main: "main", bomb: &bomb})
	}
	return subjects
}

func readManifest(corpus, manifest, only string) ([]*subject, error) {
	subjects := bombSubjects()
	if manifest != bombs {
		text, err := os.ReadFile(filepath.Join(corpus, manifest))
		if err != nil {
			return nil, err
		}
		subjects = nil
		if err := json.Unmarshal(text, &subjects); err != nil {
			return nil, fmt.Errorf("%s: %w", manifest, err)
		}
	}
	if only != "" {
		subjects = slices.DeleteFunc(subjects, func(s *subject) bool { return s.Name != only })
	}
	if len(subjects) == 0 {
		return nil, fmt.Errorf("%s: no file named %q", manifest, only)
	}
	return subjects, nil
}

// load reads the contents, when a worker first meets the subject.
func (s *subject) load(corpus string) error {
	if s.parts != nil {
		return nil
	}
	if s.bomb != nil {
		for name, content := range s.bomb.Files() {
			s.parts = append(s.parts, part{name: name, content: content})
		}
		s.addrs = torture.BombAddrs()
		s.asked = s.addrs[:maxAsked]
		return nil
	}
	for _, name := range append([]string{s.Main}, s.With...) {
		content, err := os.ReadFile(filepath.Join(corpus, s.Name, name))
		if err != nil {
			return err
		}
		s.parts = append(s.parts, part{name: name, content: content, aims: torture.Aims(content)})
	}
	return s.chooseAddrs()
}

// chooseAddrs takes addresses of the file as it was: ends of sections, one in
// each function, some anywhere, and some where nothing is.
func (s *subject) chooseAddrs() error {
	file, err := elf.NewFile(bytes.NewReader(s.parts[0].content))
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	var ranges [][2]uint64
	for _, section := range file.Sections {
		if section.Flags&elf.SHF_EXECINSTR != 0 && section.Size > 0 && len(ranges) < 64 {
			ranges = append(ranges, [2]uint64{section.Addr, section.Size})
		}
	}
	for _, segment := range file.Progs {
		if len(file.Sections) == 0 && segment.Type == elf.PT_LOAD && segment.Flags&elf.PF_X != 0 {
			ranges = append(ranges, [2]uint64{segment.Vaddr, segment.Memsz})
		}
	}
	if len(ranges) == 0 {
		return fmt.Errorf("%s: no code", s.Name)
	}
	for range 100 {
		place := ranges[random.IntN(len(ranges))]
		s.add(place[0] + random.Uint64N(place[1]))
	}
	for _, place := range ranges {
		s.add(place[0], place[0]+place[1]-1, place[0]+place[1])
	}
	for range maxAsked - 2 {
		s.asked = append(s.asked, s.addrs[random.IntN(len(s.addrs))])
	}
	s.add(0, 1, 1<<63, ^uint64(0))
	symbols, _ := file.Symbols() // not every file has them
	random.Shuffle(len(symbols), func(i, j int) { symbols[i], symbols[j] = symbols[j], symbols[i] })
	functions := 0
	for _, symbol := range symbols {
		if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && symbol.Value != 0 && functions < maxFunctionAddrs {
			functions++
			s.add(symbol.Value, symbol.Value+symbol.Size/2)
		}
	}
	s.asked = append(s.asked, 0, model.VirtAddr(^uint64(0)))
	return nil
}

func (s *subject) add(addrs ...uint64) {
	for _, addr := range addrs {
		s.addrs = append(s.addrs, model.VirtAddr(addr))
	}
}

// plan draws what the mutant of seed is: which file, and which edits.
func (s *subject) plan(seed uint64) (int, []torture.Edit) {
	random := rand.New(rand.NewPCG(seed, 0xf11e))
	chosen := 0
	// What lies beside is read after the file that names it.
	if len(s.parts) > 1 && random.IntN(2) == 0 {
		chosen = 1 + random.IntN(len(s.parts)-1)
	}
	return chosen, torture.Plan(s.parts[chosen].content, s.parts[chosen].aims, seed)
}
