//! Python's frames, as each CPython of this machine sees them itself: frames.py
//! compares, in one expression, what the crate says with `sys._getframe` and its
//! own code objects, and native frames with libgcc's.

mod pythonsupport;

use pythonsupport::{manifest_path, printed, probe, pythons, run};

/// What frames.py must have compared; a case that went missing there is missed here.
const CASES: [&str; 18] = [
    "plain",
    "methods",
    "lambdas_and_comprehensions",
    "many_lines",
    "generators",
    "coroutines",
    "callbacks",
    "dynamic_code",
    "exceptions",
    "destructors",
    "recursion",
    "unicode_names",
    "reused_addresses",
    "threads",
    "foreign_threads",
    "forks",
    "tracing",
    "sub_interpreters",
];

#[test]
fn frames_are_those_that_python_names() {
    for python in pythons() {
        let said = printed(&mut run(
            &python,
            &[&manifest_path("tests/programs/python/frames.py"), probe()],
        ));
        let agreed = said
            .lines()
            .map(|line| line.strip_prefix("ok ").unwrap_or(line))
            .collect::<Vec<_>>();
        assert_eq!(agreed, CASES, "CPython {}", python.version);
    }
}
