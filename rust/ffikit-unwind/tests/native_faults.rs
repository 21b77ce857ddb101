//! What a stack, a table or a sandbox may do to the walk: it comes back with a
//! reason, faults nothing, allocates nothing, and leaves errno.
#![cfg(target_arch = "x86_64")]

mod native;

use ffikit_unwind::End;
use std::path::PathBuf;

/// Whether each of these ends was given at least once, in `… ends N N N…` (indexed by code).
fn assert_ends(output: &str, wanted: &[End]) {
    let (_, counts) = output
        .split_once("ends ")
        .unwrap_or_else(|| panic!("no ends:\n{output}"));
    let counts: Vec<u64> = counts
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .map(|count| count.parse().unwrap())
        .collect();
    for end in wanted {
        assert!(
            counts[end.code() as usize] > 0,
            "never {end:?}: the changes are too weak\n{output}"
        );
    }
}

#[test]
fn smashed_stacks_end_with_a_reason() {
    let folder = native::scratch("smash");
    let builds: [(&str, &[&str]); 4] = [
        ("gcc", &["-O0"]),
        ("gcc", &["-O2"]),
        ("clang-19", &["-O1"]),
        ("clang-19", &["-O2", "-fno-omit-frame-pointer"]),
    ];
    for (seed, (compiler, flags)) in builds.iter().enumerate() {
        let program = folder.join(format!("{seed}"));
        native::build(compiler, flags, "smash.c", &program);
        // Of each: on the main thread's stack, on another thread's, and on one that the bounds do not cover.
        let output = native::run(&program, &[&seed.to_string(), "10000"]);
        assert!(
            output.starts_with("smashed 30000"),
            "{compiler} {flags:?}:\n{output}"
        );
        let wanted = [
            End::Complete,
            End::Full,
            End::UnknownCode,
            End::NoCfi,
            End::Unreadable,
            End::NotAscending,
        ];
        assert_ends(&output, &wanted);
    }
}

#[test]
fn corrupt_tables_end_with_a_reason() {
    let folder = native::scratch("mutate");
    let program = folder.join("mutate");
    native::build("gcc", &["-O1"], "mutate.c", &program);
    for (seed, compiler) in native::COMPILERS.iter().enumerate() {
        let library = folder.join(format!("libvictim_{compiler}.so"));
        native::build_library(compiler, &["-O2"], "victim.c", &library);
        let arguments = [library.to_str().unwrap(), &seed.to_string(), "5000"];
        let output = native::run(&program, &arguments);
        assert_ends(
            &output,
            &[End::Complete, End::NoCfi, End::CorruptCfi, End::Unreadable],
        );
        assert!(
            !output.contains(" whole 0,") && !output.contains(" whole 1,"),
            "some changes matter to nobody\n{output}"
        );
        let stacks = native::stacks(&output);
        let restored = &stacks[0];
        assert_eq!(
            (restored.end, restored.libgcc.as_str()),
            (0, "same"),
            "what was put back is right again\n{output}"
        );
        let names = &native::own_functions(&stacks, "victim.c")[0];
        let wanted = ["leaf", "realigned", "growing", "both", "enter"];
        assert_eq!(*names, wanted.map(|name| format!("victim_{name}")), "{output}");
    }
}

fn faults(test: &str) -> Vec<PathBuf> {
    let folder = native::scratch(test);
    let builds = [("gcc", "-O0"), ("clang-19", "-O2")];
    let build = |(compiler, optimization)| {
        let program = folder.join(compiler);
        native::build(compiler, &[optimization], "faults.c", &program);
        program
    };
    builds.into_iter().map(build).collect()
}

#[test]
fn pages_that_are_gone_are_not_read() {
    for program in faults("stale") {
        let output = native::run(&program, &["stale-page"]);
        let unmapped = format!("\nunmapped: 0 frames, end {}\n", End::Unreadable.code());
        assert!(
            output.starts_with("mapped: ") && !output.starts_with("mapped: 0"),
            "it was read:\n{output}"
        );
        assert!(output.contains(&unmapped), "{output}");
    }
}

#[test]
fn threads_outlive_the_first_one() {
    for program in faults("exited-main") {
        let output = native::run(&program, &["exited-main"]);
        for stack in output.lines().filter(|line| line.starts_with("without main")) {
            // walk_into, walk_alone, start_thread, clone3
            assert!(stack.ends_with("4 frames, end 0"), "{output}");
        }
        assert!(output.contains("copy 1\ncopy of nothing 0\n"), "{output}");
    }
}

#[test]
fn sandboxes_may_refuse_to_read_by_the_kernel() {
    for program in faults("seccomp") {
        for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
            let output = native::run(&program, &["seccomp", &errno.to_string()]);
            assert_eq!(output.matches("same 1\n").count(), 2, "{errno}:\n{output}");
            assert_eq!(output.matches(" end 0\n").count(), 2, "{errno}:\n{output}");
            assert!(output.contains("wrong copies 0\n"), "{errno}:\n{output}");
        }
    }
}

#[test]
fn nothing_is_allocated_and_errno_stays() {
    for program in faults("no-trace") {
        let output = native::run(&program, &["no-trace"]);
        assert!(
            output.contains("end 0\nerrno 77, allocations 0\ncounted 2\n"),
            "{output}"
        );
    }
}

#[test]
fn stack_pointers_may_be_anywhere() {
    for program in faults("wild") {
        for case in ["null", "unaligned", "top", "kernel", "odd", "below"] {
            let output = native::run(&program, &[&format!("wild-{case}")]);
            // The handler, the trampoline and what was interrupted are there; then there is no way on.
            let ends =
                [End::Unreadable, End::NotAscending].map(|end| format!("4 frames, end {}\n", end.code()));
            assert!(ends.iter().any(|end| output.ends_with(end)), "{case}: {output}");
        }
        for case in ["overflow-main", "overflow-thread"] {
            let output = native::run(&program, &[case]);
            let full = format!("512 frames, end {}\n", End::Full.code());
            assert_eq!(output.matches(&full).count(), 2, "{case}: {output}");
            assert!(
                output.contains("below 1\n"),
                "{case}: it ran out of stack\n{output}"
            );
        }
    }
}

#[test]
fn children_of_forks_inherit_no_claims() {
    for program in faults("forks") {
        let output = native::run(&program, &["forks-while-walking"]);
        assert!(
            output.starts_with("last child: ") && output.ends_with("end 0\n"),
            "{output}"
        );
    }
}
