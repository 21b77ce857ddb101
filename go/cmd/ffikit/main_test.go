package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ffikit/ffikit/go/object"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ffikit": main})
}

// TestScripts runs the command as a person does; the scripts are in
// testdata/script. Beyond testscript's own they know:
//
//	exits N ffikit ARG…   the command ends with exit code N
//	valid-json FILE       the file (or stdout) is one JSON document
//	readlink LINK TARGET  the file is a symbolic link to a file of that name
//	line-of MARK FILE VAR sets VAR to the number of the line that holds MARK
//	serve-debug VAR FILE… serves debug files as debuginfod does, at the URL in VAR
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SANITIZE", "-g -O1 -fsanitize=address,undefined -shared-libasan -fno-omit-frame-pointer -fno-optimize-sibling-calls")
			env.Setenv("ASAN_OPTIONS", "")
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			agent, err := filepath.Abs("../../../build/lib/libffikit_agent.so")
			if err != nil {
				return err
			}
			env.Setenv("FFIKIT_AGENT", agent)
			// Go programs are built with what was compiled already.
			goCache, err := exec.Command("go", "env", "GOCACHE").Output()
			if err != nil {
				return err
			}
			env.Setenv("GOCACHE", strings.TrimSpace(string(goCache)))
			// The interpreter itself: a version manager's shim needs a home.
			python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
			env.Setenv("PYTHON", strings.TrimSpace(string(python)))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "valid-json": validJSON, "line-of": lineOf, "readlink": readLink,
			"serve-debug": serveDebug,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func validJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: valid-json FILE")
	}
	var document map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &document))
	if document["schema"] == nil {
		ts.Fatalf("no schema in the document")
	}
}

func readLink(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: readlink LINK TARGET")
	}
	target, err := os.Readlink(ts.MkAbs(args[0]))
	ts.Check(err)
	if filepath.Base(target) != args[1] {
		ts.Fatalf("%s points to %s", args[0], target)
	}
}

func lineOf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: line-of MARK FILE VAR")
	}
	for i, line := range strings.Split(ts.ReadFile(args[1]), "\n") {
		if strings.Contains(line, args[0]) {
			ts.Setenv(args[2], strconv.Itoa(i+1))
			return
		}
	}
	ts.Fatalf("no line of %s holds %q", args[1], args[0])
}

func serveDebug(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serve-debug VAR FILE…")
	}
	files := map[string]string{}
	for _, name := range args[1:] {
		file, err := object.Open(ts.MkAbs(name))
		ts.Check(err)
		files["/buildid/"+file.BuildID()+"/debuginfo"] = file.Path()
		ts.Check(file.Close())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file, ok := files[r.URL.Path]; ok {
			http.ServeFile(w, r, file)
			return
		}
		http.NotFound(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// The tests need real compilers; that they are there is part of the test.
func TestToolsAreHere(t *testing.T) {
	for _, tool := range []string{"clang-19", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Errorf("%v: run scripts/bootstrap", err)
		}
	}
	if _, err := os.Stat("testdata/script"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("../../../build/lib/libffikit_agent.so"); err != nil {
		t.Errorf("%v: run make agent", err)
	}
}
