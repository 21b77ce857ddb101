//! Builds examples/mismatch.rs for AddressSanitizer and has it commit each
//! error: the allocator is right when all are caught and the matched pairs
//! stay silent. Needs clang-19 with its runtime; without it the test fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const FLAGS: [&str; 9] = [
    "-Zsanitizer=address",
    "-Zexternal-clangrt",
    "-Clinker=clang-19",
    "-Clink-arg=-fsanitize=address",
    "-Clink-arg=-shared-libasan",
    "-Cforce-frame-pointers=yes",
    "-Cdebuginfo=2",
    "-Cdwarf-version=5",
    "-Copt-level=0",
];

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The example, built once with these flags in a target folder of its own.
fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asan");
        run(Command::new(env!("CARGO"))
            .args(["build", "--offline", "--example", "mismatch"])
            .args(["--target", "x86_64-unknown-linux-gnu", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target_dir)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
            .env_remove("RUSTFLAGS"));
        target_dir.join("x86_64-unknown-linux-gnu/debug/examples/mismatch")
    })
}

fn runtime() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let output = run(Command::new("clang-19").arg("-print-file-name=libclang_rt.asan-x86_64.so"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// Runs one case; gives the exit status' success and all that it printed.
fn commit(case: &str) -> (bool, String) {
    let output = Command::new(example())
        .arg(case)
        .env("LD_PRELOAD", runtime())
        .env(
            "ASAN_OPTIONS",
            "alloc_dealloc_mismatch=1:new_delete_type_mismatch=1:detect_leaks=0:symbolize=1",
        )
        .env("ASAN_SYMBOLIZER_PATH", "/usr/bin/llvm-symbolizer-19")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

/// The line of the example with this marker comment.
fn marked(marker: &str) -> usize {
    let source = include_str!("../examples/mismatch.rs");
    let marker = format!("// fault: {marker}");
    1 + source
        .lines()
        .position(|line| line.ends_with(&marker))
        .unwrap_or_else(|| panic!("no line ends in {marker:?}"))
}

fn assert_caught(case: &str, kind: &str) {
    let (success, printed) = commit(case);
    assert!(!success, "{case} ended well:\n{printed}");
    assert!(
        printed.contains(&format!("ERROR: AddressSanitizer: {kind}")),
        "{case} is no {kind}:\n{printed}"
    );
    let place = format!("examples/mismatch.rs:{}", marked(case));
    assert!(
        printed.contains(&place),
        "{case} has no frame at {place}:\n{printed}"
    );
    assert!(
        !printed.contains("\ndone"),
        "{case} went on after the report:\n{printed}"
    );
}

#[test]
fn memory_of_c_dropped_by_rust_is_caught() {
    assert_caught("c-by-rust", "alloc-dealloc-mismatch");
}

#[test]
fn memory_of_rust_freed_by_c_is_caught() {
    assert_caught("rust-by-c", "alloc-dealloc-mismatch");
}

#[test]
fn wrong_size_is_caught() {
    assert_caught("size", "new-delete-type-mismatch");
}

#[test]
fn wrong_alignment_is_caught() {
    assert_caught("align", "new-delete-type-mismatch");
}

#[test]
fn stale_pointer_after_realloc_is_caught() {
    assert_caught("stale", "heap-use-after-free");
}

#[test]
fn matched_pairs_are_silent() {
    let (success, printed) = commit("matched");
    assert!(success, "{printed}");
    assert_eq!(printed, "done\n");
}
