package merge

import (
	"strings"

	"github.com/ffikit/ffikit/go/model"
)

// systemFolders hold what a user installed and did not write. `/usr/src/app`
// and `/usr/local/src`, where containers keep an application, are none.
var systemFolders = []string{
	"/usr/include/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libexec/", "/usr/share/", "/usr/bin/", "/usr/sbin/",
	"/usr/local/go/", "/usr/local/include/", "/usr/local/lib/", "/usr/local/bin/", "/usr/src/debug/", "/usr/src/python",
	"/lib/", "/lib32/", "/lib64/", "/bin/", "/sbin/", "/nix/store/", "/rustc/", "/rust/deps/", "/proc/", "/dev/",
}

// systemParts are folders of package managers and toolchains, wherever they
// lie: Cargo's registry and git checkouts, Go's module cache, installed
// Python packages, rust-src, and Conda.
var systemParts = []string{
	"/registry/src/", "/git/checkouts/", "/pkg/mod/", "/site-packages/", "/dist-packages/", "/lib/rustlib/", "/.pyenv/versions/",
	"/include/python3.", "/lib/python3.", "/include/c++/",
}

// isSystemFile reports that a frame's source is a library's that the user
// installed, judged by its path and, for Go's own library, its package.
func isSystemFile(f *model.Frame) bool {
	return f.File != "" && (f.File[0] == '<' && !isPythonInput(f) || isSystemFolder(f.File) || isGoLibrary(f))
}

// isPythonInput: what a user hands to the interpreter without a file.
func isPythonInput(f *model.Frame) bool {
	return f.Language == model.LanguagePython && (f.File == "<string>" || f.File == "<stdin>")
}

func isSystemFolder(p string) bool {
	for _, folder := range systemFolders {
		if strings.HasPrefix(p, folder) {
			return true
		}
	}
	return isInstalled(p)
}

// isInstalled reports a path in a folder of a package manager or toolchain.
func isInstalled(p string) bool {
	for _, part := range systemParts {
		if strings.Contains(p, part) {
			return true
		}
	}
	return false
}

// isPythonPackage reports a module that was installed into a Python: the last
// place to look for a user's frame, since users install their own extensions.
func isPythonPackage(module string) bool {
	return strings.Contains(module, "/site-packages/") || strings.Contains(module, "/dist-packages/")
}

// goLibraryRoots are the first elements of the import paths of Go's library
// (`go list std`, Go 1.26).
var goLibraryRoots = map[string]bool{
	"archive": true, "bufio": true, "bytes": true, "cmp": true, "compress": true, "container": true, "context": true, "crypto": true,
	"database": true, "debug": true, "embed": true, "encoding": true, "errors": true, "expvar": true, "flag": true, "fmt": true, "go": true,
	"hash": true, "html": true, "image": true, "index": true, "internal": true, "io": true, "iter": true, "log": true, "maps": true,
	"math": true, "mime": true, "net": true, "os": true, "path": true, "plugin": true, "reflect": true, "regexp": true, "runtime": true,
	"slices": true, "sort": true, "strconv": true, "strings": true, "structs": true, "sync": true, "syscall": true, "testing": true,
	"text": true, "time": true, "unicode": true, "unique": true, "unsafe": true, "vendor": true, "weak": true,
}

// isGoLibrary: GOROOT may lie anywhere, so that the package tells: its first
// element is one of Go's, and the file lies in a folder of that name below
// `src` (or in a build with trimmed paths, right there).
func isGoLibrary(f *model.Frame) bool {
	if f.Language != model.LanguageGo && f.Language != model.LanguageAsm {
		return false
	}
	root, _, _ := strings.Cut(f.Function, ".")
	root, _, _ = strings.Cut(root, "/")
	return goLibraryRoots[root] && (strings.Contains(f.File, "/src/"+root+"/") || strings.HasPrefix(f.File, root+"/"))
}
