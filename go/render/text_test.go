package render_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/internal/golden"
	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
)

func TestText(t *testing.T) {
	for name, opts := range map[string]render.TextOptions{
		"reports":            {},
		"reports-full":       {Sources: cvictim, Roots: []string{"/src", "/src/victim/"}, AllFrames: true},
		"reports-color":      {Color: true, Sources: cvictim},
		"reports-60-columns": {Width: 10, Sources: cvictim},
		"addresses":          {},
		"empty":              {},
	} {
		document, _, _ := strings.Cut(name, "-")
		golden.Assert(t, name+".txt", []byte(text(t, documents()[document], opts)))
	}
}

// No line is longer than asked for.
func TestTextKeepsItsWidth(t *testing.T) {
	for _, width := range []int{60, 80, 100, 140} {
		for name, doc := range documents() {
			for _, all := range []bool{false, true} {
				out := text(t, doc, render.TextOptions{Width: width, AllFrames: all, Sources: cvictim})
				for _, line := range strings.Split(out, "\n") {
					assert.LessOrEqual(t, utf8.RuneCountInString(line), width, "%s: %s", name, line)
					assert.Equal(t, strings.TrimRight(line, " "), line, "trailing space")
				}
			}
		}
	}
}

// Colour changes nothing but colour.
func TestColorIsOnlyColor(t *testing.T) {
	plain := text(t, documents()["reports"], render.TextOptions{Sources: cvictim})
	colored := text(t, documents()["reports"], render.TextOptions{Sources: cvictim, Color: true})
	assert.NotContains(t, plain, "\x1b")
	assert.Contains(t, colored, "\x1b[1;31m")
	uncolored := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(colored, "")
	for i, line := range strings.Split(uncolored, "\n") {
		assert.Equal(t, strings.Split(plain, "\n")[i], strings.TrimRight(line, " "))
	}
}

func TestFramesFoldButNeverVanish(t *testing.T) {
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{useAfterFree()}}}
	folded := text(t, doc, render.TextOptions{})
	assert.NotContains(t, folded, "ceval.c")
	assert.Contains(t, folded, "… 4 runtime frames (Cython, CPython, libc)")
	assert.Contains(t, folded, "… 2 runtime frames: _cgo_Cfunc_c_read ← runtime.asmcgocall (cgo, Go runtime)")
	unfolded := text(t, doc, render.TextOptions{AllFrames: true})
	assert.NotContains(t, unfolded, "runtime frame")
	for _, s := range doc.Reports[0].Stacks {
		for _, f := range s.Frames {
			if len(f.Function) < 40 {
				assert.Contains(t, unfolded, f.Function)
			}
		}
	}
}

// A recursion folds; its frames are all there when they are asked for.
func TestRecursionFolds(t *testing.T) {
	deep := model.Frame{Function: "deep", Language: model.LanguageC, File: "/src/deep.c", Line: 88}
	leaf := deep
	leaf.Line = 87
	frames := []model.Frame{leaf}
	for i := 0; i < 40; i++ {
		frames = append(frames, deep)
	}
	frames = append(frames, model.Frame{Function: "main", Language: model.LanguageC, File: "/src/deep.c", Line: 99})
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{{Stacks: []model.Stack{{Role: model.RoleFault, Frames: frames}}}}}}
	folded := text(t, doc, render.TextOptions{})
	assert.Equal(t, 2, strings.Count(folded, "deep.c:8"))
	assert.Contains(t, folded, "… the same frame 39 times more, to #40")
	assert.Contains(t, folded, "#41  c       main")
	assert.Equal(t, 41, strings.Count(text(t, doc, render.TextOptions{AllFrames: true}), "deep.c:8"))

	doc.Reports[0].Blame = &model.Blame{Stack: 0, Frame: 20}
	marked := text(t, doc, render.TextOptions{})
	assert.Contains(t, marked, "▶  #20")
}

func TestExcerptNeedsTheLine(t *testing.T) {
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{useAfterFree()}}}
	with := text(t, doc, render.TextOptions{Sources: cvictim})
	assert.Contains(t, with, "▶ 3 │ static inline int peek")
	lines := strings.Split(with, "\n")
	for i, line := range lines {
		if at := strings.Index(line, "return p[i]"); at >= 0 {
			// Column 61 of the source is the p of p[i], its tab counted as one.
			caret := lines[i+1]
			assert.Equal(t, utf8.RuneCountInString(line[:strings.Index(line, "p[i]")]), utf8.RuneCountInString(caret[:strings.Index(caret, "^")]))
		}
	}
	assert.Contains(t, with, `\x1b[31mred`)
	without := text(t, doc, render.TextOptions{Sources: sources{2: "near, but not the line"}})
	assert.Equal(t, text(t, doc, render.TextOptions{}), without)
}

// hostile holds what a stranger may write into a log.
var hostile = []string{
	"\x1b]0;owned\x07\x1b[2J", "\x00", "\u202egnp.exe", "\u2066\u2069\u200b\ufeff\u00ad", "a\r\nb\tc", "\x9b31m", "\u0085\u2028\u2029", "bad \xff\xc0\x80 bytes",
	strings.Repeat("x", 1<<20), strings.Repeat("漢", 5000), strings.Repeat("<", 3000), strings.Repeat("a<b>", 3000), strings.Repeat("(", 3000) + strings.Repeat(")", 3000), "%s%n", "\U000e0041",
}

// hostileDocument has s wherever the evidence can put it.
func hostileDocument(s string) *render.Document {
	address := model.AbsAddr(1)
	frame := model.Frame{Function: s, LinkageName: s, Language: model.Language(s), File: s, Line: 3, Column: 4, Module: s, BuildID: s, Boundary: s, Inlined: true}
	machinery := model.Frame{Function: s, Runtime: true, Machinery: s}
	return &render.Document{
		ReportSet: model.ReportSet{
			Reports: []model.Report{{
				Tool: s, Kind: s, Message: s, Details: []string{s}, AbsAddr: &address, Access: &model.Access{Type: s, SizeBytes: 1}, Fingerprint: s, Count: 2, PID: 1,
				Stacks:  []model.Stack{{Role: model.Role(s), Name: s, Truncated: s, Frames: []model.Frame{frame, machinery, {Module: s, VirtAddr: 1}, {File: s}}}, {Role: model.RoleFree, Frames: []model.Frame{machinery, machinery}}},
				Blame:   &model.Blame{Role: model.Role(s), Reason: s},
				Related: []model.Blame{{Stack: 0, Frame: 2, Reason: s}, {Stack: 9, Frame: -1}},
				Source:  model.Location{File: s},
			}},
			Partial: []model.Partial{{File: s, Reason: s, OffsetBytes: 1}},
		},
		Command: &render.Command{Args: []string{s}, Signal: s},
	}
}

type anySource string

func (s anySource) Line(string, int) (string, bool) { return string(s), true }

func assertHarmless(t *testing.T, out string, limit int) {
	t.Helper()
	require.True(t, utf8.ValidString(out))
	assert.Less(t, len(out), limit)
	for _, r := range out {
		if r != '\n' && r != ' ' && !unicode.IsPrint(r) {
			t.Fatalf("%U reaches the terminal", r)
		}
	}
}

func TestHostileStringsReachNoTerminal(t *testing.T) {
	for _, s := range hostile {
		for _, all := range []bool{false, true} {
			out := text(t, hostileDocument(s), render.TextOptions{AllFrames: all, Sources: anySource(s), Roots: []string{s, ""}})
			assertHarmless(t, out, 256<<10)
			for _, line := range strings.Split(out, "\n") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 100)
			}
		}
	}
}

// Blame that points nowhere is passed over.
func TestBlameOutOfRange(t *testing.T) {
	for _, b := range []model.Blame{{Stack: 5}, {Stack: -1}, {Frame: 99}, {Frame: -1}} {
		r := useAfterFree()
		r.Blame = &b
		r.Related = []model.Blame{b}
		out := text(t, &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{r}}}, render.TextOptions{})
		assert.NotContains(t, out, "blame:")
		assert.Contains(t, out, "peek")
	}
}

func FuzzText(f *testing.F) {
	for _, s := range hostile {
		if len(s) < 1<<16 {
			f.Add(s, 100)
		}
	}
	f.Add("core::ptr::drop_in_place<alloc::vec::Vec<u8>>", 60)
	f.Add("/src/victim/c/cvictim.c", 80)
	f.Fuzz(func(t *testing.T, s string, width int) {
		width = max(min(width, 300), 1)
		doc := hostileDocument(s)
		out := text(t, doc, render.TextOptions{Sources: anySource(s), Width: width})
		assertHarmless(t, out, 4<<20)
		if err := render.JSON(&bytes.Buffer{}, doc); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	doc := &render.Document{ReportSet: model.ReportSet{Reports: []model.Report{useAfterFree()}}}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(out *bytes.Buffer) error { return render.Text(out, doc, render.TextOptions{}) },
		"json": func(out *bytes.Buffer) error { return render.JSON(out, doc) },
	} {
		b.Run(name, func(b *testing.B) {
			var out bytes.Buffer
			for i := 0; i < b.N; i++ {
				out.Reset()
				require.NoError(b, write(&out))
			}
			b.SetBytes(int64(out.Len()))
		})
	}
}
