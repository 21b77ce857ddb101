//! Faults: each report has the whole stacks of the fault, of the free, of the
//! allocation and of the thread's start.

mod support;

use support::{build, line_of, Build, Ended, Evidence, Role, Run, SHARED};

const SOURCE: &str = "faults.c";

fn fault(kind: &str) -> Ended {
    let ended = Run::new(build(SOURCE)).arg(kind).options("detect_leaks=0").run();
    assert!(
        ended.aborted(),
        "{kind}: {}\n{}{}",
        ended.status,
        ended.stdout,
        ended.stderr
    );
    ended
}

/// Function and marker of each expected frame.
fn assert_chain(evidence: &Evidence, stack: usize, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(function, marker)| (function.to_string(), line_of(SOURCE, marker)))
        .collect();
    assert_eq!(evidence.chain(stack, SOURCE), expected);
    let outermost = evidence.frames(stack).pop().unwrap();
    assert!(
        ["_start", "clone3", "__clone3", "clone"].contains(&outermost.function.as_str()),
        "{outermost:?}"
    );
}

fn assert_use_after_free(evidence: &Evidence, sequence: u32, above: &[(&str, &str)]) {
    let chain = |frames: &[(&'static str, &'static str)]| -> Vec<(String, String)> {
        let owned = frames.iter().chain(above);
        owned.map(|(a, b)| (a.to_string(), b.to_string())).collect()
    };
    for (role, leaf) in [
        (Role::Fault, chain(&[("use", "USE"), ("use_after_free", "USES")])),
        (
            Role::Free,
            chain(&[("drop", "FREE"), ("use_after_free", "DROPS")]),
        ),
        (
            Role::Allocation,
            chain(&[("make", "ALLOC"), ("use_after_free", "MAKES")]),
        ),
    ] {
        let leaf: Vec<_> = leaf.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_chain(evidence, evidence.report(sequence, role).stack, &leaf);
    }
}

#[test]
fn use_after_free_has_its_three_stacks() {
    let ended = fault("free");
    let evidence = ended.evidence();
    assert_use_after_free(&evidence, 0, &[("main", "MAIN_FREE")]);
    let report = evidence.report(0, Role::Fault);
    assert_eq!(report.kind, "heap-use-after-free");
    assert_eq!(report.thread, ended.pid);
    // The log names the address and the pc of the same fault.
    let said = format!(
        "heap-use-after-free on address {:#014x} at pc {:#014x}",
        report.address, report.pc
    );
    assert!(ended.log().contains(&said), "{said}\n{}", ended.log());
    assert_eq!(evidence.report(0, Role::Free).address, report.address - 3);
    let names = evidence.frames(evidence.report(0, Role::Free).stack);
    assert!(
        names[0].module.starts_with("libclang_rt.asan"),
        "the function that was called: {names:?}"
    );
    let build_ids = evidence
        .modules
        .iter()
        .filter(|module| module.build_id.len() == 20)
        .count();
    assert!(build_ids >= 2, "{:?}", evidence.modules);
    assert!(evidence.notes.is_empty(), "{:?}", evidence.notes);
    assert!(evidence.statistics.is_some_and(|[_, _, _, lost]| lost == 0));
}

#[test]
fn threads_have_the_stack_that_started_them() {
    let ended = fault("thread");
    let evidence = ended.evidence();
    assert_use_after_free(&evidence, 0, &[("in_thread", "IN_THREAD")]);
    let started = evidence.report(0, Role::Thread);
    assert_chain(
        &evidence,
        started.stack,
        &[("start_thread", "STARTS"), ("main", "MAIN_THREAD")],
    );
    assert_eq!(started.kind, "T1");
    assert_eq!(started.thread, evidence.report(0, Role::Fault).thread);
    assert_ne!(started.thread, ended.pid);
}

#[test]
fn threads_have_the_stacks_of_their_creators() {
    let evidence = fault("threads").evidence();
    let threads: Vec<_> = evidence
        .reports
        .iter()
        .filter(|report| report.role == Role::Thread)
        .collect();
    assert_eq!(
        threads
            .iter()
            .map(|thread| thread.kind.as_str())
            .collect::<Vec<_>>(),
        ["T2", "T1"]
    );
    assert_chain(
        &evidence,
        threads[0].stack,
        &[("start_thread", "STARTS"), ("starts_another", "STARTS_ANOTHER")],
    );
    assert_chain(
        &evidence,
        threads[1].stack,
        &[("two_threads", "STARTS_FIRST"), ("main", "MAIN_THREADS")],
    );
}

#[test]
fn memory_beside_a_block_has_the_stack_of_its_allocation() {
    let evidence = fault("overflow").evidence();
    let above = [("main", "MAIN_OVERFLOW")];
    assert_chain(
        &evidence,
        evidence.report(0, Role::Fault).stack,
        &[("use", "USE"), above[0]],
    );
    assert_chain(
        &evidence,
        evidence.report(0, Role::Allocation).stack,
        &[("make", "ALLOC"), above[0]],
    );
    assert!(!evidence.reports.iter().any(|report| report.role == Role::Free));
}

#[test]
fn a_double_free_has_both_frees() {
    let evidence = fault("twice").evidence();
    let fault = evidence.report(0, Role::Fault);
    assert_chain(
        &evidence,
        fault.stack,
        &[("drop", "FREE"), ("main", "SECOND_DROP")],
    );
    let free = evidence.report(0, Role::Free);
    assert_chain(&evidence, free.stack, &[("drop", "FREE"), ("main", "FIRST_DROP")]);
    assert_eq!(fault.address, free.address);
}

#[test]
fn stacks_are_whole_however_deep() {
    let evidence = fault("deep").evidence();
    for role in [Role::Fault, Role::Allocation] {
        let chain = evidence.chain(evidence.report(0, role).stack, SOURCE);
        let deep = ("deep".to_owned(), line_of(SOURCE, "DEEP"));
        assert_eq!(chain.iter().filter(|frame| **frame == deep).count(), 1001);
        assert_eq!(
            chain.last(),
            Some(&("main".to_owned(), line_of(SOURCE, "MAIN_DEEP")))
        );
    }
}

#[test]
fn a_signal_handler_has_what_it_interrupted() {
    let evidence = fault("handler").evidence();
    let above = [
        ("handler", "HANDLER"),
        ("in_handler", "RAISES"),
        ("main", "MAIN_HANDLER"),
    ];
    assert_use_after_free(&evidence, 0, &above);
}

#[test]
fn a_null_pointer_has_its_stack() {
    let without_undefined = &["-fsanitize=address", "-shared-libasan"];
    let program = Build {
        source: SOURCE,
        compiler: "clang-19",
        flags: without_undefined,
    };
    let ended = Run::new(program.build()).arg("null").run();
    assert!(ended.aborted());
    let evidence = ended.evidence();
    let fault = evidence.report(0, Role::Fault);
    assert_chain(&evidence, fault.stack, &[("use", "USE"), ("main", "MAIN_NULL")]);
    assert_eq!(fault.address, 3);
    assert!(
        ended.log().contains("SEGV on unknown address 0x000000000003"),
        "{}",
        ended.log()
    );
}

#[test]
fn undefined_behaviour_has_its_stacks_without_ending_the_process() {
    let ended = Run::new(build(SOURCE)).arg("undefined").run();
    ended.assert_success();
    let evidence = ended.evidence();
    for (sequence, leaf) in [(0, ("add", "ADD")), (1, ("shift", "SHIFT"))] {
        let report = evidence.report(sequence, Role::Fault);
        assert_eq!(report.kind, "undefined");
        assert_chain(&evidence, report.stack, &[leaf, ("main", "MAIN_UNDEFINED")]);
    }
    assert_eq!(evidence.reports.len(), 2);
    assert_eq!(ended.log().matches("runtime error").count(), 2);
}

#[test]
fn undefined_behaviour_may_end_the_process() {
    let ended = Run::new(build(SOURCE))
        .arg("undefined")
        .undefined("halt_on_error=1")
        .run();
    assert!(ended.aborted());
    let evidence = ended.evidence();
    assert_eq!(evidence.reports.len(), 1, "told once: {:?}", evidence.reports);
    assert_chain(
        &evidence,
        evidence.report(0, Role::Fault).stack,
        &[("add", "ADD"), ("main", "MAIN_UNDEFINED")],
    );
}

#[test]
fn reports_are_numbered_as_in_the_log() {
    let recovering = Build {
        source: SOURCE,
        compiler: "clang-19",
        flags: &[SHARED, &["-fsanitize-recover=address"]].concat(),
    };
    let ended = Run::new(recovering.build())
        .arg("mixed")
        .options("halt_on_error=0")
        .run();
    ended.assert_success();
    let evidence = ended.evidence();
    let kinds = (0..3).map(|sequence| evidence.report(sequence, Role::Fault).kind.clone());
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["undefined", "heap-use-after-free", "undefined"]
    );
    assert_use_after_free(&evidence, 1, &[("main", "MAIN_MIXED")]);
}

#[test]
fn a_runtime_in_the_program_is_as_good_but_for_recovered_undefined_behaviour() {
    let linked = |compiler, flags| {
        Build {
            source: SOURCE,
            compiler,
            flags,
        }
        .build()
    };
    let ours = linked(
        "clang-19",
        &["-fsanitize=address,undefined", "-fsanitize-recover=address"],
    );
    let gcc = linked("gcc", &["-fsanitize=address"]);
    for program in [&ours, &gcc] {
        let ended = Run::new(program)
            .own_runtime()
            .arg("free")
            .options("detect_leaks=0")
            .run();
        assert!(ended.aborted(), "{}{}", ended.stdout, ended.stderr);
        assert_use_after_free(&ended.evidence(), 0, &[("main", "MAIN_FREE")]);
    }
    let halting = Run::new(&ours)
        .own_runtime()
        .arg("undefined")
        .undefined("halt_on_error=1")
        .run();
    let evidence = halting.evidence();
    assert_chain(
        &evidence,
        evidence.report(0, Role::Fault).stack,
        &[("add", "ADD"), ("main", "MAIN_UNDEFINED")],
    );
    // A finding that nobody told of counts all the same, and is told.
    let mixed = Run::new(&ours)
        .own_runtime()
        .arg("mixed")
        .options("halt_on_error=0")
        .run();
    let evidence = mixed.evidence();
    assert_use_after_free(&evidence, 1, &[("main", "MAIN_MIXED")]);
    assert!(
        evidence.notes.iter().any(|note| note.contains("UBSan")),
        "{:?}",
        evidence.notes
    );
}
