//! Addresses of a C program, compared with marker comments in its source and
//! with LLVM's symbolizer.

use ffikit::{Error, Frame, Symbolizer, SymbolizerOptions};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn output_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inline.c");
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inline");
        output_of(
            Command::new("cc")
                .args(["-g", "-O1", "-o"])
                .arg(&built)
                .arg(source),
        );
        built
    })
}

/// Every byte address of the function `outer`, from nm.
fn addresses_of_outer() -> Vec<u64> {
    let symbols = output_of(Command::new("nm").arg("-S").arg(program()));
    let line = symbols.lines().find(|line| line.ends_with(" outer")).unwrap();
    let mut fields = line.split(' ').map(|field| u64::from_str_radix(field, 16));
    let (start, size) = (fields.next().unwrap().unwrap(), fields.next().unwrap().unwrap());
    (start..start + size).collect()
}

fn marked(marker: &str) -> u32 {
    let source = include_str!("data/inline.c");
    let marker = format!("/* line: {marker} */");
    1 + source.lines().position(|line| line.contains(&marker)).unwrap() as u32
}

fn function_and_line(frame: &Frame) -> (&str, u32) {
    (frame.function.as_deref().unwrap_or("??"), frame.line.unwrap_or(0))
}

#[test]
fn inline_chain_has_the_marked_lines() {
    let addresses = addresses_of_outer();
    let resolved = Symbolizer::new().unwrap().resolve(program(), &addresses).unwrap();
    assert_eq!(resolved.len(), addresses.len());
    let chain = resolved
        .iter()
        .find(|frames| function_and_line(&frames[0]) == ("inner", marked("inner")))
        .expect("no address of outer lies in the inlined inner");
    let places: Vec<_> = chain.iter().map(function_and_line).collect();
    let expected = [
        ("inner", marked("inner")),
        ("middle", marked("middle")),
        ("outer", marked("outer")),
    ];
    assert_eq!(places, expected);
    assert_eq!(
        chain.iter().map(|frame| frame.inlined).collect::<Vec<_>>(),
        [true, true, false]
    );
    for frame in chain {
        assert_eq!(frame.language.as_deref(), Some("c"));
        assert!(
            frame.file.as_ref().unwrap().ends_with("tests/data/inline.c"),
            "{frame:?}"
        );
        assert!(!frame.runtime);
    }
}

#[test]
fn every_address_agrees_with_llvm() {
    let addresses = addresses_of_outer();
    let resolved = Symbolizer::new().unwrap().resolve(program(), &addresses).unwrap();
    let hex: Vec<String> = addresses.iter().map(|address| format!("{address:#x}")).collect();
    let theirs = output_of(
        Command::new("llvm-symbolizer-19")
            .args(["--output-style=LLVM", "--functions=linkage", "--obj"])
            .arg(program())
            .args(&hex),
    );
    let blocks: Vec<&str> = theirs.trim_end().split("\n\n").collect();
    assert_eq!(blocks.len(), addresses.len());
    for ((address, frames), block) in hex.iter().zip(&resolved).zip(blocks) {
        let lines: Vec<&str> = block.lines().collect();
        let expected: Vec<(&str, u32)> = lines
            .chunks(2)
            .map(|pair| (pair[0], pair[1].rsplit(':').nth(1).unwrap().parse().unwrap()))
            .collect();
        let ours: Vec<_> = frames.iter().map(function_and_line).collect();
        assert_eq!(ours, expected, "at {address}");
    }
}

#[test]
fn order_repetition_and_unknown_addresses_are_kept() {
    let symbolizer = Symbolizer::new().unwrap();
    let known = addresses_of_outer()[0];
    let resolved = symbolizer
        .resolve(program(), &[0, known, u64::MAX, known])
        .unwrap();
    assert_eq!(resolved.len(), 4);
    assert!(resolved[0].is_empty() && resolved[2].is_empty());
    assert_eq!(resolved[1], resolved[3]);
    assert_eq!(resolved[1].last().unwrap().function.as_deref(), Some("outer"));
    assert_eq!(resolved[1][0].virt_addr, known);
    assert_eq!(
        symbolizer.resolve(program(), &[]).unwrap(),
        Vec::<Vec<Frame>>::new()
    );
}

#[test]
fn frames_outlive_their_symbolizer() {
    let symbolizer = Symbolizer::with_options(&SymbolizerOptions::new().debug_dir("/nowhere")).unwrap();
    let frames = symbolizer.resolve(program(), &addresses_of_outer()[..1]).unwrap();
    drop(symbolizer);
    assert_eq!(frames[0].last().unwrap().function.as_deref(), Some("outer"));
}

#[test]
fn bad_files_are_named() {
    let symbolizer = Symbolizer::new().unwrap();
    let missing = symbolizer.resolve(Path::new("/no/such/file"), &[1]).unwrap_err();
    assert!(matches!(missing, Error::NotFound(_)), "{missing:?}");
    assert!(missing.message().contains("/no/such/file"), "{missing}");

    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let format = symbolizer.resolve(&text, &[1]).unwrap_err();
    assert!(matches!(format, Error::Format(_)), "{format:?}");
    assert!(format.message().contains("Cargo.toml"), "{format}");

    let folder = symbolizer.resolve(Path::new("/"), &[1]).unwrap_err();
    assert!(!matches!(folder, Error::Panic(_)), "{folder:?}");
    let empty = symbolizer.resolve(Path::new(""), &[1]).unwrap_err();
    assert!(!matches!(empty, Error::Panic(_)), "{empty:?}");
    // The symbolizer is none the worse for it.
    assert_eq!(symbolizer.resolve(program(), &[0]).unwrap(), [vec![]]);
}

#[test]
fn bad_options_are_refused() {
    for folder in ["", "/a:/b"] {
        let refused = Symbolizer::with_options(&SymbolizerOptions::new().debug_dir(folder)).unwrap_err();
        assert!(matches!(refused, Error::Argument(_)), "{refused:?}");
    }
}

#[test]
fn each_error_has_its_status() {
    let symbolizer = Symbolizer::new().unwrap();
    let statuses: HashMap<i32, Error> = [
        symbolizer.resolve(Path::new("/no/such/file"), &[1]).unwrap_err(),
        Symbolizer::from_bits(u64::MAX)
            .resolve(program(), &[1])
            .unwrap_err(),
    ]
    .into_iter()
    .map(|error| (error.status(), error))
    .collect();
    assert!(matches!(statuses[&-3], Error::NotFound(_)));
    assert!(matches!(statuses[&-2], Error::Handle(_)));
}
