//! Stacks that go C → Go → C → Go → C, with every minor release of Go and every way to link
//! it: each function of the sources in its order, on its line, from the leaf to the root.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exe,
    /// By Go's own linker, which leaves the C code's CFI out.
    Internal,
    Pie,
    /// Without symbols, debug information or build ID.
    Stripped,
    Shared,
    /// Without symbols, and without section headers: nothing names `.gopclntab`.
    SharedStripped,
}

use Kind::*;

impl Kind {
    const ALL: [Kind; 6] = [Exe, Internal, Pie, Stripped, Shared, SharedStripped];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Exe => &[],
            Internal => &["-ldflags=-linkmode=internal"],
            Pie => &["-buildmode=pie"],
            Stripped => &["-ldflags=-s -w -buildid="],
            Shared => &["-buildmode=c-shared"],
            SharedStripped => &["-buildmode=c-shared", "-ldflags=-s -w"],
        }
    }

    fn is_library(self) -> bool {
        matches!(self, Shared | SharedStripped)
    }
}

/// What stands between two goes of main.turn, the innermost first.
const ROUND: [&str; 7] = [
    "main.turn[...]",
    "main.goInner",
    "c_inner",
    "main.inward",
    "main.(*weaver).weave",
    "main.goMiddle",
    "c_outer",
];

/// The chain with so many rounds, called by `callers`.
fn chain(rounds: usize, callers: &[&'static str]) -> Vec<&'static str> {
    let mut chain = vec!["c_leaf"];
    chain.extend(std::iter::repeat_n(ROUND, rounds).flatten());
    chain.push("main.run");
    chain.extend(callers);
    chain
}

/// A stack has exactly these functions of the sources, ends at `root`, and is complete.
fn check(stack: Option<&Stack>, expected: &[&str], root: &str, markers: &Markers) {
    let stack = stack.expect("the stack was told");
    assert_eq!(stack.of_sources(), expected, "{:#?}", stack.names());
    assert_eq!(stack.names().last(), Some(&root), "{:#?}", stack.names());
    assert_eq!(stack.end, "Complete");
    let inlined: Vec<_> = stack
        .calls
        .iter()
        .filter(|call| call.name == "main.inward" && call.inlined)
        .collect();
    assert_eq!(
        inlined.len(),
        expected.iter().filter(|name| **name == "main.inward").count()
    );
    markers.check(stack);
}

fn check_program(program: &Path, kind: Kind, markers: &Markers) {
    let stacks = stacks::<&str>(program, &[], &[]);
    let labels = [
        ("main", 1, "main.main"),
        ("deep", 4, "main.main"),
        ("goroutine", 1, "main.onAnotherGoroutine.func1"),
    ];
    for (label, rounds, caller) in labels {
        let mut expected = chain(rounds, &[caller]);
        if kind == Internal {
            // Nothing tells these frames; what called them is told.
            expected.retain(|name| !name.starts_with("c_"));
        }
        check(stacks.get(label), &expected, "runtime.goexit", markers);
    }
    assert_eq!(stacks.len(), labels.len());
}

fn check_library(library: &Path, markers: &Markers) {
    let functions = ["gochainFromC", "gochainGoroutine"].map(OsStr::new);
    let stacks = stacks(caller(), &[&functions[..], &[library.as_os_str()]].concat(), &[]);
    check(
        stacks.get("c"),
        &chain(1, &["main.gochainFromC", "caller", "main"]),
        "_start",
        markers,
    );
    let goroutine = stacks.get("goroutine-of-c");
    check(
        goroutine,
        &chain(1, &["main.onAnotherGoroutine.func1"]),
        "runtime.goexit",
        markers,
    );
    assert_eq!(stacks.len(), 2);
}

fn caller() -> &'static Path {
    static CALLER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    CALLER.get_or_init(|| {
        let output = scratch("caller").join("caller");
        compile(&program("gochain-caller/caller.c"), &output, &["-ldl"])
    })
}

fn built(release: &str, kind: Kind) -> PathBuf {
    let output = scratch(&format!("{release}-{kind:?}")).join("gochain");
    build(release, &program("gochain"), &output, kind.flags());
    if matches!(kind, Stripped | SharedStripped) {
        remove_section_headers(&output);
    }
    output
}

#[test]
fn every_release_however_it_is_linked() {
    let markers = Markers::of(&program("gochain"));
    probe();
    RELEASES.iter().for_each(|release| require_release(release));
    let jobs = RELEASES
        .iter()
        .flat_map(|release| Kind::ALL.map(|kind| (*release, kind)));
    in_parallel(jobs.collect(), |(release, kind)| {
        let binary = built(release, *kind);
        if kind.is_library() {
            check_library(&binary, &markers);
        } else {
            check_program(&binary, *kind, &markers);
        }
    });
}

/// Two runtimes of different releases, each in a library of its own: C → Go A → C → Go B → C, with three
/// crossings in each.
#[test]
fn two_runtimes_in_one_process() {
    let markers = Markers::of(&program("gochain"));
    let library = |release, kind: Kind| {
        require_release(release);
        let output = scratch(&format!("two-{release}-{kind:?}")).join("libgochain.so");
        build(release, &program("gochain"), &output, kind.flags())
    };
    let (first, second) = (library(RELEASES[0], Shared), library(RELEASES[5], SharedStripped));
    let functions = ["gochainFromC", "gochainGoroutine"].map(OsStr::new);
    let libraries = [first.as_os_str(), second.as_os_str()];
    let stacks = stacks(caller(), &[functions, libraries].concat(), &[]);
    let inner = chain(1, &["main.gochainFromC"]);
    let outer = chain(1, &["main.gochainFromC", "caller", "main"]);
    check(stacks.get("c"), &outer, "_start", &markers);
    check(stacks.get("both"), &[inner, outer].concat(), "_start", &markers);
}

/// An archive inside of a Rust library: Go's build ID and its C code's names are the linker's to keep or drop.
#[test]
fn archive_in_a_rust_library() {
    let markers = Markers::of(&program("gochain"));
    in_parallel(vec![RELEASES[0], RELEASES[5]], |release| {
        require_release(release);
        let directory = scratch(&format!("archive-{release}"));
        let archive = directory.join("libgochain.a");
        build(release, &program("gochain"), &archive, &["-buildmode=c-archive"]);
        let library = directory.join("libthrough.so");
        let mut rustc = Command::new("rustc");
        rustc
            .args([
                "--edition=2021",
                "--crate-type=cdylib",
                "-O",
                "-Cdebuginfo=1",
                "-o",
            ])
            .arg(&library);
        rustc
            .arg("-L")
            .arg(&directory)
            .args(["-lstatic=gochain", "-Clink-arg=-Wl,-z,nodelete"]);
        succeed(rustc.arg(program("gochain-cdylib/lib.rs")));

        let functions = ["c_through_rust", "gochain_goroutine"].map(OsStr::new);
        let mut stacks = stacks(caller(), &[&functions[..], &[library.as_os_str()]].concat(), &[]);
        stacks
            .values_mut()
            .for_each(|stack| stack.name_by_symbol_table(&library));
        let callers = ["main.gochainFromC", "c_through_rust", "caller", "main"];
        check(stacks.get("c"), &chain(1, &callers), "_start", &markers);
        let goroutine = chain(1, &["main.onAnotherGoroutine.func1"]);
        check(
            stacks.get("goroutine-of-c"),
            &goroutine,
            "runtime.goexit",
            &markers,
        );
    });
}

/// Go code of two modules, host → plugin → host → plugin, each with its own tables.
#[test]
fn a_plugin_of_a_go_program() {
    let release = RELEASES[5];
    require_release(release);
    let (source, directory) = (program("goplugin"), scratch("plugin"));
    let built = |package: &str, mode: &str| {
        let output = directory.join(package);
        succeed(
            go(release, &source)
                .args(["build", "-trimpath", mode, "-o"])
                .arg(&output)
                .arg(format!("./{package}")),
        );
        output
    };
    let (plugin, host) = (
        built("plugin", "-buildmode=plugin"),
        built("host", "-buildmode=exe"),
    );
    let stacks = stacks(&host, &[&plugin], &[]);
    let stack = &stacks["plugin"];
    let calls = stack.names();
    let calls = calls
        .iter()
        .filter(|name| name.contains("plugin.") || name.starts_with("main."));
    let expected = [
        "goplugin/plugin._Cfunc_c_leaf",
        "goplugin/plugin.Leaf",
        "main.through",
        "main.main.func1",
        "goplugin/plugin.Run",
        "main.main",
    ];
    assert_eq!(calls.copied().collect::<Vec<_>>(), expected);
    assert_eq!(stack.names().last(), Some(&"runtime.goexit"));
    assert_eq!(stack.end, "Complete");
}
