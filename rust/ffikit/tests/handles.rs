//! Handles that are stale, foreign or of another type are errors, never more.

use ffikit::{Error, Report, ReportOptions, Symbolizer};
use std::mem::ManuallyDrop;
use std::path::Path;

fn is_refused(bits: u64) {
    let symbolizer = ManuallyDrop::new(Symbolizer::from_bits(bits));
    let error = symbolizer.resolve(Path::new("/proc/self/exe"), &[1]).unwrap_err();
    assert!(matches!(error, Error::Handle(_)), "{bits:#x}: {error:?}");
    let report = ManuallyDrop::new(Report::from_bits(bits));
    for error in [report.count().unwrap_err(), report.to_json().unwrap_err()] {
        assert!(matches!(error, Error::Handle(_)), "{bits:#x}: {error:?}");
    }
}

#[test]
fn numbers_that_are_no_handles() {
    for bits in [0, 1, 0xdead_beef, u64::MAX, 1 << 63, 1 << 32] {
        is_refused(bits);
    }
}

#[test]
fn freed_and_freed_again() {
    let symbolizer = Symbolizer::new().unwrap();
    let bits = symbolizer.bits();
    drop(symbolizer);
    is_refused(bits);
    drop(Symbolizer::from_bits(bits));
    drop(Report::from_bits(bits));
    // The slot may be used again: the old handle must not fit the new owner.
    let next = Symbolizer::new().unwrap();
    assert_ne!(next.bits(), bits);
    is_refused(bits);
    drop(Symbolizer::from_bits(bits));
    assert!(next.resolve(&std::env::current_exe().unwrap(), &[0]).is_ok());
}

#[test]
fn of_another_type() {
    let symbolizer = Symbolizer::new().unwrap();
    let report = Report::parse(b"", &ReportOptions::new()).unwrap();
    let crossed = ManuallyDrop::new(Report::from_bits(symbolizer.bits()));
    assert!(matches!(crossed.count(), Err(Error::Handle(_))));
    drop(Report::from_bits(symbolizer.bits()));
    drop(Symbolizer::from_bits(report.bits()));
    assert_eq!(report.count().unwrap(), 0);
    assert!(symbolizer
        .resolve(&std::env::current_exe().unwrap(), &[0])
        .is_ok());
}

#[test]
fn a_handle_changes_hands() {
    let bits = Report::parse(b"", &ReportOptions::new()).unwrap().into_bits();
    let report = Report::from_bits(bits);
    assert_eq!(report.count().unwrap(), 0);
}
