//! Python's frames through the life of an interpreter: before it is there, before
//! it is initialized, after its end, in its second life.

mod pythonsupport;

use pythonsupport::{manifest_path, printed, probe, pythons, run, succeed};
use std::path::Path;
use std::process::Command;

#[test]
fn frames_are_there_while_python_runs() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed");
    succeed(
        Command::new("gcc")
            .args(["-g", "-Wall", "-o"])
            .arg(&program)
            .arg(manifest_path("tests/programs/python/embed.c")),
    );
    let mut embedded = 0;
    for python in pythons() {
        // What `python3 -c` says of the library that it is in, if it is in one.
        let asked = "import os, sysconfig; \
            path = os.path.join(sysconfig.get_config_var('LIBDIR'), sysconfig.get_config_var('INSTSONAME')); \
            print(path if sysconfig.get_config_var('Py_ENABLE_SHARED') and os.path.exists(path) else '', end=''); \
            print('\\n' + sysconfig.get_config_var('prefix'))";
        let said = printed(&mut run(&python, &[Path::new("-c"), Path::new(asked)]));
        let (library, prefix) = said.trim_end().split_once('\n').unwrap();
        if library.is_empty() {
            continue;
        }
        embedded += 1;
        let mut embed = Command::new(&program);
        let said = printed(embed.arg(library).arg(probe()).env("PYTHONHOME", prefix));
        let life = "initialized:\ncalled: f:3 <module>:4\nhas run:\nfinalized:\n";
        assert_eq!(
            said,
            format!("no interpreter: no interpreter\nloaded:\n{life}{life}"),
            "CPython {}",
            python.version
        );
    }
    assert!(embedded > 0, "no CPython of this machine is a shared library");
}
