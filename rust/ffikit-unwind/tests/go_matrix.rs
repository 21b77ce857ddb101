//! Stacks that go C → Go → C → Go → C, with every minor release of Go and every way to link
//! it: each function of the sources in its order, on its line, from the leaf to the root.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;
use std::path::{Path, PathBuf};

/// How a program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exe,
    Pie,
    /// Without symbols, debug information or build ID.
    Stripped,
    Shared,
    /// Without symbols, and without section headers: nothing names `.gopclntab`.
    SharedStripped,
}

use Kind::*;

impl Kind {
    const ALL: [Kind; 5] = [Exe, Pie, Stripped, Shared, SharedStripped];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Exe => &[],
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

fn check_program(program: &Path, markers: &Markers) {
    let stacks = stacks::<&str>(program, &[], &[]);
    check(
        stacks.get("main"),
        &chain(1, &["main.main"]),
        "runtime.goexit",
        markers,
    );
    check(
        stacks.get("deep"),
        &chain(4, &["main.main"]),
        "runtime.goexit",
        markers,
    );
    check(
        stacks.get("goroutine"),
        &chain(1, &["main.onAnotherGoroutine.func1"]),
        "runtime.goexit",
        markers,
    );
    assert_eq!(stacks.len(), 3);
}

fn check_library(library: &Path, markers: &Markers) {
    let stacks = stacks(caller(), &["gochainFromC".as_ref(), library.as_os_str()], &[]);
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
            check_program(&binary, &markers);
        }
    });
}
