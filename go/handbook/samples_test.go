package handbook

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ffikit/ffikit/go/doctor"
)

// program builds and runs one variant of a page's code, in a folder of its
// own, with the recipe of the page "flags".
type program struct {
	t      *testing.T
	dir    string
	ffikit string
}

const cFlags = "-g -O1 -fPIC -fsanitize=address,undefined -fno-omit-frame-pointer -fno-optimize-sibling-calls -shared-libasan"

// TestSamples builds and runs all pages' code: the faulty code must give the
// finding that its page is about, at the line that its comment marks; the
// mended code must give none.
func TestSamples(t *testing.T) {
	command := buildCommand(t)
	for _, page := range Pages() {
		if strings.HasPrefix(page.Shows, "doctor:") {
			continue // a page about building, not about running: TestBuildSamples
		}
		t.Run(page.Name, func(t *testing.T) {
			t.Parallel()
			faulty := &program{t, t.TempDir(), command}
			document, status := faulty.run(page, Faulty)
			require.NotEmpty(t, document.Reports, "findings of the faulty code")
			assert.Equal(t, 1, status)
			file, line := marked(t, page)
			kinds := []string{}
			for _, report := range document.Reports { // two tools may see one fault
				kinds = append(kinds, report.Kind)
				require.NotNil(t, report.Blame)
				blamed := report.Stacks[report.Blame.Stack].Frames[report.Blame.Frame]
				assert.Equal(t, file, filepath.Base(blamed.File))
				assert.Equal(t, line, blamed.Line)
			}
			assert.Contains(t, kinds, page.Shows)
			assert.Subset(t, append(page.Kinds, page.Shows), kinds)

			mended := &program{t, t.TempDir(), command}
			document, status = mended.run(page, Mended)
			assert.Empty(t, document.Reports, "findings of the mended code")
			assert.Equal(t, 0, status)
		})
	}
}

// TestBuildSamples runs the commands of the pages about building: doctor must
// name the fault in what the faulty ones built, and nothing in the others.
func TestBuildSamples(t *testing.T) {
	ran := 0
	for _, page := range Pages() {
		check, ok := strings.CutPrefix(page.Shows, "doctor:")
		if !ok {
			continue
		}
		ran++
		for variant, want := range map[Variant][]doctor.Check{Faulty: {doctor.Check(check)}, Mended: {}} {
			p := &program{t: t, dir: t.TempDir()}
			p.write(page, variant)
			commands, err := os.ReadFile(filepath.Join(p.dir, "commands"))
			require.NoError(t, err)
			for _, line := range strings.Split(strings.TrimSpace(string(commands)), "\n") {
				words := strings.Fields(line)
				p.exec(nil, words[0], words[1:]...)
			}
			modules, unread := doctor.FindModules([]string{p.dir})
			require.Empty(t, unread)
			require.NotEmpty(t, modules)
			found := []doctor.Check{}
			for _, finding := range doctor.CheckModules(modules) {
				found = append(found, finding.Check)
			}
			assert.Equal(t, want, found, "%s, %s", page.Name, variant)
		}
	}
	assert.Positive(t, ran)
}

// marked finds the comment that marks the line to be blamed.
func marked(t *testing.T, page Page) (file string, line int) {
	t.Helper()
	for _, sample := range page.Samples {
		for i, text := range strings.Split(sample.Text, "\n") {
			if sample.Variant == Faulty && (strings.HasSuffix(text, "// blamed") || strings.HasSuffix(text, "/* blamed */") || strings.HasSuffix(text, "# blamed")) {
				require.Empty(t, file, "one line is marked")
				file, line = sample.File, i+1
			}
		}
	}
	require.NotEmpty(t, file, "a line is marked")
	return file, line
}

type document struct {
	Reports []struct {
		Kind   string
		Stacks []struct {
			Frames []struct {
				File string
				Line int
			}
		}
		Blame *struct{ Stack, Frame int }
	}
}

// write puts the files of one variant into the program's folder, and gives
// their names by language.
func (p *program) write(page Page, variant Variant) map[string][]string {
	p.t.Helper()
	byLanguage := map[string][]string{}
	for _, sample := range page.Samples {
		if sample.Variant == variant {
			require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, sample.File), []byte(sample.Text), 0o644))
			byLanguage[sample.Language] = append(byLanguage[sample.Language], sample.File)
		}
	}
	return byLanguage
}

func (p *program) run(page Page, variant Variant) (document, int) {
	p.t.Helper()
	argv := p.build(p.write(page, variant))
	args := append([]string{"sanitize", "--json", "--source-root", p.dir, "--"}, argv...)
	command := exec.Command(p.ffikit, args...)
	command.Dir = p.dir
	agent, err := filepath.Abs("../../build/lib/libffikit_agent.so")
	require.NoError(p.t, err)
	require.FileExists(p.t, agent, "make agent builds it")
	command.Env = append(os.Environ(), "FFIKIT_AGENT="+agent)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	watchdog := time.AfterFunc(2*time.Minute, func() { _ = command.Process.Kill() })
	defer watchdog.Stop()
	_ = command.Run() // findings and faults end it with a status, looked at below
	var read document
	require.NoError(p.t, json.Unmarshal(stdout.Bytes(), &read), "stderr: %s", &stderr)
	return read, command.ProcessState.ExitCode()
}

// build gives the command line of the program that it built.
func (p *program) build(byLanguage map[string][]string) []string {
	switch {
	case byLanguage["go"] != nil:
		p.exec([]string{"CC=clang-19", "CGO_ENABLED=1", "GOFLAGS=-mod=mod", "CGO_CFLAGS=-g -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize=function,vptr",
			"CGO_LDFLAGS=-g -fsanitize=address,undefined -shared-libasan"}, "go", "build", "-asan", "-o", "app", "main.go")
		return []string{filepath.Join(p.dir, "app")}
	case byLanguage["python"] != nil:
		for _, source := range byLanguage["c"] {
			p.exec(nil, "clang-19", append(strings.Fields(cFlags), "-shared", source, "-o", "lib"+strings.TrimSuffix(source, ".c")+".so")...)
		}
		return []string{"python3", filepath.Join(p.dir, "main.py")}
	case byLanguage["rust"] != nil:
		p.rustLibrary(byLanguage["rust"][0])
		p.exec(nil, "clang-19", append(strings.Fields(cFlags), "main.c", "-o", "app", "-L.", "-llibrary", "-Wl,-rpath,$ORIGIN")...)
		return []string{filepath.Join(p.dir, "app")}
	}
	require.Fail(p.t, "no way to build this page's code")
	return nil
}

// rustLibrary builds liblibrary.so of one source file, with a package around
// it so that it can use ffikit-barrier.
func (p *program) rustLibrary(source string) {
	barrier, err := filepath.Abs("../../rust/ffikit-barrier")
	require.NoError(p.t, err)
	manifest := "[package]\nname = \"library\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[lib]\npath = \"" + source +
		"\"\ncrate-type = [\"cdylib\"]\n\n[dependencies]\nffikit-barrier = { path = \"" + barrier + "\" }\n\n[workspace]\n"
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, "Cargo.toml"), []byte(manifest), 0o644))
	const target = "x86_64-unknown-linux-gnu"
	p.exec([]string{"RUSTC_BOOTSTRAP=1", "CARGO_TARGET_DIR=" + filepath.Join(p.dir, "target"),
		"RUSTFLAGS=-Zsanitizer=address -Zexternal-clangrt -Cdwarf-version=5 -Cforce-frame-pointers=yes -Cdebuginfo=2 -Clinker=clang-19"},
		"cargo", "build", "--quiet", "--offline", "--target", target)
	require.NoError(p.t, os.Rename(filepath.Join(p.dir, "target", target, "debug", "liblibrary.so"), filepath.Join(p.dir, "liblibrary.so")))
}

func (p *program) exec(env []string, name string, args ...string) {
	p.t.Helper()
	command := exec.Command(name, args...)
	command.Dir = p.dir
	command.Env = append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	require.NoError(p.t, err, "%s", out)
}

// buildCommand builds ffikit itself.
func buildCommand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffikit")
	command := exec.Command("go", "build", "-o", path, "../cmd/ffikit")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}
