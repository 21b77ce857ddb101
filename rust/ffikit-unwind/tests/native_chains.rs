//! Stacks of C and C++, as gcc and clang compile them in many ways. What each must be
//! stands in the source; llvm-symbolizer names the frames, libgcc walks beside.
#![cfg(target_arch = "x86_64")]

mod native;

const BUILDS: &[&[&str]] = &[
    &["-O0"],
    &["-O2"],
    &["-O3", "-mavx2", "-fno-plt"],
    &["-O2", "-flto"],
    &["-O1"],
    &["-O0", "-fomit-frame-pointer"],
    &["-O2", "-fno-omit-frame-pointer"],
    &["-O2", "-fplt", "-Wl,-z,lazy", "-no-pie"],
    &["-Os", "-fstack-clash-protection", "-fcf-protection=full"],
];

fn check(source: &str, compiler: &str, flags: &[&str], folder: &std::path::Path) {
    let build = format!("{compiler} {}", flags.join(" "));
    let program = folder.join(build.replace([' ', '=', ','], "_"));
    let mut all = flags.to_vec();
    if compiler == "clang-19" && flags.contains(&"-flto") {
        all.push("-fuse-ld=lld-19"); // It reads clang's own object files.
    }
    native::build(compiler, &all, source, &program);
    let output = native::run(&program, &[]);
    // clang makes them from -O1 on, gcc from -O2 on.
    let makes_tail_calls = flags[0] != "-O0" && (compiler == "clang-19" || flags[0] != "-O1");
    native::assert_chains(source, &build, &output, makes_tail_calls);
}

fn check_all(source: &str, builds: &[&[&str]]) {
    let folder = native::scratch(source);
    for compiler in native::COMPILERS {
        for flags in builds {
            check(source, compiler, flags, &folder);
        }
    }
}

#[test]
fn c() {
    check_all("chains.c", BUILDS);
}

#[test]
fn cpp_exceptions_in_flight() {
    check_all("exceptions.cc", &BUILDS[..4]);
}
