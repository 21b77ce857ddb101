package trace

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/tracefile"
	"github.com/ffikit/ffikit/go/model"
)

func readAll(t *testing.T, file []byte) (*Evidence, []model.Partial) {
	t.Helper()
	evidence, partial, err := Read(bytes.NewReader(file), "stacks.7")
	require.NoError(t, err)
	return evidence, partial
}

// sample is a small file with all kinds of records.
func sample() *tracefile.File {
	f := tracefile.New(7)
	f.Module(0x1000, 0x5000, 0, "\xab\xcd", "/bin/main")
	f.Module(0x7f0000, 0x7f9000, 0x7f0000, "", "/lib/libstore.so")
	site := f.Site("Keeper.run", "/app/keeper.py", 12, 10)
	stack := f.Stack(0, 0x7f0124, 0x7f0200|tracefile.Exact, site, 0x1080, 0x99)
	f.ReportStack(0, 0, 70, stack, 0x5020, 0x7f0124, "heap-use-after-free")
	f.Note("Python 3.16 is not known: its frames are missing")
	f.End(5, 4, 3, 2)
	return f
}

func TestRead(t *testing.T) {
	evidence, partial := readAll(t, sample().Bytes)
	assert.Empty(t, partial)
	assert.Equal(t, 7, evidence.PID)
	assert.Equal(t, uint32(62), evidence.Machine)
	assert.Equal(t, []string{"Python 3.16 is not known: its frames are missing"}, evidence.Notes)
	assert.Equal(t, &Statistics{Mallocs: 5, Frees: 4, Stacks: 3, Lost: 2}, evidence.Statistics)
	require.Equal(t, []ReportStack{
		{Sequence: 0, Role: RoleFault, ThreadID: 70, Stack: 0, AbsAddr: 0x5020, PC: 0x7f0124, Kind: "heap-use-after-free"},
	}, evidence.ReportStacks)

	frames, truncated, ok := evidence.Frames(0)
	require.True(t, ok)
	assert.Empty(t, truncated)
	assert.Equal(t, []model.Frame{
		// A return address is looked up one byte less, an interrupted instruction where it is.
		{Module: "/lib/libstore.so", VirtAddr: 0x123, AbsAddr: 0x7f0123},
		{Module: "/lib/libstore.so", VirtAddr: 0x200, AbsAddr: 0x7f0200},
		{Function: "Keeper.run", Language: model.LanguagePython, File: "/app/keeper.py", Line: 12, FunctionLine: 10},
		{Module: "/bin/main", BuildID: "abcd", VirtAddr: 0x107f, AbsAddr: 0x107f},
		{AbsAddr: 0x98},
	}, frames)
	_, _, ok = evidence.Frames(1)
	assert.False(t, ok)
}

// Where a library took another one's place, each stack has the one of its time.
func TestModulesThatFollowEachOther(t *testing.T) {
	f := tracefile.New(1)
	f.Module(0x1000, 0x9000, 0x1000, "", "old")
	f.Stack(0, 0x2001, 0x6001, 0x8fff)
	f.Module(0x5000, 0x7000, 0x5000, "", "new")
	f.Stack(0, 0x2001, 0x6001, 0x8001)
	evidence, partial := readAll(t, f.Bytes)
	assert.Empty(t, partial)
	modules := func(id uint32) (names []string) {
		frames, _, ok := evidence.Frames(id)
		require.True(t, ok)
		for _, frame := range frames {
			names = append(names, frame.Module+"+"+frame.VirtAddr.String())
		}
		return names
	}
	assert.Equal(t, []string{"old+0x1000", "old+0x5000", "old+0x7ffe"}, modules(0))
	assert.Equal(t, []string{"old+0x1000", "new+0x1000", "old+0x7000"}, modules(1))
}

// ranges against a byte for each address.
func TestRanges(t *testing.T) {
	random := rand.New(rand.NewSource(4))
	for range 200 {
		var fast ranges
		var slow [64]uint32
		for owner := uint32(1); owner < 12; owner++ {
			start, end := random.Intn(64), random.Intn(65)
			fast.set(uint64(start), uint64(end), owner)
			for addr := start; addr < end; addr++ {
				slow[addr] = owner
			}
		}
		for addr, owner := range slow {
			require.Equal(t, owner, fast.at(uint64(addr)), "at %d", addr)
		}
		for i := 1; i < len(fast); i++ {
			require.LessOrEqual(t, fast[i-1].end, fast[i].start)
		}
	}
}

// What is written at random comes back: the reader and the tests' writer were
// made apart from each other.
func TestRoundTrip(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	word := func() string { return strings.Repeat(string(rune('a'+random.Intn(26))), random.Intn(9)) }
	for range 100 {
		f := tracefile.New(uint32(random.Intn(1 << 22)))
		var sites []uint64
		var wantFrames [][]model.Frame
		var wantReports []ReportStack
		described := map[uint64]model.Frame{}
		for range random.Intn(60) {
			switch random.Intn(4) {
			case 0:
				frame := model.Frame{Function: word(), File: word(), Line: random.Intn(99), FunctionLine: random.Intn(99), Language: model.LanguagePython}
				site := f.Site(frame.Function, frame.File, uint32(frame.Line), uint32(frame.FunctionLine))
				sites, described[site] = append(sites, site), frame
			case 1:
				raw := word()
				start := uint64(len(described)+1) << 20
				path := word()
				f.Module(start, start+1<<20, start-0x1000, raw, path)
				address := start + 1 + uint64(random.Intn(1<<19))
				described[address] = model.Frame{Module: path, BuildID: hex.EncodeToString([]byte(raw)),
					VirtAddr: model.VirtAddr(address - 1 - start + 0x1000), AbsAddr: model.AbsAddr(address - 1)}
				sites = append(sites, address)
			case 2:
				var words []uint64
				frames := []model.Frame{}
				for range random.Intn(8) * min(len(sites), 1) {
					site := sites[random.Intn(len(sites))]
					words, frames = append(words, site), append(frames, described[site])
				}
				f.Stack(0, words...)
				wantFrames = append(wantFrames, frames)
			default:
				if len(wantFrames) == 0 {
					continue
				}
				r := ReportStack{random.Uint32(), Role(random.Intn(5)), random.Uint32(), uint32(random.Intn(len(wantFrames))),
					model.AbsAddr(random.Uint64()), model.AbsAddr(random.Uint64()), word()}
				f.ReportStack(r.Sequence, uint32(r.Role), r.ThreadID, r.Stack, uint64(r.AbsAddr), uint64(r.PC), r.Kind)
				wantReports = append(wantReports, r)
			}
		}
		evidence, partial := readAll(t, f.Bytes)
		require.Empty(t, partial)
		require.Equal(t, wantReports, evidence.ReportStacks)
		for id, want := range wantFrames {
			frames, truncated, ok := evidence.Frames(uint32(id))
			require.True(t, ok)
			require.Empty(t, truncated)
			require.Equal(t, want, frames)
		}
	}
}

// However a file is torn, all records before the tear are there, and the tear
// is told with its place.
func TestTorn(t *testing.T) {
	whole := sample().Bytes
	ends := map[int]bool{32: true}
	for at := 32; at < len(whole); {
		at += 8 + int(whole[at+4]) // no record is longer than 255 bytes
		ends[at] = true
	}
	require.Len(t, ends, 8)
	before := 0
	for length := 0; length <= len(whole); length++ {
		evidence, partial := readAll(t, whole[:length])
		found := len(evidence.modules) + len(evidence.sites) + len(evidence.stacks) + len(evidence.ReportStacks) + len(evidence.Notes)
		if ends[length] {
			assert.Empty(t, partial, length)
			before = length
		} else {
			require.Len(t, partial, 1, length)
			assert.Equal(t, "stacks.7", partial[0].File)
			assert.Equal(t, int64(before), partial[0].OffsetBytes, length)
			assert.Contains(t, partial[0].Reason, "the evidence ends within")
		}
		want := 0
		for end := range ends {
			if end > 32 && end <= length && end < len(whole) {
				want++
			}
		}
		assert.Equal(t, want, found, length)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"==7==ERROR: AddressSanitizer: heap-use-after-free":                     "stacks.7: not the companion's evidence",
		string(append([]byte("FFIKTRC\x00\x02"), make([]byte, 23)...)):          "stacks.7: version 2 of the format at byte 8",
		string(append([]byte("FFIKTRC\x00"), bytes.Repeat([]byte{255}, 24)...)): "version 4294967295",
	} {
		evidence, _, err := Read(strings.NewReader(text), "stacks.7")
		require.ErrorContains(t, err, want, "%q", text)
		assert.NotNil(t, evidence)
	}
	_, _, err := Read(strings.NewReader(strings.Repeat("x", 32)), "stacks.7")
	require.ErrorIs(t, err, ErrNotEvidence)
}

func TestReaderThatFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	whole := sample().Bytes
	for length := 0; length <= len(whole); length += 3 {
		_, _, err := Read(io.MultiReader(bytes.NewReader(whole[:length]), iotest.ErrReader(broken)), "stacks.7")
		require.ErrorIs(t, err, broken)
		assert.ErrorContains(t, err, "stacks.7 at byte ")
	}
}

func TestGrowth(t *testing.T) {
	f := tracefile.New(7)
	f.Record(99, "what a later version writes")
	f.Record(1, uint64(0x1000), uint64(0x2000), uint64(0), uint32(2), "id", "path", "new field", uint64(3))
	f.Record(2, "old", "writer.py", uint32(8)) // without the function's line
	f.Record(3, uint32(77), []uint64{0x1001, tracefile.Python}, "new field")
	f.Record(4, uint32(0), uint32(1000), uint32(0), uint32(0), uint64(0), uint64(0), "a role of later")
	f.Record(4, uint32(0), uint32(0), uint32(0), uint32(0), uint64(9)) // without pc and kind
	evidence, partial := readAll(t, f.Bytes)
	assert.Equal(t, []model.Partial{
		{File: "stacks.7", Reason: "2 records are of kinds that this version does not know; they were passed over"},
	}, partial)
	require.Len(t, evidence.ReportStacks, 1)
	assert.Equal(t, ReportStack{AbsAddr: 9}, evidence.ReportStacks[0])
	frames, truncated, ok := evidence.Frames(0)
	require.True(t, ok)
	assert.Contains(t, truncated, "a reason that this version does not know (77)")
	assert.Equal(t, "path", frames[0].Module)
	assert.Equal(t, model.Frame{Function: "old", File: "writer.py", Line: 8, Language: model.LanguagePython}, frames[1])
}

// Damaged records cost themselves, not those behind them.
func TestDamaged(t *testing.T) {
	f := tracefile.New(7)
	f.Record(1, uint64(0x1000), uint64(0x2000), uint64(0), uint32(0), "id", []byte{0xff, 0xff, 0xff, 0xff, 'p'})
	f.Record(1, uint64(0x9000), uint64(0x8000), uint64(0), uint32(0), "id", "backwards")
	f.Record(3, uint32(0), []byte{0xff, 0xff, 0xff, 0xff}, uint64(0x1001))
	f.Record(3, uint32(0), []uint64{0x1001, tracefile.Python | 12})
	f.Record(4, uint32(0), uint32(0), uint32(0), uint32(44), uint64(0), uint64(0), "")
	f.Record(3)
	f.ReportStack(0, 0, 0, 1, 0, 0, "\xff\xfe")
	evidence, partial := readAll(t, f.Bytes)
	var reasons []string
	for _, p := range partial {
		reasons = append(reasons, p.Reason)
		assert.Positive(t, p.OffsetBytes)
	}
	assert.Equal(t, []string{
		"a string in this record is longer than the record: what lies behind it was not read",
		"the module's range is empty",
		"the stack is to have 4294967295 frames and has 1",
		"a frame names Python code that is not recorded before it",
		"it names stack 44, which is not recorded before it",
	}, reasons)
	frames, truncated, _ := evidence.Frames(0)
	assert.Len(t, frames, 1)
	assert.Equal(t, "the evidence is damaged here: the callers are unknown", truncated)
	frames, _, _ = evidence.Frames(1)
	assert.Equal(t, model.Frame{Language: model.LanguagePython}, frames[1])
	_, _, ok := evidence.Frames(2)
	assert.True(t, ok)
	assert.Equal(t, "\uFFFD", evidence.ReportStacks[0].Kind)
}

// A process that another program took over has that program's stacks alone.
func TestExec(t *testing.T) {
	evidence, partial := readAll(t, append(sample().Bytes, sample().Bytes...))
	require.Len(t, partial, 1)
	assert.Equal(t, int64(len(sample().Bytes)), partial[0].OffsetBytes)
	assert.Contains(t, partial[0].Reason, "(exec)")
	assert.Len(t, evidence.ReportStacks, 1)
	frames, _, ok := evidence.Frames(0)
	require.True(t, ok)
	assert.Equal(t, "Keeper.run", frames[2].Function)
	assert.Len(t, evidence.stacks, 1)
}

// Each limit holds, is told once, and leaves the rest alone.
func TestLimits(t *testing.T) {
	small := limits{modules: 3, sites: 4, stacks: 5, frames: 40, reportStacks: 6, notes: 2, textBytes: 400, framesPerStack: 8, stringBytes: 20, payloadBytes: 200}
	f := tracefile.New(7)
	for i := range uint64(9) {
		f.Module(i<<12+0x1000, i<<12+0x2000, 0, "", "module"+strconv.Itoa(int(i)))
		f.Site(strings.Repeat("f", 30)+strconv.Itoa(int(i)), "file", 1, 1)
		f.Stack(0, make([]uint64, 10)...)
		f.ReportStack(0, 0, 0, uint32(i), 0, 0, strconv.Itoa(int(i)))
		f.Note("note" + strconv.Itoa(int(i)))
	}
	f.Stack(0, make([]uint64, 100)...)
	evidence, partial, err := read(bytes.NewReader(f.Bytes), "stacks.7", small)
	require.NoError(t, err)
	assert.Len(t, evidence.modules, 3)
	assert.Len(t, evidence.sites, 4)
	assert.Len(t, evidence.stacks, 5)
	assert.Len(t, evidence.ReportStacks, 6)
	assert.Len(t, evidence.Notes, 2)
	told := map[string]int{}
	for _, p := range partial {
		told[p.Reason]++
		assert.Equal(t, "stacks.7", p.File)
	}
	for _, reason := range []string{
		"more than 3 modules: the rest is left out", "more than 4 places in Python code: the rest is left out",
		"more than 5 stacks: the rest is left out", "more than 6 stacks of reports: the rest is left out",
		"more than 2 notes: the rest is left out", "the record has 808 bytes: only the first 200 were read",
	} {
		assert.Equal(t, 1, told[reason], "%s in %v", reason, told)
	}
	assert.Equal(t, 4, told["a string has 31 bytes: only the first 20 are kept"])
	frames, truncated, ok := evidence.Frames(0)
	require.True(t, ok)
	assert.Len(t, frames, 8)
	assert.Equal(t, "the stack is too deep: 2 more frames are left out", truncated)

	small.stacks, small.textBytes = 100, 10
	_, partial, err = read(bytes.NewReader(f.Bytes), "stacks.7", small)
	require.NoError(t, err)
	told = map[string]int{}
	for _, p := range partial {
		told[p.Reason]++
	}
	assert.Equal(t, 1, told["more than 40 frames: the rest is left out"])
	assert.Equal(t, 1, told["more than 10 bytes of text: the rest is left out"])
}

// The words for end reasons are those of FORMAT.md, and all of its numbers.
func TestEndReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(string(text), -1)
	documented := 0
	for _, row := range rows {
		number, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		if number != documented {
			continue // a row of another table
		}
		documented++
		want := row[2]
		if number == 0 {
			want = ""
		}
		assert.Equal(t, want, endReason(uint32(number)))
	}
	assert.Equal(t, len(endReasons), documented)
}
