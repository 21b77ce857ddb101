//! Threads share symbolizers and reports, and free them under each other.

use ffikit::{demangle, Error, Report, ReportOptions, Symbolizer};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

const THREADS: usize = 8;

/// Addresses of functions of a program, from nm.
fn text_addresses(program: &Path, count: usize) -> Vec<u64> {
    let symbols = Command::new("nm")
        .args(["--defined-only"])
        .arg(program)
        .output()
        .unwrap()
        .stdout;
    let symbols = String::from_utf8(symbols).unwrap();
    let text = symbols.lines().filter_map(|line| line.split_once(" t "));
    let addresses: Vec<u64> = text
        .map(|(address, _)| u64::from_str_radix(address, 16).unwrap())
        .collect();
    assert!(addresses.len() > count, "nm knows {} functions", addresses.len());
    addresses
        .iter()
        .copied()
        .step_by(addresses.len() / count)
        .collect()
}

#[test]
fn threads_share_one_symbolizer_and_one_report() {
    let program = std::env::current_exe().unwrap();
    let symbolizer = Symbolizer::new().unwrap();
    let addresses = text_addresses(&program, 64);
    let alone = symbolizer.resolve(&program, &addresses).unwrap();
    assert!(
        alone.iter().any(|frames| !frames.is_empty()),
        "nothing to compare"
    );
    let report = Report::parse(b"nothing\n", &ReportOptions::new()).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(symbolizer.resolve(&program, &addresses).unwrap(), alone);
                    assert_eq!(report.count().unwrap(), 0);
                    assert_eq!(demangle("_ZN1a1bEv").unwrap(), "a::b()");
                }
            });
        }
    });
}

#[test]
fn freed_while_others_use_it() {
    for _ in 0..50 {
        let bits = Symbolizer::new().unwrap().into_bits();
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for index in 0..THREADS {
                let start = &start;
                scope.spawn(move || {
                    let symbolizer = ManuallyDrop::new(Symbolizer::from_bits(bits));
                    start.wait();
                    if index == 0 {
                        drop(ManuallyDrop::into_inner(symbolizer));
                        return;
                    }
                    for _ in 0..20 {
                        match symbolizer.resolve("/proc/self/exe".as_ref(), &[0]) {
                            Ok(frames) => assert_eq!(frames.len(), 1),
                            Err(error) => assert!(matches!(error, Error::Handle(_)), "{error:?}"),
                        }
                    }
                });
            }
        });
        let after = Symbolizer::from_bits(bits).resolve("/proc/self/exe".as_ref(), &[0]);
        assert!(matches!(after, Err(Error::Handle(_))));
    }
}
