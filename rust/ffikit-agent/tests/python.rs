//! Python: its frames stand in the stacks, and ctypes reading freed memory is
//! reported where ctypes takes the address.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{build, line_of, output_of, Build, Role, Run};

/// The interpreters of the machine: version and path.
fn interpreters() -> Vec<(String, PathBuf)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/cpythons");
    let listed = output_of(&mut Command::new(script));
    let parse = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), PathBuf::from(words.nth(1)?)))
    };
    let found: Vec<_> = listed.lines().filter_map(parse).collect();
    for minor in ["3.11", "3.12", "3.13"] {
        assert!(
            found.iter().any(|(version, _)| version == minor),
            "no CPython {minor}"
        );
    }
    found
}

fn library() -> PathBuf {
    let flags = &[
        "-fsanitize=address,undefined",
        "-shared-libasan",
        "-shared",
        "-fPIC",
    ];
    Build {
        source: "python.c",
        compiler: "clang-19",
        flags,
    }
    .build()
}

/// The script, under a name of its own.
fn script() -> PathBuf {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/python.py")).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("renamed{}.py", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn ctypes_reading_freed_memory_is_reported_with_pythons_frames() {
    let (library, script) = (library(), script());
    for (version, interpreter) in interpreters() {
        let run = |kind: &str| {
            let run = Run::new(&interpreter).arg(&script).arg(&library).arg(kind);
            run.env("PYTHONMALLOC", "malloc").options("detect_leaks=0").run()
        };
        let clean = run("clean");
        clean.assert_success();
        assert_eq!(
            (clean.stdout.as_str(), clean.log().as_str()),
            ("clean\n", ""),
            "{version}"
        );
        for (kind, marker) in [
            ("from_address", "FROM_ADDRESS"),
            ("string_at", "STRING_AT"),
            ("wstring_at", "WSTRING_AT"),
            ("cast", "CAST"),
            ("native", "NATIVE"),
        ] {
            let ended = run(kind);
            assert!(
                ended.aborted(),
                "{version} {kind}: {}{}",
                ended.stdout,
                ended.stderr
            );
            let evidence = ended.evidence();
            let file = script.to_str().unwrap();
            for (role, leaf) in [
                (Role::Fault, (format!("Reader.{kind}"), marker)),
                (Role::Free, ("freed".to_owned(), "FREED")),
                (Role::Allocation, ("<lambda>".to_owned(), "MADE")),
            ] {
                let chain = evidence.chain(evidence.report(0, role).stack, file);
                assert_eq!(
                    chain[0],
                    (leaf.0, line_of("python.py", leaf.1)),
                    "{version} {kind} {role:?}"
                );
                let outermost = ("<module>".to_owned(), line_of("python.py", "MODULE"));
                assert_eq!(chain.last(), Some(&outermost), "{version} {kind} {role:?}");
                assert!(
                    chain.iter().any(|frame| frame.0 == "generator"),
                    "{version} {kind} {role:?}: {chain:?}"
                );
            }
            assert_eq!(evidence.report(0, Role::Fault).kind, "heap-use-after-free");
            assert!(evidence.notes.is_empty(), "{:?}", evidence.notes);
        }
    }
}

#[test]
fn python_may_be_unloaded() {
    let mut unloaded = 0;
    for (version, interpreter) in interpreters() {
        let place = "import sys, sysconfig as s; v = s.get_config_var\n\
                     print(v('LIBDIR') + '/' + v('INSTSONAME'), sys.base_prefix, sep='\\n')";
        let said = output_of(Command::new(&interpreter).args(["-I", "-c", place]));
        let (library, home) = said.trim().split_once('\n').unwrap();
        assert!(Path::new(library).exists(), "{version} has no shared library");
        let ended = Run::new(build("unload.c"))
            .arg(library)
            .env("PYTHONHOME", home)
            .env("PYTHONMALLOC", "malloc")
            .options("detect_leaks=0")
            .run();
        ended.assert_success();
        unloaded += usize::from(ended.stdout == "unloaded\n");
    }
    assert_ne!(
        unloaded, 0,
        "no version lets itself be unloaded: nothing was shown"
    );
}
