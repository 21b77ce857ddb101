//! Leaks: the companion hides none and makes none, and each leaked object has the
//! stack that allocated it.

mod support;

use std::path::Path;
use support::{build, line_of, Build, Role, Run, SHARED};

const SOURCE: &str = "leaks.c";
const KINDS: [&str; 9] = [
    "",
    "lost",
    "lost freed moved",
    "threads",
    "lost threads",
    "starting",
    "overwritten",
    "atexit",
    "lost freed moved threads overwritten atexit",
];

/// The sizes of what leaked, in order.
fn sizes(run: Run) -> Vec<u64> {
    let ended = run.run();
    ended.assert_success();
    let mut sizes: Vec<_> = ended.leaked().into_values().collect();
    sizes.sort();
    sizes
}

/// The run without the companion has the stacks that ASan is run with alone.
fn assert_same(program: &Path, kind: &str, own_runtime: bool) {
    let run = |run: Run| if own_runtime { run.own_runtime() } else { run };
    let alone = run(Run::new(program).arg(kind))
        .options("fast_unwind_on_malloc=0:malloc_context_size=40")
        .alone();
    let (mut alone, mut beside) = (sizes(alone), sizes(run(Run::new(program).arg(kind))));
    if kind == "starting" {
        // What glibc allocates for threads that have not yet run looks leaked to ASan in every third run or so.
        for sizes in [&mut alone, &mut beside] {
            sizes.retain(|size| *size == 700);
        }
    }
    assert_eq!(beside, alone, "{kind:?}");
    if kind.contains("lost") {
        assert!(alone.len() >= 8, "{alone:?}");
    }
}

#[test]
fn no_leak_is_hidden_and_none_is_made() {
    let program = build(SOURCE);
    for kind in KINDS {
        assert_same(&program, kind, false);
    }
}

#[test]
fn nor_with_a_runtime_in_the_program_or_with_gcc() {
    for (compiler, flags) in [("clang-19", &SHARED[..1]), ("gcc", &["-fsanitize=address"])] {
        let program = Build {
            source: SOURCE,
            compiler,
            flags,
        }
        .build();
        for kind in ["", "lost threads", "atexit"] {
            assert_same(&program, kind, true);
        }
    }
}

#[test]
fn leaks_have_their_stacks() {
    for (program, own_runtime) in [
        (build(SOURCE), false),
        (
            Build {
                source: SOURCE,
                compiler: "clang-19",
                flags: &SHARED[..1],
            }
            .build(),
            true,
        ),
        (
            Build {
                source: SOURCE,
                compiler: "gcc",
                flags: &["-fsanitize=address"],
            }
            .build(),
            true,
        ),
    ] {
        let mut run = Run::new(&program).arg("lost");
        if own_runtime {
            run = run.own_runtime();
        }
        let ended = run.run();
        ended.assert_success();
        let evidence = ended.evidence();
        let leaked = ended.leaked();
        assert_eq!(leaked.len(), 8, "{leaked:?}");
        assert_eq!(evidence.reports.len(), 8);
        for (address, size) in leaked {
            let leak = evidence.leak(address);
            assert_eq!(leak.sequence, 0);
            let expected = match size {
                100..=102 => [("take", "TAKE"), ("lose", "LOSE"), ("main", "LOST")],
                48 => [("take", "TAKE"), ("lose_list", "LIST"), ("main", "LOST_LIST")],
                other => panic!("{other} bytes leaked"),
            };
            let expected = expected.map(|(function, marker)| (function.to_owned(), line_of(SOURCE, marker)));
            assert_eq!(evidence.chain(leak.stack, SOURCE), expected);
        }
    }
}

#[test]
fn an_address_that_is_used_again_has_its_last_stack() {
    let ended = Run::new(build(SOURCE))
        .arg("overwritten")
        .options("quarantine_size_mb=0:thread_local_quarantine_size_kb=0")
        .run();
    let evidence = ended.evidence();
    let leaks: Vec<_> = evidence
        .reports
        .iter()
        .filter(|report| report.role == Role::Leak)
        .collect();
    assert_eq!(leaks.len(), 1);
    assert_eq!(evidence.chain(leaks[0].stack, SOURCE)[1].0, "lose");
}

#[test]
fn leaks_that_end_the_process_are_told_too() {
    let ended = Run::new(build(SOURCE))
        .arg("lost")
        .options("exitcode=23:abort_on_error=0")
        .run();
    assert_eq!(ended.status.code(), Some(23), "{}", ended.stderr);
    assert_eq!(ended.evidence().reports.len(), 8);
}

#[test]
fn who_wants_no_leak_check_gets_none() {
    let program = Build {
        source: SOURCE,
        compiler: "clang-19",
        flags: &SHARED[..1],
    }
    .build();
    for options in ["detect_leaks=0", "leak_check_at_exit=0"] {
        let ended = Run::new(&program)
            .own_runtime()
            .arg("lost")
            .options(options)
            .run();
        ended.assert_success();
        assert_eq!(
            (ended.log(), ended.processes()),
            (String::new(), vec![]),
            "{options}"
        );
    }
}
