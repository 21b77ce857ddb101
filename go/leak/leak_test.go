package leak

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/merge"
	"github.com/ffikit/ffikit/go/model"
)

// hunt is a process of n moments, a tenth of a second apart, with a site for each
// course of what was live.
func hunt(n int, ended string, courses ...func(i int) uint64) *model.Hunt {
	h := &model.Hunt{Processes: []model.Process{{PID: 7, Ended: ended}}}
	p := &h.Processes[0]
	for i := range n {
		p.Timeline = append(p.Timeline, model.Moment{SinceStart: time.Duration(i+1) * 100 * time.Millisecond, RSSBytes: 1 << 20})
	}
	for at, course := range courses {
		s := model.Sample{
			Class: model.ClassHeap, Fingerprint: string(rune('a' + at)), Last: p.Timeline[n-1].SinceStart,
			Stack: model.Stack{Frames: []model.Frame{{Function: string(rune('a' + at)), Language: model.LanguageC, File: "/home/me/app.c", Line: at + 1}}},
		}
		for i := range n {
			s.LiveSeries = append(s.LiveSeries, course(i))
			p.Timeline[i].LiveBytes += course(i)
		}
		s.AllocatedBytes, s.Allocations = course(n-1), 10
		h.Samples = append(h.Samples, s)
	}
	return h
}

func kinds(h *model.Hunt) map[int]model.GrowthKind {
	found := map[int]model.GrowthKind{}
	for _, g := range h.Growth {
		found[g.Sample] = g.Kind
	}
	return found
}

func TestKinds(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	const n = 80
	courses := []func(i int) uint64{
		func(i int) uint64 { return uint64(1000 * i) },                             // leaks
		func(i int) uint64 { return uint64(200*i) + uint64(random.Intn(100_000)) }, // leaks below noise
		func(i int) uint64 { return 5000 },                                         // since the start
		func(i int) uint64 { return uint64(random.Intn(100_000)) + 300 },           // churns
		func(i int) uint64 { return uint64(min(i, 30) * 1000) },                    // a cache that fills
		func(i int) uint64 { return uint64(max(i-76, 0) * 100_000) },               // grew late
		func(i int) uint64 { return uint64(i%40) * 10_000 },                        // sawtooth, empty in between
		func(i int) uint64 { return uint64(i/8) * 4096 },                           // leaks in steps
	}
	h := hunt(n, "running", courses...)
	Analyse(h, Options{})
	found := kinds(h)
	assert.Equal(t, model.GrowthRising, found[0])
	assert.Equal(t, model.GrowthRising, found[1])
	assert.Equal(t, model.GrowthStartUp, found[2])
	assert.NotEqual(t, model.GrowthRising, found[3])
	assert.NotEqual(t, model.GrowthUnknown, found[3])
	assert.Equal(t, model.GrowthOneOff, found[4])
	assert.Equal(t, model.GrowthUnknown, found[5])
	assert.NotEqual(t, model.GrowthRising, found[6])
	assert.Equal(t, model.GrowthRising, found[7])
	for _, g := range h.Growth {
		assert.NotEmpty(t, g.Reason)
		if g.Sample == 0 {
			assert.InEpsilon(t, 10_000, g.BytesPerSecond, 0.05)
			require.NotNil(t, g.Blame)
			assert.Equal(t, 0, g.Blame.Frame)
		}
	}
	assert.Equal(t, 0, h.Growth[0].Sample, "the fastest comes first")
	require.NotNil(t, h.Verdict)
	assert.Contains(t, h.Verdict.Text, "a at /home/me/app.c:1")
}

// What a program gives back as it ends does not hide that it had grown.
func TestGivenBackAtTheEnd(t *testing.T) {
	course := func(i int) uint64 {
		if i > 75 {
			return uint64(1000 * (80 - i))
		}
		return uint64(1000 * i)
	}
	h := hunt(80, "exited", course)
	h.Samples[0].FreedBytes = h.Samples[0].AllocatedBytes - 100
	Analyse(h, Options{})
	require.Len(t, h.Growth, 1)
	assert.Equal(t, model.GrowthRising, h.Growth[0].Kind)
	assert.Contains(t, h.Growth[0].Reason, "it gave all back when the program ended, but 100 B")
	// Of one that still runs it is a fall as any other.
	h = hunt(80, "running", course)
	Analyse(h, Options{})
	assert.NotEqual(t, model.GrowthRising, kinds(h)[0])
}

func TestByAge(t *testing.T) {
	second := time.Second
	sample := func(first, last time.Duration, n, allocated, freed uint64) model.Sample {
		return model.Sample{First: first, Last: last, Allocations: n, AllocatedBytes: allocated, FreedBytes: freed}
	}
	h := &model.Hunt{Processes: []model.Process{{}}, Samples: []model.Sample{
		sample(0, 10*second, 1000, 10_000, 0),
		sample(0, second, 1000, 10_000, 0),
		sample(5*second, 5*second, 1, 10_000, 0),
		sample(0, 10*second, 1000, 10_000, 8000),
		sample(0, 10*second, 1000, 10_000, 10_000),
	}}
	Analyse(h, Options{})
	assert.Equal(t, map[int]model.GrowthKind{0: model.GrowthRising, 1: model.GrowthStartUp, 2: model.GrowthOneOff, 3: model.GrowthUnknown}, kinds(h))
	assert.InEpsilon(t, 1000, h.Growth[0].BytesPerSecond, 0.01)
	short := &model.Hunt{Processes: []model.Process{{}}, Samples: []model.Sample{sample(0, second/10, 1000, 10_000, 0)}}
	Analyse(short, Options{})
	assert.Equal(t, map[int]model.GrowthKind{0: model.GrowthUnknown}, kinds(short))
}

func TestRules(t *testing.T) {
	for _, rule := range DefaultRules().own {
		assert.NotEmpty(t, rule.Reason, rule.Text)
	}
	interned := []model.Frame{
		{Function: "_PyObject_Malloc", Runtime: true}, {Function: "PyUnicode_InternInPlace", Runtime: true},
		{Function: "main", Language: model.LanguagePython, File: "app.py"},
	}
	leaks := func(i int) uint64 { return uint64(1000 * i) }
	h := hunt(80, "running", leaks, leaks, leaks)
	h.Samples[0].Stack.Frames = interned
	h.Samples[1].Stack.Frames = append([]model.Frame{{Function: "my_new"}}, interned...) // a leak of the user's, behind it
	rules := DefaultRules()
	require.NoError(t, rules.Add(strings.NewReader("# The table of\n# routes.\nstart-up:^c$\n\nleak:nothing\n"), "mine"))
	Analyse(h, Options{Rules: rules})
	assert.Equal(t, map[int]model.GrowthKind{0: model.GrowthCache, 1: model.GrowthRising, 2: model.GrowthStartUp}, kinds(h))
	for _, g := range h.Growth {
		switch g.Sample {
		case 0:
			assert.Equal(t, "cache:^PyUnicode_InternInPlace$", g.Rule)
			assert.Equal(t, "CPython keeps each interned string until it ends.", g.Reason)
		case 2:
			assert.Equal(t, "The table of routes.", g.Reason)
		}
	}
	for _, bad := range []string{"grows:x", "cache:", "cache"} {
		assert.ErrorContains(t, rules.Add(strings.NewReader("\n"+bad), "mine"), "mine:2", bad)
	}
}

func TestCrossings(t *testing.T) {
	stack := func(callee, caller string) model.Stack {
		return model.Stack{Frames: []model.Frame{
			{Function: "leaf", Language: model.LanguageC}, {Function: callee, Language: model.LanguageC, Boundary: "go>c"},
			{Function: "runtime.cgocall", Runtime: true}, {Function: caller, Language: model.LanguageGo}, {Function: "entry", Boundary: "python>go"},
		}}
	}
	h := &model.Hunt{Processes: []model.Process{{}}, Samples: []model.Sample{
		{Stack: stack("c_new", "main.a"), AllocatedBytes: 100, FreedBytes: 90, Allocations: 2, Frees: 1},
		{Stack: stack("c_new", "main.b"), AllocatedBytes: 50, Allocations: 1},
		{Stack: stack("c_new", "main.b"), AllocatedBytes: 5, Allocations: 1},
		{Stack: model.Stack{Frames: []model.Frame{{Function: "main"}}}, AllocatedBytes: 1000},
	}}
	Analyse(h, Options{})
	require.Len(t, h.Crossings, 2)
	c := h.Crossings[0]
	assert.Equal(t, []string{"go>c", "main.b", "c_new"}, []string{c.Boundary, c.Caller.Function, c.Callee.Function})
	assert.Equal(t, []int{1, 2}, c.Samples)
	assert.Equal(t, []uint64{55, 2}, []uint64{c.LiveBytes, c.LiveCount})
	assert.Equal(t, uint64(10), h.Crossings[1].LiveBytes)
}

func TestDiff(t *testing.T) {
	flat := func(n uint64) func(int) uint64 { return func(int) uint64 { return n } }
	before := hunt(20, "running", flat(100), flat(100), flat(100), flat(0))
	after := hunt(20, "running", flat(100), flat(400), flat(0), flat(250))
	var got []string
	for _, c := range Diff(before, after, merge.Options{}) {
		got = append(got, c.Fingerprint+" "+c.Kind)
		assert.NotNil(t, c.Blame)
	}
	assert.Equal(t, []string{"b more", "d new", "a same", "c gone"}, got)
}

// Whatever a stranger's document says, an answer comes.
func TestHostileHunt(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	for range 200 {
		h := hunt(1+random.Intn(30), []string{"exited", "running", ""}[random.Intn(3)], func(int) uint64 { return random.Uint64() }, func(int) uint64 { return random.Uint64() })
		for i := range h.Processes[0].Timeline {
			h.Processes[0].Timeline[i].SinceStart = time.Duration(random.Uint64())
		}
		h.Samples[0].LiveSeries = h.Samples[0].LiveSeries[:random.Intn(len(h.Samples[0].LiveSeries)+1)]
		h.Samples[1].Process = random.Intn(5) - 2
		h.Samples[0].First, h.Samples[0].Last = time.Duration(random.Uint64()), time.Duration(random.Uint64())
		Analyse(h, Options{Rules: DefaultRules()})
	}
}
