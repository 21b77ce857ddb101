package report

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
)

// fixtures are the logs beside the tests (testdata/regenerate makes them) and
// those of the cross-language suite.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	logs := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.txt", "../testdata/corpus/*.txt", "../testdata/corpus/*/*.txt"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			log, err := os.ReadFile(name)
			require.NoError(t, err)
			if bytes.Contains(log, []byte("Sanitizer")) || bytes.Contains(log, []byte("runtime error:")) {
				logs[name] = log
			}
		}
	}
	require.Greater(t, len(logs), 40)
	return logs
}

func read(t testing.TB, log []byte) ([]model.Report, []model.Partial) {
	t.Helper()
	var reports []model.Report
	partial, err := Read(bytes.NewReader(log), "the.log", func(r model.Report) error {
		reports = append(reports, r)
		return nil
	})
	require.NoError(t, err)
	return reports, partial
}

// The reference: a count of the log's own words by regular expressions, which
// shares no code with the parsers.
var (
	anyColour   = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	anyHeader   = regexp.MustCompile(`^==(\d+)==ERROR: (\w+): `)
	anyLeak     = regexp.MustCompile(`^(Direct|Indirect) leak of (\d+) byte\(s\) in (\d+) object`)
	anyError    = regexp.MustCompile(`^(\S.*?):(\d+):(\d+): runtime error: `)
	anySummary  = regexp.MustCompile(`^SUMMARY: (\w+): ([A-Za-z_-]+)`)
	anyFrame    = regexp.MustCompile(`^\s+#(\d+) 0x([0-9a-f]+)`)
	anyPlace    = regexp.MustCompile(` in (\S+) (/[^ ]+?):(\d+)(?::(\d+))?$`)
	anyModule   = regexp.MustCompile(`\((/[^ ]+)\+0x([0-9a-f]+)\)(?: \(BuildId: ([0-9a-f]+)\))?$`)
	anyPID      = regexp.MustCompile(`==\d+==`)
	anyNoReport = regexp.MustCompile(`detected memory leaks`)
)

type counted struct {
	tools, kinds, pids []string // of the reports; "" is a kind that the log does not say
	frames             []model.Frame
	stacks             int
}

func count(log []byte) counted {
	var c counted
	last := "" // pid
	for _, line := range strings.Split(anyColour.ReplaceAllString(string(log), ""), "\n") {
		switch {
		case anyNoReport.MatchString(line):
			last = anyHeader.FindStringSubmatch(line)[1]
		case anyHeader.MatchString(line):
			m := anyHeader.FindStringSubmatch(line)
			c.tools, c.kinds, c.pids = append(c.tools, m[2]), append(c.kinds, ""), append(c.pids, m[1])
		case anyLeak.MatchString(line):
			kind := strings.ToLower(anyLeak.FindStringSubmatch(line)[1]) + "-leak"
			c.tools, c.kinds, c.pids = append(c.tools, "LeakSanitizer"), append(c.kinds, kind), append(c.pids, last)
		case anyError.MatchString(line):
			c.tools, c.kinds, c.pids = append(c.tools, "UndefinedBehaviorSanitizer"), append(c.kinds, ""), append(c.pids, "0")
		case anySummary.MatchString(line):
			if kind := anySummary.FindStringSubmatch(line)[2]; kind != "undefined-behavior" && c.kinds[len(c.kinds)-1] == "" {
				c.kinds[len(c.kinds)-1] = kind
			}
		case anyFrame.MatchString(line):
			if anyFrame.FindStringSubmatch(line)[1] == "0" {
				c.stacks++
			}
			c.frames = append(c.frames, countedFrame(line))
		}
	}
	return c
}

func countedFrame(line string) model.Frame {
	pc, _ := strconv.ParseUint(anyFrame.FindStringSubmatch(line)[2], 16, 64)
	frame := model.Frame{AbsAddr: model.AbsAddr(pc)}
	line = strings.TrimRight(line, " ")
	if m := anyPlace.FindStringSubmatch(line); m != nil {
		frame.Function, frame.File = m[1], m[2]
		frame.Line, _ = strconv.Atoi(m[3])
		frame.Column, _ = strconv.Atoi(m[4])
	}
	if m := anyModule.FindStringSubmatch(line); m != nil {
		offset, _ := strconv.ParseUint(m[2], 16, 64)
		frame.Module, frame.VirtAddr, frame.BuildID = m[1], model.VirtAddr(offset), m[3]
	}
	return frame
}

func TestFixturesAgreeWithAnIndependentCount(t *testing.T) {
	places := 0
	for name, log := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			reports, partial := read(t, log)
			assert.Empty(t, partial)
			want := count(log)
			var got counted
			for i, r := range reports {
				got.tools = append(got.tools, r.Tool)
				got.pids = append(got.pids, strconv.Itoa(r.PID))
				if i < len(want.kinds) && want.kinds[i] != "" {
					assert.Equal(t, want.kinds[i], r.Kind)
				}
				for _, s := range r.Stacks {
					assert.Empty(t, s.Truncated)
					if len(s.Frames) == 1 && s.Frames[0].AbsAddr == 0 {
						continue // the place in the header of a finding without a stack
					}
					got.stacks++
					got.frames = append(got.frames, s.Frames...)
				}
				assert.Equal(t, 1, r.Count)
				assert.Equal(t, "the.log", r.Source.File)
			}
			assert.Equal(t, want.tools, got.tools)
			assert.Equal(t, want.pids, got.pids)
			assert.Equal(t, want.stacks, got.stacks)
			require.Len(t, got.frames, len(want.frames))
			for i := range want.frames {
				assert.Equal(t, want.frames[i].AbsAddr, got.frames[i].AbsAddr)
				if want.frames[i].File != "" {
					places++
					assert.Equal(t, want.frames[i].Function, got.frames[i].Function)
					assert.Equal(t, want.frames[i].File, got.frames[i].File)
					assert.Equal(t, want.frames[i].Line, got.frames[i].Line)
					assert.Equal(t, want.frames[i].Column, got.frames[i].Column)
				}
				assert.Equal(t, want.frames[i].Module, got.frames[i].Module)
				assert.Equal(t, want.frames[i].VirtAddr, got.frames[i].VirtAddr)
				assert.Equal(t, want.frames[i].BuildID, got.frames[i].BuildID)
			}
		})
	}
	assert.Greater(t, places, 300, "the reference reads places too")
}

// A report's offset is where its first line begins.
func TestSourceOffsets(t *testing.T) {
	for name, log := range fixtures(t) {
		reports, _ := read(t, log)
		for _, r := range reports {
			line, _, _ := bytes.Cut(log[r.Source.OffsetBytes:], []byte("\n"))
			line = anyColour.ReplaceAll(line, nil)
			assert.True(t, anyHeader.Match(line) || anyLeak.Match(line) || anyError.Match(line), "%s: %s", name, line)
		}
	}
}

// The tool's own SUMMARY names the place of the fault: the leaf must be it.
func TestSummaryNamesTheLeaf(t *testing.T) {
	place := regexp.MustCompile(`(?m)^SUMMARY: AddressSanitizer: [A-Za-z-]+ (/[^ ]+?):(\d+)(?::(\d+))? in (.*)$`)
	met := 0
	for name, log := range fixtures(t) {
		log = anyColour.ReplaceAll(log, nil)
		summaries := place.FindAllStringSubmatch(string(log), -1)
		reports, _ := read(t, log)
		if len(summaries) != 1 {
			continue
		}
		met++
		require.NotEmpty(t, reports, name)
		line, _ := strconv.Atoi(summaries[0][2])
		column, _ := strconv.Atoi(summaries[0][3])
		assert.Equal(t, model.RoleFault, reports[0].Stacks[0].Role, name)
		// The runtime passes over its own frames (free, operator delete).
		for _, leaf := range reports[0].Stacks[0].Frames {
			if leaf.File == "" {
				continue
			}
			assert.Equal(t, summaries[0][1], leaf.File, name)
			assert.Equal(t, line, leaf.Line, name)
			assert.Equal(t, column, leaf.Column, name)
			assert.Equal(t, strings.TrimSpace(summaries[0][4]), leaf.Function, name)
			break
		}
	}
	assert.Greater(t, met, 15)
}

// The faults' functions carry the names of the fixtures, so the stacks must
// pass through them, at a line that lies within the function.
func TestStacksLeadToTheFault(t *testing.T) {
	for _, test := range []struct {
		fixture, kind, access string
		size                  uint64
		roles                 string
	}{
		{"use_after_free.clang.sym", "heap-use-after-free", "read", 1, "fault free allocation"},
		{"use_after_free.clang.raw", "heap-use-after-free", "read", 1, "fault free allocation"},
		{"use_after_free.gcc.sym", "heap-use-after-free", "read", 1, "fault free allocation"},
		{"double_free.clang.sym", "double-free", "", 0, "fault free allocation"},
		{"bad_free.clang.sym", "bad-free", "", 0, "fault allocation"},
		{"mismatch.clang.sym", "alloc-dealloc-mismatch", "", 0, "fault allocation"},
		{"new_delete.clang.sym", "new-delete-type-mismatch", "", 0, "fault allocation"},
		{"heap_overflow.gcc.sym", "heap-buffer-overflow", "read", 1, "fault allocation"},
		{"stack_buffer_overflow.clang.sym", "stack-buffer-overflow", "write", 4, "fault other"},
		{"global_overflow.gcc.sym", "global-buffer-overflow", "read", 4, "fault"},
		{"use_after_return.clang.sym", "stack-use-after-return", "write", 1, "fault other"},
		{"use_after_scope.clang.sym", "stack-use-after-scope", "read", 4, "fault other"},
		{"poisoned.clang.sym", "use-after-poison", "write", 1, "fault allocation"},
		{"container.clang.sym", "container-overflow", "read", 1, "fault allocation"},
		{"null_write.clang.sym", "SEGV", "write", 0, "fault"},
		{"null_write.gcc.sym", "SEGV", "write", 0, "fault"},
		{"wild_read.clang.sym", "SEGV", "read", 0, "fault"},
		{"divide.clang.sym", "FPE", "", 0, "fault"},
		{"too_big.clang.sym", "allocation-size-too-big", "", 0, "fault"},
		{"calloc_overflow.clang.sym", "calloc-overflow", "", 0, "fault"},
		{"negative_size.clang.sym", "negative-size-param", "", 0, "fault allocation"},
		{"overlap.gcc.sym", "memcpy-param-overlap", "", 0, "fault allocation allocation"},
		{"pointer_pair.clang.sym", "invalid-pointer-pair", "", 0, "fault allocation allocation"},
		{"usable_size.clang.sym", "bad-malloc_usable_size", "", 0, "fault"},
		{"in_thread.gcc.sym", "heap-use-after-free", "write", 1, "fault free allocation thread"},
		{"in_thread.clang.raw", "heap-use-after-free", "write", 1, "fault free allocation thread"},
		{"stack_exhaustion.clang.sym", "stack-overflow", "", 0, "fault"},
		{"order.clang.sym", "initialization-order-fiasco", "read", 4, "fault other"},
		{"odr.clang.sym", "odr-violation", "", 0, "other other"},
		{"colour.clang.sym", "heap-use-after-free", "read", 1, "fault free allocation"},
	} {
		t.Run(test.fixture, func(t *testing.T) {
			log, err := os.ReadFile("testdata/" + test.fixture + ".txt")
			require.NoError(t, err)
			reports, _ := read(t, log)
			require.Len(t, reports, 1)
			r := reports[0]
			assert.Equal(t, test.kind, r.Kind)
			var roles []string
			for _, s := range r.Stacks {
				roles = append(roles, string(s.Role))
			}
			assert.Equal(t, test.roles, strings.Join(roles, " "))
			if test.access == "" {
				assert.Nil(t, r.Access)
			} else {
				require.NotNil(t, r.Access)
				assert.Equal(t, model.Access{Type: test.access, SizeBytes: test.size}, *r.Access)
			}
		})
	}
}

func TestLeaks(t *testing.T) {
	for _, name := range []string{"leak.clang.sym", "leak.clang.raw", "leak.gcc.sym", "leak.gcc.raw"} {
		log, err := os.ReadFile("testdata/" + name + ".txt")
		require.NoError(t, err)
		reports, _ := read(t, log)
		require.Len(t, reports, 3, name)
		// faults.cpp: allocate(100) once, three nodes of 32 bytes that each
		// hold 40 more.
		want := []model.Leaked{{SizeBytes: 100, ObjectsCount: 1}, {SizeBytes: 96, ObjectsCount: 3}, {SizeBytes: 120, ObjectsCount: 3}}
		for i, r := range reports {
			var listed model.Leaked
			for _, object := range r.Leaked.Objects {
				listed.SizeBytes += object.SizeBytes
				listed.ObjectsCount++
				assert.NotZero(t, object.AbsAddr)
			}
			assert.Equal(t, want[i], listed)
			assert.Equal(t, want[i], model.Leaked{SizeBytes: r.Leaked.SizeBytes, ObjectsCount: r.Leaked.ObjectsCount})
			assert.Equal(t, []string{"direct-leak", "direct-leak", "indirect-leak"}[i], r.Kind)
			require.Len(t, r.Stacks, 1)
			assert.Equal(t, model.RoleAllocation, r.Stacks[0].Role)
			assert.Len(t, r.Details, 1+int(want[i].ObjectsCount), "the objects' addresses")
		}
	}
}

// ub_types has the runtime's own terms in its SUMMARY lines; without them the
// kinds must come out of the messages alone.
func TestUndefinedKindsComeFromMessages(t *testing.T) {
	summary := regexp.MustCompile(`(?m)^SUMMARY: UndefinedBehaviorSanitizer: ([a-z-]+) .*$`)
	for _, name := range []string{"testdata/ub_types.clang.txt", "testdata/ub_types.gcc.txt"} {
		log, err := os.ReadFile(name)
		require.NoError(t, err)
		var want []string
		for _, m := range summary.FindAllSubmatch(log, -1) {
			if kind := string(m[1]); kind != "stack-overflow" { // a crash that follows a finding
				want = append(want, kind)
			}
		}
		require.Greater(t, len(want), 15)
		reports, _ := read(t, summary.ReplaceAll(log, nil))
		var got []string
		for _, r := range reports {
			// The crash that follows some of them has a PID.
			if r.Tool == "UndefinedBehaviorSanitizer" && r.PID == 0 {
				got = append(got, r.Kind)
			}
		}
		// The message does not tell a float's division from an integer's.
		for i := range want {
			if want[i] == "float-divide-by-zero" {
				want[i] = "integer-divide-by-zero"
			}
		}
		assert.Equal(t, want, got, name)
	}
}

// A finding without a stack has its place for one; every place is right by
// the comment on its line of undefined.cpp.
func TestUndefinedPlacesAreRight(t *testing.T) {
	source, err := os.ReadFile("testdata/undefined.cpp")
	require.NoError(t, err)
	lines := strings.Split(string(source), "\n")
	for _, name := range []string{"ub_types.clang", "ub_types.gcc", "ub_plain.clang", "ub_stack.gcc.sym", "ub_stack.clang.raw"} {
		log, err := os.ReadFile("testdata/" + name + ".txt")
		require.NoError(t, err)
		reports, _ := read(t, log)
		met := 0
		for _, r := range reports {
			if r.PID != 0 {
				continue
			}
			require.NotEmpty(t, r.Stacks)
			leaf := r.Stacks[0].Frames[0]
			assert.Equal(t, model.RoleFault, r.Stacks[0].Role)
			assert.True(t, strings.HasSuffix(leaf.File, "undefined.cpp"), leaf.File)
			require.Less(t, leaf.Line, len(lines))
			if _, comment, ok := strings.Cut(lines[leaf.Line-1], "// "); ok && !strings.Contains(comment, " or ") &&
				r.Kind != "integer-divide-by-zero" && r.Kind != "insufficient-object-size" {
				met++
				assert.Equal(t, comment, r.Kind, "line %d", leaf.Line)
			}
		}
		assert.Greater(t, met, 10, name)
	}
}
