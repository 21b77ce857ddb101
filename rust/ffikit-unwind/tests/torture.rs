//! Everything at once, 20 times: see programs/native/torture.c. `scripts/torture-unwind`
//! does it a thousand times, optimized.
#![cfg(target_arch = "x86_64")]

mod native;

#[test]
fn threads_signals_forks_and_libraries_at_once() {
    let folder = native::scratch("torture");
    let libraries = ["gcc", "clang-19"].map(|compiler| {
        let path = folder.join(format!("libvictim_{compiler}.so"));
        native::build_library(compiler, &["-O2"], "victim.c", &path);
        path.to_str().unwrap().to_string()
    });
    let program = folder.join("torture");
    native::build("gcc", &["-O2"], "torture.c", &program);
    for run in 0..20 {
        // Its own alarm ends a deadlock.
        let output = native::run(&program, &["100", &libraries[0], &libraries[1]]);
        assert!(output.contains(" wrong 0,"), "run {run}:\n{output}");
    }
}
