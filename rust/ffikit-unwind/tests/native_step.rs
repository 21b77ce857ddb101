//! The walk at every single instruction: prologues, epilogues, PLT stubs and the
//! dynamic linker's resolver, realigned stacks, the vDSO. The program steps itself
//! and knows the true stack by following calls and returns (step.h).
#![cfg(target_arch = "x86_64")]

mod native;

/// `stepped LABEL: N instructions, W wrong, libgcc L wrong, V watched`, and what was wrong.
/// Gives how many steps were in the watched module.
fn assert_steps(build: &str, output: &str, label: &str, instructions_min: usize) -> usize {
    let report = output
        .split("stepped ")
        .find(|report| report.starts_with(&format!("{label}:")))
        .unwrap_or_else(|| panic!("{build}: {label} was not stepped\n{output}"));
    let first = report.lines().next().unwrap();
    let numbers: Vec<usize> = first
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [instructions, wrong, _, watched] = numbers[..] else {
        panic!("{build}: {first}")
    };
    assert!(instructions > instructions_min, "{build}: {first}");
    // Where compilers and glibc write wrong tables, no unwinder can be right: libgcc must then give the very
    // same stack. Known: gcc's epilogue of a function that realigns its stack (`lea -8(%r10), %rsp; ret`, with
    // a stale rule for RBP); glibc's longjmp, whose tables already tell of where it goes to.
    let details: Vec<_> = report
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("wrong at"))
        .collect();
    assert!(wrong <= 12 && details.len() <= wrong, "{build}\n{report}");
    for detail in details {
        let is_known = match label {
            "longjmp" => detail.contains("libc.so.6+"),
            _ => detail.contains("| 49 8d 62 f8:") || detail.contains("49 8d 62 f8 | c3"),
        };
        assert!(
            is_known && detail.ends_with("(libgcc too)"),
            "{build}: {detail}\n{report}"
        );
    }
    watched
}

#[test]
fn own_code_of_every_build() {
    let folder = native::scratch("step");
    let common: &[&[&str]] = &[
        &["-O0"],
        &["-O1"],
        &["-O2"],
        &["-O3"],
        &["-O0", "-fomit-frame-pointer"],
        &["-O2", "-fno-omit-frame-pointer"],
        &["-O3", "-mavx2", "-fno-plt"],
        &["-O2", "-flto", "-fuse-ld=lld-19"],
        &[
            "-Os",
            "-fstack-clash-protection",
            "-fcf-protection=full",
            "-no-pie",
        ],
    ];
    for compiler in native::COMPILERS {
        for flags in common {
            if compiler == "gcc" && flags.contains(&"-flto") {
                continue; // gcc's own linker plugin is not lld's; below.
            }
            check_own_code(compiler, flags, &folder);
        }
    }
    check_own_code("gcc", &["-O2", "-flto"], &folder);
    check_own_code(
        "gcc",
        &[
            "-O2",
            "-mno-accumulate-outgoing-args",
            "-mpush-args",
            "-fno-shrink-wrap",
        ],
        &folder,
    );
}

fn check_own_code(compiler: &str, flags: &[&str], folder: &std::path::Path) {
    let build = format!("{compiler} {}", flags.join(" "));
    let program = folder.join(build.replace([' ', '='], "_"));
    native::build(compiler, flags, "step.c", &program);
    let output = native::run(&program, &["own-code"]);
    assert_steps(&build, &output, "own-code", 500);
}

#[test]
fn libraries_the_resolver_and_the_vdso() {
    let folder = native::scratch("step-libraries");
    for compiler in native::COMPILERS {
        let program = folder.join(compiler);
        native::build(compiler, &["-O2", "-fplt", "-Wl,-z,lazy"], "step.c", &program);
        let output = native::run(&program, &[]);
        for (label, instructions_min) in [
            ("lazily-bound", 1000),
            ("c-library", 3000),
            ("vdso", 50),
            ("longjmp", 500),
            ("alternate-stack", 500),
            ("signal-return", 100),
            ("walk", 100),
            ("cold-walk", 10_000),
        ] {
            let watched = assert_steps(compiler, &output, label, instructions_min);
            match label {
                "lazily-bound" => assert!(watched > 500, "{compiler}: the dynamic linker binds\n{output}"),
                "vdso" => assert!(
                    watched > 30,
                    "{compiler}: the clock is read in the vDSO\n{output}"
                ),
                _ => {}
            }
        }
    }
}
