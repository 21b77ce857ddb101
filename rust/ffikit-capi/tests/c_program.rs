//! Compiles tests/data/program.c against ffikit_rs.h and runs it with the
//! shared and with the static library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        printed[0],
        printed[1]
    );
    printed[0].clone()
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where Cargo put this crate's libraries: beside this test.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Cargo lets tests find the libraries that they are linked to; so the
/// folder of libffikit is there too.
fn ffikit_folder() -> PathBuf {
    let path = std::env::var_os("LD_LIBRARY_PATH").expect("cargo test sets LD_LIBRARY_PATH");
    std::env::split_paths(&path)
        .find(|folder| folder.join("libffikit.so").exists())
        .expect("no libffikit.so on LD_LIBRARY_PATH: run this by cargo test with FFIKIT_LIB_DIR")
}

fn compile(name: &str, links: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    output_of(
        Command::new("cc")
            .args(["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
            .arg(crate_folder().join("include"))
            .arg(crate_folder().join("tests/data/program.c"))
            .arg("-o")
            .arg(&program)
            .args(links),
    );
    program
}

fn address_of_main(program: &Path) -> String {
    let symbols = output_of(Command::new("nm").arg(program));
    let line = symbols.lines().find(|line| line.ends_with(" T main")).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

fn check(program: &Path) {
    let printed = output_of(Command::new(program).arg(program).arg(address_of_main(program)));
    assert!(printed.ends_with("done\n"), "{printed}");
    let frame = printed.lines().find(|line| line.starts_with("frame ")).unwrap();
    let source = include_str!("data/program.c");
    let line = 1 + source
        .lines()
        .position(|line| line.starts_with("int main("))
        .unwrap();
    assert!(frame.starts_with("frame main c "), "{frame}");
    assert!(
        frame.ends_with(&format!("tests/data/program.c:{line} 0")),
        "{frame}"
    );

    let json = printed
        .lines()
        .find_map(|line| line.strip_prefix("json "))
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let report = &json["reports"][0];
    let frames = report["stacks"][0]["frames"].as_array().unwrap();
    let blamed = &frames[report["blame"]["frame"].as_u64().unwrap() as usize];
    let panics = include_str!("../src/panics.rs");
    let line = 1 + panics
        .lines()
        .position(|line| line.ends_with("// line: testing panic"))
        .unwrap();
    assert!(
        blamed["file"]
            .as_str()
            .unwrap()
            .ends_with("ffikit-capi/src/panics.rs"),
        "{blamed}"
    );
    assert_eq!(blamed["line"], line);
    // The stack goes on into the C program.
    assert!(frames
        .iter()
        .any(|frame| frame["function"] == "check_panics" && frame["language"] == "c"));
}

#[test]
fn with_the_shared_library() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared");
    fs::create_dir_all(&folder).unwrap();
    for name in ["libffikit_rs.so", "libffikit_rs.so.0"] {
        let _ = fs::remove_file(folder.join(name));
        std::os::unix::fs::symlink(libraries().join("libffikit_rs.so"), folder.join(name)).unwrap();
    }
    let folder = folder.display();
    check(&compile(
        "program-shared",
        &[
            &format!("-L{folder}"),
            "-lffikit_rs",
            &format!("-Wl,-rpath,{folder}"),
        ],
    ));
}

#[test]
fn with_the_static_library() {
    let library = libraries().join("libffikit_rs.a").display().to_string();
    let ffikit = ffikit_folder().display().to_string();
    check(&compile(
        "program-static",
        &[
            &library,
            &format!("-L{ffikit}"),
            "-lffikit",
            "-lgcc_s",
            "-lm",
            "-ldl",
        ],
    ));
}

#[test]
fn the_shared_library_is_marked_and_exports_its_functions_alone() {
    let library = libraries().join("libffikit_rs.so");
    let dynamic = output_of(Command::new("readelf").args(["-dW"]).arg(&library));
    assert!(
        dynamic.contains("Library soname: [libffikit_rs.so.0]"),
        "{dynamic}"
    );
    assert!(dynamic.contains("NODELETE"), "{dynamic}");

    let symbols = output_of(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let mut exported: Vec<&str> = symbols
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    exported.sort();
    let header = fs::read_to_string(crate_folder().join("include/ffikit_rs.h")).unwrap();
    let mut declared: Vec<&str> = header
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '('))
        .filter_map(|word| word.split_once('(').map(|(name, _)| name))
        .filter(|name| name.starts_with("ffikit_rs_"))
        .chain(["ffikit_rs_testing_panic"])
        .collect();
    declared.sort();
    declared.dedup();
    assert_eq!(exported, declared);
}

#[test]
fn the_header_serves_cpp() {
    output_of(
        Command::new("c++")
            .args([
                "-std=c++17",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pedantic",
                "-fsyntax-only",
                "-x",
                "c++",
            ])
            .arg(crate_folder().join("include/ffikit_rs.h")),
    );
}
