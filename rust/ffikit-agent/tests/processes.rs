//! Processes that fork, exec, unload libraries, close descriptors or are killed:
//! their evidence is theirs, and they notice nothing.

mod support;

use std::path::PathBuf;
use support::{build, line_of, Build, Ended, Evidence, Role, Run, SHARED};

const SOURCE: &str = "processes.c";

fn program() -> PathBuf {
    let flags = &[SHARED, &["-fsanitize-recover=address"]].concat();
    Build {
        source: SOURCE,
        compiler: "clang-19",
        flags,
    }
    .build()
}

fn run(kind: &str) -> Ended {
    let ended = Run::new(program())
        .arg(kind)
        .options("halt_on_error=0:suppress_equal_pcs=0:detect_leaks=0")
        .run();
    assert!(
        !ended.stdout.contains("failed"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    ended
}

/// The functions of a report's stacks, fault, free and allocation; without main.
fn assert_report(evidence: &Evidence, sequence: u32, caller: &str) {
    for (role, leaf) in [(Role::Fault, "use"), (Role::Free, ""), (Role::Allocation, "make")] {
        let chain = evidence.chain(evidence.report(sequence, role).stack, SOURCE);
        let names: Vec<_> = chain.iter().map(|(function, _)| function.as_str()).collect();
        let leaf: &[&str] = if leaf.is_empty() { &[] } else { &[leaf] };
        assert!(
            names.starts_with(&[leaf, &["fault", caller]].concat()),
            "{role:?} of {sequence}: {names:?}"
        );
    }
}

fn children(ended: &Ended) -> Vec<u32> {
    let children = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("child ")?.parse().ok());
    children.collect()
}

#[test]
fn a_forked_child_writes_its_own() {
    let ended = run("forks");
    ended.assert_success();
    let evidence = ended.evidence();
    assert_eq!(evidence.reports.len(), 6);
    for sequence in 0..2 {
        assert_report(&evidence, sequence, "parent_fault");
    }
    let child = children(&ended)[0];
    let evidence = ended.evidence_of(child);
    // What the parent has allocated the child knows.
    let first = evidence.report(0, Role::Allocation);
    assert_eq!(
        evidence.chain(first.stack, SOURCE)[..2]
            .iter()
            .map(|frame| frame.0.as_str())
            .collect::<Vec<_>>(),
        ["make", "forks"]
    );
    assert_eq!(
        evidence.chain(evidence.report(0, Role::Free).stack, SOURCE)[0].0,
        "forks"
    );
    assert_report(&evidence, 1, "child_fault");
    assert_eq!(evidence.reports.len(), 6);
    assert_eq!(ended.processes().len(), 2);
}

#[test]
fn children_that_share_memory_write_their_own() {
    let ended = run("vforks");
    ended.assert_success();
    let evidence = ended.evidence();
    assert_eq!(evidence.reports.len(), 6, "{:?}", evidence.reports);
    for sequence in 0..2 {
        assert_report(&evidence, sequence, "parent_fault");
    }
    let children = children(&ended);
    assert_report(&ended.evidence_of(children[0]), 0, "parent_fault");
    assert_report(&ended.evidence_of(children[1]), 0, "child_fault");
}

#[test]
fn a_program_that_is_replaced_leaves_what_its_log_has() {
    let ended = run("exec");
    ended.assert_success();
    let evidence = ended.evidence();
    assert_eq!(
        ended.log().matches("ERROR: AddressSanitizer").count(),
        1,
        "the sanitizer begins anew"
    );
    assert_report(&evidence, 0, "parent_fault");
    assert_eq!(evidence.reports.len(), 3);
    let chain = evidence.chain(evidence.report(0, Role::Fault).stack, SOURCE);
    assert_eq!(chain.last(), Some(&("main".to_owned(), line_of(SOURCE, "ONE"))));
}

#[test]
fn descriptors_of_the_program_are_left_alone() {
    let ended = run("closes");
    ended.assert_success();
    // The sanitizer's own log was closed; ours was opened again.
    let evidence = ended.evidence();
    assert_eq!(
        evidence
            .reports
            .iter()
            .filter(|report| report.role == Role::Fault)
            .count(),
        3
    );
    assert!(!evidence.is_torn);
}

#[test]
fn a_module_that_was_unloaded_is_named() {
    let plugin = Build {
        source: "plugin.c",
        compiler: "clang-19",
        flags: &["-fsanitize=address", "-shared-libasan", "-shared", "-fPIC"],
    };
    let plugin = plugin.build();
    let run = Run::new(program()).arg("unloads").arg(&plugin);
    let ended = run
        .options("halt_on_error=0:suppress_equal_pcs=0:detect_leaks=0")
        .run();
    ended.assert_success();
    let evidence = ended.evidence();
    for sequence in 0..3 {
        let allocation = evidence.report(sequence, Role::Allocation);
        let expected = [("inner", "PLUGIN"), ("plugin_make", "PLUGIN_MAKE")];
        let expected = expected.map(|(function, marker)| (function.to_owned(), line_of("plugin.c", marker)));
        assert_eq!(evidence.chain(allocation.stack, "plugin.c"), expected);
        assert!(evidence
            .chain(allocation.stack, SOURCE)
            .iter()
            .any(|frame| frame.0 == "main"));
    }
}

#[test]
fn a_killed_process_leaves_what_it_had() {
    for kind in ["killed", "_exit"] {
        let ended = run(kind);
        assert!(!ended.stdout.contains("done"));
        let evidence = ended.evidence();
        assert_report(&evidence, 0, "parent_fault");
        assert!(!evidence.is_torn && evidence.statistics.is_none());
    }
}

#[test]
fn errno_stays() {
    let ended = run("errno");
    ended.assert_success();
    assert_eq!(ended.processes(), [], "who has no report leaves no file");
}

#[test]
fn small_and_strange_stacks_are_walked() {
    let ended = run("small");
    ended.assert_success();
    assert_eq!(ended.stdout, "done\n");
    let ended = run("alternate");
    ended.assert_success();
    let evidence = ended.evidence();
    assert_report(&evidence, 0, "alternate");
    let chain = evidence.chain(evidence.report(0, Role::Free).stack, SOURCE);
    assert!(
        chain.contains(&("alternate_stack".to_owned(), line_of(SOURCE, "ALTERNATE"))),
        "{chain:?}"
    );
}

#[test]
fn it_does_nothing_where_it_was_not_asked() {
    let plain = Build {
        source: SOURCE,
        compiler: "gcc",
        flags: &[],
    }
    .build();
    let ended = Run::new(&plain).own_runtime().arg("small").run();
    ended.assert_success();
    assert_eq!(
        (ended.stdout.as_str(), ended.processes()),
        ("done\n", vec![]),
        "no sanitizer"
    );
    for prefix in ["", "relative/stacks", "/nonexistent-folder/stacks"] {
        let program = build(SOURCE);
        let ended = Run::new(program)
            .arg("one")
            .options("detect_leaks=0")
            .prefix(prefix)
            .run();
        assert!(ended.aborted(), "{prefix:?}: {}", ended.stderr);
        assert!(
            ended.log().contains("heap-use-after-free"),
            "the sanitizer works as without us"
        );
        assert_eq!(ended.processes(), []);
    }
}

#[test]
fn a_small_limit_is_kept_and_told() {
    let ended = Run::new(program())
        .arg("forks")
        .env("FFIKIT_COMPANION_LIMIT", "64K")
        .options("halt_on_error=0:suppress_equal_pcs=0:detect_leaks=0")
        .run();
    ended.assert_success();
    let evidence = ended.evidence();
    let fault = evidence.report(0, Role::Fault);
    assert_eq!(evidence.chain(fault.stack, SOURCE)[0].0, "use");
}
