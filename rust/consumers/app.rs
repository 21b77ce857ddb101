//! A program of a user: scripts/package-crates makes a fresh crate of it, adds
//! the packaged crates, and builds and runs it without ffikit's sources.

use ffikit::{demangle, version, Error, Report, ReportOptions, Symbolizer};
use std::path::Path;

const LOG: &[u8] = b"\
==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7ffd0 sp 0x7ffc8
READ of size 4 at 0x602000000010 thread T0
    #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9
    #1 0x55d0c0de2000 in main /src/app/main.c:12:3

SUMMARY: AddressSanitizer: heap-use-after-free /src/app/consumer.c:41:9 in consume
==7==ABORTING
";

#[inline(never)]
extern "C" fn greet() -> u32 {
    std::hint::black_box(42) // line: greet
}

/// The address of a function in this program's file.
fn virt_addr_of(function: usize, program: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let first = maps
        .lines()
        .find(|line| line.ends_with(program.to_str().unwrap()))
        .unwrap();
    let load_bias = usize::from_str_radix(first.split('-').next().unwrap(), 16).unwrap();
    (function - load_bias) as u64
}

fn main() {
    if let Err(error) = run() {
        eprintln!("consumer: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(greet(), 42);

    let program = std::env::current_exe()?;
    let virt_addr = virt_addr_of(greet as extern "C" fn() -> u32 as usize, &program);
    let symbolizer = Symbolizer::new()?;
    assert_eq!(version(), "0.1.0");
    // The first instruction belongs to the line of the signature or to the body.
    let frames = &symbolizer.resolve(&program, &[virt_addr])?[0];
    let greeted = frames.last().expect("no frame for greet");
    assert_eq!(greeted.function.as_deref(), Some("consumer::greet"));
    assert!(
        greeted.file.as_ref().unwrap().ends_with("src/main.rs"),
        "{greeted:?}"
    );
    let marked = include_str!("main.rs")
        .lines()
        .position(|line| line.ends_with("// line: greet"));
    let marked = 1 + marked.unwrap() as u32;
    assert!(
        (marked - 1..=marked).contains(&greeted.line.unwrap()),
        "{greeted:?}"
    );

    let report = Report::parse(LOG, &ReportOptions::new().source_root("/src/app"))?;
    assert_eq!(report.count()?, 1);
    assert!(report.to_text()?.contains("consumer.c:41"));
    assert!(report.to_json()?.contains("\"heap-use-after-free\""));
    assert_eq!(demangle("_ZN3foo3barEv")?, "foo::bar()");
    let error = symbolizer.resolve(Path::new("/no/such"), &[1]).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");

    std::panic::set_hook(Box::new(|_| ()));
    let caught = ffikit_barrier::catch(|| panic!("stopped")).unwrap_err();
    assert_eq!(caught.message(), "stopped");
    println!("consumer: right answers");
    Ok(())
}
