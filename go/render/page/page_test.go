package page_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/model"
	"github.com/ffikit/ffikit/go/render"
	"github.com/ffikit/ffikit/go/render/page"
)

// hostile ends every context that it could stand in, and marks the document if
// it is ever obeyed.
const hostile = `"'--></title></style></script><script>document.title="owned"</script><img src=x onerror='document.title="owned"'><svg onload=alert(1)>${1}{{.}}` + "\x1b[31m\u202e\u2028"

// hunted is a service that leaks from Python through C. Every text in it ends in dirt.
func hunted(dirt string) *render.HuntDocument {
	frames := []model.Frame{
		{Function: "box_new" + dirt, Language: model.LanguageC, File: "/src/box.c" + dirt, Line: 42, Boundary: "python>c" + dirt, Module: "/src/libbox.so"},
		{Function: "PyObject_Vectorcall" + dirt, Language: model.LanguageC, Runtime: true, Machinery: "CPython" + dirt},
		{Function: "Service.handle" + dirt, Language: model.Language("python" + dirt), File: "/src/service.py" + dirt, Line: 31},
	}
	series := []uint64{0, 1 << 20, 2 << 20, 3 << 20}
	var timeline []model.Moment
	for i, n := range series {
		timeline = append(timeline, model.Moment{SinceStart: time.Duration(i+1) * time.Second, LiveBytes: n, MappedBytes: 1 << 40, RSSBytes: 10<<20 + n, GoSysBytes: 8 << 20, GoHeapBytes: 2 << 20})
	}
	doc := &render.HuntDocument{Command: &render.Command{Args: []string{"/usr/bin/python3", "service.py" + dirt}}}
	doc.Processes = []model.Process{{PID: 4711, Arguments: []string{"python3", "service.py" + dirt}, Timeline: timeline, SampleBytes: 512}, {PID: 4712, Arguments: []string{"child" + dirt}}}
	doc.Samples = []model.Sample{
		{Stack: model.Stack{Frames: frames, Truncated: "cut" + dirt}, Class: model.ClassHeap, Fingerprint: "1:a" + dirt, Allocations: 3000, AllocatedBytes: 3 << 20, LiveSeries: series},
		{Stack: model.Stack{Frames: frames[1:]}, Class: model.Class("mapping" + dirt), Process: 1, Allocations: 1, AllocatedBytes: 4096},
	}
	doc.Growth = []model.Growth{
		{Sample: 0, LiveBytes: 3 << 20, LiveCount: 3000, BytesPerSecond: 1 << 20, Kind: model.GrowthRising, Reason: "it rose in 6 of 6 parts" + dirt, Blame: &model.Blame{Frame: 0}},
		{Sample: 1, LiveBytes: 4096, LiveCount: 1, Kind: model.GrowthUnknown, Reason: "too short" + dirt},
		{Sample: 1, LiveBytes: 4096, Kind: model.GrowthKind("cache" + dirt), Reason: "imports stay" + dirt, Rule: "cache:import" + dirt},
	}
	doc.Crossings = []model.Crossing{{Boundary: "python>c" + dirt, Caller: frames[2], Callee: frames[0], LiveBytes: 3 << 20, BytesPerSecond: 1 << 20}}
	doc.Verdict = &model.Verdict{Text: "Native memory grows by 1.0 MiB a second." + dirt}
	doc.Partial = []model.Partial{{File: "/bin/static" + dirt, Reason: "not traced" + dirt}}
	return doc
}

func pageOf(t *testing.T, doc *render.HuntDocument) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, page.Hunt(&out, doc))
	return out.String()
}

// What is there without script.
func TestReadableWithoutScript(t *testing.T) {
	text := html.UnescapeString(regexp.MustCompile(`(?s)<script.*?</script>|<style.*?</style>|<[^>]*>`).ReplaceAllString(pageOf(t, hunted("")), ""))
	for _, want := range []string{
		"python3 service.py", "Native memory grows by 1.0 MiB a second.", "+1.0 MiB/s", "3.0 MiB", "box_new", "/src/box.c:42", "it rose in 6 of 6 parts",
		"PyObject_Vectorcall", "Service.handle", "/src/service.py:31", "python → c", "the stack ends here: cut", "10.0 MiB → 13.0 MiB", "too short",
		"imports stay (rule cache:import)", "/bin/static: not traced", "1.0 TiB by mmap, most of it reserved only, are not drawn", "one allocation in about 512 B was tracked",
	} {
		assert.Contains(t, text, want)
	}
	assert.Contains(t, pageOf(t, &render.HuntDocument{}), "Nothing was tracked, which says nothing about leaks.")
}

// The policy names exactly the style and the script that the page has, and the
// page asks for nothing.
func TestPolicy(t *testing.T) {
	text := pageOf(t, hunted(hostile))
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)[1])
	hash := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
		require.Len(t, found, 1, pattern)
		sum := sha256.Sum256([]byte(found[0][1]))
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	assert.Equal(t, "default-src 'none'; style-src 'sha256-"+hash(`(?s)<style>(.*?)</style>`)+"'; script-src 'sha256-"+hash(`(?s)<script>(.*?)</script>`)+"'; base-uri 'none'; form-action 'none'", policy)
	assert.NotRegexp(t, `(?i)<[^>]*\s(src|style|on\w+)=`, text)
	assert.NotRegexp(t, `(?i)<(link|img|iframe|object|base)\b`, text)
	for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		assert.True(t, strings.HasPrefix(href[1], "#"), href[1])
	}
	for _, r := range text {
		assert.False(t, r < ' ' && r != '\n' || r == '\u202e' || r == '\u2028', "%q", r)
	}
}

// The data within a script element cannot end it, and adds up.
func TestFlameData(t *testing.T) {
	found := regexp.MustCompile(`(?s)<script type="application/json" id="flame-data">(.*?)</script>`).FindStringSubmatch(pageOf(t, hunted(hostile)))
	require.Len(t, found, 2)
	assert.NotContains(t, found[1], "<")
	var data struct {
		Frames [][]string
		Nodes  [][]int64
	}
	require.NoError(t, json.Unmarshal([]byte(found[1]), &data))
	sums := make([]int64, len(data.Nodes))
	for i, node := range data.Nodes {
		require.Less(t, node[0], int64(i))
		require.Less(t, node[1], int64(len(data.Frames)))
		if node[0] >= 0 {
			sums[node[0]] += node[3]
		}
	}
	assert.Equal(t, []int64{-1, 0, 3 << 20, 3 << 20, 4096, 3 << 20}, data.Nodes[0])
	assert.Equal(t, int64(3<<20), sums[0])
	names := ""
	for _, frame := range data.Frames {
		names += frame[0] + "\n"
	}
	assert.Contains(t, names, "box_new")
	assert.Contains(t, names, "</script>")
}

// Many sites, deep stacks and numbers at their ends make a page of a bounded size.
func TestExtremes(t *testing.T) {
	doc := hunted("")
	deep := make([]model.Frame, 5000)
	for i := range deep {
		deep[i] = model.Frame{Function: strings.Repeat("f", i%300), File: "f.c", Line: i}
	}
	for i := range 3000 {
		doc.Samples = append(doc.Samples, model.Sample{Stack: model.Stack{Frames: deep[:i%1000]}, Process: 99, Class: model.ClassHeap, AllocatedBytes: math.MaxUint64, LiveSeries: []uint64{math.MaxUint64, 0}})
		doc.Growth = append(doc.Growth, model.Growth{Sample: len(doc.Samples) - 1, LiveBytes: math.MaxUint64, BytesPerSecond: math.Inf(1), Kind: model.GrowthRising, Blame: &model.Blame{Frame: i - 5}})
	}
	doc.Growth = append(doc.Growth, model.Growth{Sample: -1, Kind: model.GrowthRising}, model.Growth{Sample: 1 << 30})
	for range 5000 {
		doc.Processes[0].Timeline = append(doc.Processes[0].Timeline, model.Moment{SinceStart: math.MaxInt64, LiveBytes: math.MaxUint64})
	}
	text := pageOf(t, doc)
	assert.Less(t, len(text), 16<<20)
	assert.Contains(t, text, "are not listed")
	assert.NotContains(t, text, "NaN")
}

// browse opens a page from its file in Chromium and gives the document that its
// script has made of it.
func browse(t *testing.T, text string) string {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "chromium is not installed")
		t.Skip("chromium is not installed (scripts/bootstrap test)")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "hunt.html")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	command := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--enable-logging=stderr", "--dump-dom", "file://"+file)
	var stderr bytes.Buffer
	command.Stderr, command.WaitDelay = &stderr, 10*time.Second
	dom, err := command.Output()
	require.NoError(t, err, "%s", stderr.String())
	for line := range strings.Lines(stderr.String()) {
		assert.NotContains(t, line, "CONSOLE", "the page's own errors and what the policy refused")
	}
	return string(dom)
}

// A real browser shows the leaking line, and draws it.
func TestBrowser(t *testing.T) {
	dom := browse(t, pageOf(t, hunted("")))
	assert.Regexp(t, `<b>box_new</b></a>.*<code>/src/box.c:42</code>`, dom)
	assert.NotContains(t, dom, `id="flame-section" hidden`)
	assert.Regexp(t, `<button type="button" class="box c entered"[^>]*title="box_new · /src/box.c:42 · c · entered python → c — 3.0 MiB, 100.0 %"[^>]*>box_new  box.c:42</button>`, dom)
	assert.Contains(t, dom, `class="box c runtime"`)
}

// Names that are markup stay names.
func TestBrowserObeysNoName(t *testing.T) {
	dom := browse(t, pageOf(t, hunted(hostile)))
	assert.Contains(t, dom, `class="box c entered"`, "the page's own script ran")
	assert.NotContains(t, dom, "<title>owned</title>")
	assert.NotRegexp(t, `(?i)<(img|svg onload)`, regexp.MustCompile(`(?s)<script.*?</script>|"[^"]*"`).ReplaceAllString(dom, ""))
}
