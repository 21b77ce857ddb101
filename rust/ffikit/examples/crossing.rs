//! Prints the nanoseconds that one call from Rust into the Go core takes:
//! `Report::count`, which checks a handle and returns a number.

use std::time::Instant;

use ffikit::{Report, ReportOptions};

fn main() -> Result<(), ffikit::Error> {
    let reports = Report::parse(b"", &ReportOptions::new())?;
    let calls = 500_000_u32;
    for _ in 0..calls / 10 {
        reports.count()?;
    }
    let start = Instant::now();
    for _ in 0..calls {
        reports.count()?;
    }
    println!("{:.1}", start.elapsed().as_secs_f64() / f64::from(calls) * 1e9);
    Ok(())
}
