//! A library of a user that C loads and unloads: a cdylib with libffikit
//! inside. scripts/package-crates makes a fresh crate of it.

use ffikit::{Report, ReportOptions};

// Its host sees this library's panics through these.
pub use ffikit_rs::*;

/// How many reports a log has; -1 for an error.
///
/// # Safety
/// `log` has `len_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_count(log: *const u8, len_bytes: usize) -> i64 {
    ffikit_barrier::guard_or(-1, || {
        // SAFETY: as promised by the caller.
        let log = unsafe { std::slice::from_raw_parts(log, len_bytes) };
        let report = Report::parse(log, &ReportOptions::new()).unwrap();
        report.count().unwrap() as i64
    })
}

/// Panics behind the barrier: -1.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_panic() -> i64 {
    ffikit_barrier::guard_or(-1, || panic!("inside the plugin"))
}
