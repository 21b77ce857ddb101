//! Programs in C and in Go for aarch64, run by qemu-user with the probe in them. scripts/test-aarch64 runs
//! these, with the cross compiler and qemu; they are left out elsewhere.
#![cfg(target_arch = "x86_64")]

mod gosupport;

use gosupport::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The probe for aarch64, built once a test run.
fn probe_for_aarch64() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--locked", "--target", TARGET])
            .args(["--package", "ffikit-unwind", "--example", "probe"])
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
                "aarch64-linux-gnu-gcc",
            )
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        succeed(&mut cargo);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join(TARGET).join("debug/examples/libprobe.so")
    })
}

/// Runs a program under qemu, and gives what it printed to standard error. coreutils' timeout ends a hang.
fn run_for_aarch64(program: &Path, arguments: &[&OsStr], environment: &[&str]) -> String {
    run_with(&[], program, arguments, environment)
}

fn run_with(libraries: &[&Path], program: &Path, arguments: &[&OsStr], environment: &[&str]) -> String {
    let mut qemu = Command::new("timeout");
    qemu.args([
        "120",
        "qemu-aarch64",
        "-cpu",
        "max",
        "-L",
        "/usr/aarch64-linux-gnu",
    ]);
    let libraries = libraries.iter().copied().chain([probe_for_aarch64()]);
    let preloaded: Vec<_> = libraries.map(|path| path.to_str().unwrap()).collect();
    qemu.arg("-E").arg(format!("LD_PRELOAD={}", preloaded.join(":")));
    for variable in environment {
        qemu.args(["-E", variable]);
    }
    let output = succeed(qemu.arg(program).args(arguments));
    String::from_utf8(output.stderr).unwrap()
}

/// What C is compiled by.
const COMPILERS: [&[&str]; 2] = [
    &["aarch64-linux-gnu-gcc"],
    &["clang-19", "--target=aarch64-linux-gnu"],
];

/// Compiles a C file into a program.
fn compile_for_aarch64(source: &Path, output: &Path, flags: &[&str]) -> PathBuf {
    compile_by(COMPILERS[0], source, output, flags)
}

fn compile_by(compiler: &[&str], source: &Path, output: &Path, flags: &[&str]) -> PathBuf {
    succeed(
        Command::new(compiler[0])
            .args(&compiler[1..])
            .args(["-O2", "-g", "-fomit-frame-pointer", "-rdynamic"])
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .arg(output)
            .arg(source)
            .args(flags)
            .args(["-ldl", "-lpthread"]),
    );
    output.to_owned()
}

/// Builds a Go program or library.
fn build_for_aarch64(release: &str, source: &Path, output: &Path, flags: &[&str]) -> PathBuf {
    succeed(
        go(release, source)
            .env("GOARCH", "arm64")
            .env("CGO_ENABLED", "1")
            .env("CC", "aarch64-linux-gnu-gcc")
            .args(["build", "-trimpath", "-o"])
            .arg(output)
            .args(flags)
            .arg("."),
    );
    output.to_owned()
}

/// How return addresses are saved.
const PROTECTIONS: [(&str, &[&str]); 3] = [
    ("plain", &[]),
    // paciasp and autiasp, which older processors take for NOPs.
    ("signed", &["-mbranch-protection=standard"]),
    // retaa.
    ("signed", &["-mbranch-protection=standard", "-march=armv8.3-a"]),
];

type Flags = &'static [&'static str];

/// Each compiler with each protection, and what that does to return addresses.
fn builds() -> impl Iterator<Item = (Flags, &'static str, Flags)> {
    let of = |compiler| PROTECTIONS.map(|(name, flags)| (compiler, name, flags));
    COMPILERS.into_iter().flat_map(of)
}

fn names_in<'a>(stack: &'a Stack, wanted: &[&str]) -> Vec<&'a str> {
    let mut names = stack.names();
    names.retain(|name| wanted.contains(name));
    names
}

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn c_frames() {
    let functions = [
        "inner",
        "outer",
        "thread",
        "faulting",
        "calls_faulting",
        "calls_nowhere",
        "second_handler",
        "handler",
        "faults",
        "main",
    ];
    for (index, (compiler, name, flags)) in builds().enumerate() {
        let output = scratch(&format!("aarch64-frames-{index}")).join("frames");
        let program = compile_by(compiler, &program("aarch64/frames.c"), &output, flags);
        let text = run_for_aarch64(&program, &[], &[]);
        assert!(text.contains(&format!("return addresses are {name}\n")), "{text}");
        let stacks = parse(&text);
        let expected: [(&str, &[&str], &str); 5] = [
            ("nested", &["inner", "outer", "main"], "_start"),
            ("thread", &["inner", "outer", "thread"], ""),
            (
                "fault",
                &["inner", "handler", "faulting", "calls_faulting", "faults", "main"],
                "_start",
            ),
            (
                "nowhere",
                &["inner", "handler", "calls_nowhere", "faults", "main"],
                "_start",
            ),
            (
                "twice",
                &[
                    "inner",
                    "second_handler",
                    "handler",
                    "faulting",
                    "calls_faulting",
                    "faults",
                    "main",
                ],
                "_start",
            ),
        ];
        assert_eq!(stacks.len(), expected.len());
        for (label, names, root) in expected {
            let stack = &stacks[label];
            assert_eq!(names_in(stack, &functions), names, "{label}: {stack:#?}");
            assert_eq!(stack.names().last(), Some(&root), "{label}");
            assert_eq!(stack.end, "Complete", "{label}");
            // A frame that faulted is looked up where it stands.
            for call in stack.calls.iter().filter(|call| call.name == "faulting") {
                assert!(call.is_exact, "{label}");
            }
        }
    }
}

/// The chain, each function with those that are below it on the stack.
const STEPPED: [&str; 6] = ["leaf", "large", "moving", "several", "tail", "drive"];

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn c_at_every_instruction() {
    for (index, (compiler, _, flags)) in builds().enumerate() {
        let output = scratch(&format!("aarch64-steps-{index}")).join("steps");
        let program = compile_by(compiler, &program("aarch64/steps.c"), &output, flags);
        let text = run_for_aarch64(&program, &[], &[]);
        let stacks = parse(&text);
        let counts: BTreeMap<&str, usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix("steps ")?.split_once(' '))
            .map(|(name, count)| (name, count.parse().unwrap()))
            .collect();
        assert_eq!(counts.len(), STEPPED.len() + 1, "{text}");
        assert_eq!(counts.values().sum::<usize>(), stacks.len());
        for (name, count) in counts {
            // `tail` jumps away and leaves no frame; an entry of the PLT has none, and no name.
            let place = STEPPED.iter().position(|function| *function == name);
            let below = match place {
                Some(place) => &STEPPED[place..],
                None => &STEPPED[3..],
            };
            let mut expected = vec!["handler"];
            expected.extend(
                below
                    .iter()
                    .filter(|function| **function != "tail" || name == "tail"),
            );
            expected.push("main");
            let mut functions = STEPPED.to_vec();
            functions.extend(["handler", "main"]);
            for step in 0..count {
                let stack = &stacks[&format!("{name}+{}", 4 * step)];
                assert_eq!(
                    names_in(stack, &functions),
                    expected,
                    "{compiler:?} {flags:?} {name}+{}",
                    4 * step
                );
                assert_eq!(stack.names().last(), Some(&"_start"));
                assert_eq!(stack.end, "Complete");
                assert_eq!(stack.calls.iter().filter(|call| call.is_exact).count(), 1);
            }
        }
    }
}

fn require_releases() {
    probe_for_aarch64();
    RELEASES.iter().for_each(|release| require_release(release));
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

fn check_chain(stack: Option<&Stack>, rounds: usize, callers: &[&str], root: &str, markers: &Markers) {
    let stack = stack.expect("the stack was told");
    let mut chain = vec!["c_leaf"];
    chain.extend(std::iter::repeat_n(ROUND, rounds).flatten());
    chain.push("main.run");
    chain.extend(callers);
    assert_eq!(stack.of_sources(), chain, "{:#?}", stack.names());
    assert_eq!(stack.names().last(), Some(&root));
    assert_eq!(stack.end, "Complete");
    markers.check(stack);
}

/// Threads that Go starts: C is called on a system stack, where asmcgocall overwrites what it saved of x29; and
/// when a library is loaded, by a function of Go's that C called without crosscall2.
fn check_threads(release: &str, library: &BTreeMap<String, Stack>, program: &BTreeMap<String, Stack>) {
    let stack = &library["thread-0"];
    let names = stack.names();
    let entry = names.iter().position(|name| name.starts_with("_rt0_arm64_"));
    assert_eq!(names[entry.unwrap() - 1], "x_cgo_sys_thread_create");
    assert_eq!(
        names_in(stack, &["dlopen", "main", "_start"]),
        ["dlopen", "main", "_start"]
    );
    assert_eq!(stack.end, "Complete");

    // The first one is sysmon's.
    let stack = &program["thread-0"];
    let chain = [
        "runtime.asmcgocall",
        "runtime.newm1",
        "runtime.newm",
        "runtime.main.func1",
        "runtime.systemstack",
        "runtime.main",
        "runtime.goexit",
    ];
    let names = stack.names();
    let start = names.iter().position(|name| *name == chain[0]).unwrap();
    assert_eq!(names[start - 1], "_cgo_sys_thread_start");
    // Up to 1.24 systemstack leaves no trace of who called it.
    let is_older = ["1.21.", "1.22.", "1.23.", "1.24."]
        .iter()
        .any(|minor| release.starts_with(minor));
    let len = if is_older { 5 } else { 7 };
    assert_eq!(names[start..], chain[..len]);
    assert_eq!(stack.end, "Complete");
}

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn go_programs_and_libraries() {
    require_releases();
    let source = program("gochain");
    let markers = Markers::of(&source);
    let caller = compile_for_aarch64(
        &program("gochain-caller/caller.c"),
        &scratch("aarch64-caller").join("caller"),
        &[],
    );
    let directory = scratch("aarch64-threads");
    let shared = ["-shared", "-fPIC"];
    let source_of_threads = program("aarch64/threads.c");
    let threads = compile_for_aarch64(&source_of_threads, &directory.join("threads.so"), &shared);
    // Code for executables and for shared objects differs; stripped and not, it is the same.
    in_parallel(RELEASES.to_vec(), |release| {
        let directory = scratch(&format!("aarch64-{release}-gochain"));
        let binary = build_for_aarch64(
            release,
            &source,
            &directory.join("gochain"),
            &["-ldflags=-s -w -buildid="],
        );
        remove_section_headers(&binary);
        let stacks = parse(&run_for_aarch64(&binary, &[], &[]));
        check_chain(stacks.get("main"), 1, &["main.main"], "runtime.goexit", &markers);
        check_chain(stacks.get("deep"), 4, &["main.main"], "runtime.goexit", &markers);
        let callers = ["main.onAnotherGoroutine.func1"];
        check_chain(stacks.get("goroutine"), 1, &callers, "runtime.goexit", &markers);

        let output = directory.join("libgochain.so");
        let library = build_for_aarch64(release, &source, &output, &["-buildmode=c-shared"]);
        let arguments = ["gochainFromC", "gochainGoroutine"].map(OsStr::new);
        let arguments = [arguments[0], arguments[1], library.as_os_str()];
        let stacks = parse(&run_for_aarch64(&caller, &arguments, &[]));
        let callers = ["main.gochainFromC", "caller", "main"];
        check_chain(stacks.get("c"), 1, &callers, "_start", &markers);
        let callers = ["main.onAnotherGoroutine.func1"];
        check_chain(
            stacks.get("goroutine-of-c"),
            1,
            &callers,
            "runtime.goexit",
            &markers,
        );
        check_threads(
            release,
            &parse(&run_with(&[&threads], &caller, &arguments, &[])),
            &parse(&run_with(&[&threads], &binary, &[], &[])),
        );
    });
}

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn go_stacks_that_moved() {
    require_releases();
    let source = program("gomove");
    let markers = Markers::of(&source);
    in_parallel(RELEASES.to_vec(), |release| {
        let output = scratch(&format!("aarch64-{release}-gomove")).join("gomove");
        let binary = build_for_aarch64(release, &source, &output, &[]);
        let text = run_for_aarch64(&binary, &[], &["GODEBUG=efence=1"]);
        assert!(text.contains("saved frame pointer unreadable"), "{text}");
        let stacks = parse(&text);
        let outside = ["c_after", "c_enter", "c_outer", "main.start", "main.main.func1"];
        let mut inside = vec!["c_leaf", "c_inner"];
        inside.extend(["main.grow"; 41]);
        inside.push("main.goGrow");
        inside.extend(outside);
        let after: Vec<_> = ["c_leaf"].into_iter().chain(outside).collect();
        for (label, expected) in [("inside", inside), ("after", after)] {
            let stack = &stacks[label];
            assert_eq!(stack.of_sources(), expected, "{label}");
            assert_eq!(stack.names().last(), Some(&"runtime.goexit"));
            assert_eq!(stack.end, "Complete");
            markers.check(stack);
        }
    });
}

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn a_fault_that_go_hands_on() {
    require_releases();
    let source = program("gosignal");
    let markers = Markers::of(&source);
    in_parallel(RELEASES.to_vec(), |release| {
        let output = scratch(&format!("aarch64-{release}-gosignal")).join("gosignal");
        let binary = build_for_aarch64(release, &source, &output, &[]);
        let stacks = parse(&run_for_aarch64(&binary, &[], &[]));
        let stack = &stacks["forwarded"];
        let expected = ["c_handler", "c_fault", "main.reach", "main.main.func1"];
        assert_eq!(stack.of_sources(), expected, "{:#?}", stack.names());
        assert_eq!(stack.end, "Complete");
        let names = stack.names();
        let place = |name| names.iter().position(|other| *other == name).unwrap();
        let through_go = [
            "c_handler",
            "runtime.sigfwd",
            "runtime.sigtrampgo",
            "runtime.sigtramp",
            "c_fault",
        ];
        assert!(through_go.map(place).is_sorted(), "{names:#?}");
        assert!(stack.calls[place("c_fault")].is_exact);
        markers.check(stack);
    });
}

#[test]
#[ignore = "scripts/test-aarch64 runs it"]
fn go_code_interrupted_anywhere() {
    require_releases();
    let source = program("gointerrupt");
    // qemu hands signals over between blocks of code only, so not every instruction is reached.
    in_parallel(vec![RELEASES[0], RELEASES[5]], |release| {
        let output = scratch(&format!("aarch64-{release}-gointerrupt")).join("gointerrupt");
        let binary = build_for_aarch64(release, &source, &output, &[]);
        // Go's own preemption is a signal as well.
        let environment = ["GODEBUG=asyncpreemptoff=1", "GOGC=off"];
        let stacks = parse(&run_for_aarch64(&binary, &[], &environment));
        assert_eq!(stacks.len(), 400);
        let inner: [&[&str]; 7] = [
            &["main.leaf", "main.small", "main.large"],
            &["main.small", "main.large"],
            &["main.leaf", "main.large"],
            &["main.large"],
            &["main.leaf", "main.small"],
            &["main.small"],
            &[],
        ];
        let outside = ["main.spin", "main.outer", "main.main"];
        let (mut seen, mut elsewhere) = (BTreeSet::<&[&str]>::new(), 0);
        for (label, stack) in &stacks {
            assert_eq!(stack.end, "Complete", "{label}: {:#?}", stack.names());
            let names = stack.of_sources();
            // The thread may be in the scheduler, which has left the goroutine's stack, or still in C.
            let all = stack.names();
            if all.contains(&"main._Cfunc_c_start") || all.last() == Some(&"runtime.morestack") {
                elsewhere += 1;
                continue;
            }
            let found = inner
                .iter()
                .find(|inner| names == [&["c_handler"][..], inner, &outside].concat());
            assert!(found.is_some(), "{label}: {:#?}", stack.names());
            seen.extend(found);
        }
        assert!(elsewhere < 100, "{elsewhere}");
        assert!(seen.len() >= 3, "only in {seen:?}");
    });
}
