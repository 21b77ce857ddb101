//! In a forked child the Go runtime is dead: each call must say so at once.
//! The child has a watchdog, since the fault to be found is a hang.

use ffikit::{demangle, panics, version, Error, Report, ReportOptions, Symbolizer};
use std::path::Path;

/// Runs `check` in a forked child; gives its exit status, or none where it
/// was still running after 20 s.
fn in_child(check: impl FnOnce() -> bool) -> Option<i32> {
    // SAFETY: the child only runs check, and leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        // SAFETY: alarm's signal ends the process by default.
        unsafe { libc::alarm(20) };
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(false);
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(!passed)) };
    }
    let mut status = 0;
    // SAFETY: status is writable, and the child is ours.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child);
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

fn is_forked<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forked(message)) if !message.is_empty())
}

#[test]
fn each_call_says_that_it_is_in_a_child() {
    let symbolizer = Symbolizer::new().unwrap();
    let report = Report::parse(b"", &ReportOptions::new()).unwrap();
    let frames = symbolizer
        .resolve(&std::env::current_exe().unwrap(), &[0, 1])
        .unwrap();
    let passed = in_child(|| {
        let answers = [
            is_forked(Symbolizer::new()),
            is_forked(symbolizer.resolve(Path::new("/proc/self/exe"), &[1])),
            is_forked(Report::parse(b"", &ReportOptions::new())),
            is_forked(report.count()),
            is_forked(report.to_text()),
            is_forked(demangle("_ZN1a1bEv")),
            frames.len() == 2,
            version().starts_with("0.1."),
        ];
        // Dropping does nothing, and so does dropping what is no handle.
        drop(symbolizer);
        drop(report);
        drop(Symbolizer::from_bits(u64::MAX));
        answers == [true; 8]
    });
    assert_eq!(passed, Some(0));
    // The parent goes on as if nothing had happened.
    assert_eq!(demangle("_ZN1a1bEv").unwrap(), "a::b()");
}

#[test]
fn a_panic_in_a_child_is_reported_without_names() {
    panics::install(|report| {
        let forked = report
            .partial
            .iter()
            .any(|partial| partial.reason.contains("fork"));
        let addresses = report
            .frames
            .iter()
            .filter(|frame| frame.module.is_some())
            .count();
        if report.message == "in the child" && forked && addresses > 3 {
            // SAFETY: ends the child with a status of its own.
            unsafe { libc::_exit(42) }
        }
    })
    .unwrap();
    assert_eq!(in_child(|| panic!("in the child")), Some(42));
    panics::remove();
}
