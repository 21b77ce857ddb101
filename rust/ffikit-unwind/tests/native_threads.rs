//! Stacks inside signal handlers, of threads of all kinds and of their ends, of
//! coroutines and forks, and of walks inside of the dynamic linker.
#![cfg(target_arch = "x86_64")]

mod native;

const BUILDS: [(&str, &[&str]); 5] = [
    ("gcc", &["-O0"]),
    ("gcc", &["-O2"]),
    ("clang-19", &["-O0", "-fomit-frame-pointer"]),
    ("clang-19", &["-O1"]),
    ("clang-19", &["-O3", "-fno-plt"]),
];

#[test]
fn signal_handlers() {
    let folder = native::scratch("signals");
    for (index, (compiler, flags)) in BUILDS.iter().enumerate() {
        let program = folder.join(format!("signals-{index}"));
        native::build(compiler, flags, "signals.c", &program);
        let output = native::run(&program, &[]);
        native::assert_chains("signals.c", &format!("{compiler} {flags:?}"), &output, false);
    }
}

#[test]
fn threads_coroutines_forks_and_the_loader() {
    let folder = native::scratch("threads");
    let library = folder.join("libloader.so");
    native::build_library("gcc", &["-O1"], "loader.c", &library);
    for (index, (compiler, flags)) in BUILDS.iter().enumerate() {
        let program = folder.join(format!("threads-{index}"));
        // The library calls back into the program.
        let flags = [&["-rdynamic"], *flags].concat();
        native::build(compiler, &flags, "threads.c", &program);
        let output = native::run(&program, &[library.to_str().unwrap()]);
        native::assert_chains("threads.c", &format!("{compiler} {flags:?}"), &output, false);
    }
}
