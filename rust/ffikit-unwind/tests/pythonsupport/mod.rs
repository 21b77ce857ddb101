//! What the tests inside CPython share: the interpreters, and the probe
//! (examples/python_probe.rs) that they load.
#![allow(dead_code)] // Each test file uses its part.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Must be there; what else scripts/cpythons finds is tested too.
const REQUIRED: [&str; 3] = ["3.11", "3.12", "3.13"];

/// A CPython with headers.
pub struct Python {
    /// Such as 3.13.0.
    pub version: String,
    pub executable: PathBuf,
}

pub fn manifest_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What a command that must succeed printed.
pub fn printed(command: &mut Command) -> String {
    String::from_utf8(succeed(command).stdout).unwrap()
}

/// Every CPython of this machine; a missing one of those required fails.
pub fn pythons() -> Vec<Python> {
    let listed = printed(&mut Command::new(manifest_path("../../scripts/cpythons")));
    let mut minors = Vec::new();
    let mut found = Vec::new();
    for line in listed.lines() {
        // MINOR VERSION EXECUTABLE; the last may have spaces.
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        minors.push(words.next().unwrap());
        found.push(Python {
            version: words.next().unwrap(),
            executable: words.next().unwrap().into(),
        });
    }
    for minor in REQUIRED {
        assert!(
            minors.iter().any(|found| found == minor),
            "CPython {minor} with headers is needed (scripts/bootstrap says how); found:\n{listed}"
        );
    }
    found
}

/// The probe library, built once a test run.
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let package = ["--package", "ffikit-unwind", "--example", "python_probe"];
        succeed(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet"])
                .args(package)
                .current_dir(env!("CARGO_MANIFEST_DIR")),
        );
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join("debug/examples/libpython_probe.so")
    })
}

/// A command of an interpreter that takes nothing from the environment.
pub fn run(python: &Python, arguments: &[&Path]) -> Command {
    let mut command = Command::new(&python.executable);
    command.args(["-X", "faulthandler", "-I"]).args(arguments);
    command
}
