//! Python's frames, as each CPython of this machine sees them itself: frames.py
//! compares, in one expression, what the crate says with `sys._getframe` and its
//! own code objects, and native frames with libgcc's.

mod pythonsupport;

use pythonsupport::{manifest_path, printed, probe, pythons, run};

/// What frames.py must have compared; a case that went missing there is missed here.
const CASES: [&str; 19] = [
    "threads",
    "foreign_threads",
    "forks",
    "sub_interpreters",
    "interpreters_inside_each_other",
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
    "tracing",
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

#[test]
fn lines_are_those_of_code_objects() {
    for python in pythons() {
        let program = manifest_path("tests/programs/python/lines.py");
        let said = printed(&mut run(&python, &[&program, probe()]));
        let counts: Vec<u32> = said
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        let [instructions, functions, without_line] = counts[..] else {
            panic!("CPython {}: {said}", python.version);
        };
        // Enough of each kind to mean something.
        assert!(
            instructions > 15_000 && functions > 500 && without_line > 100,
            "CPython {}: {said}",
            python.version
        );
    }
}
