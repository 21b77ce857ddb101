//! Symbolizes addresses and reads sanitizer reports of programs that are
//! written in more than one of Go, C, Rust and Python.
//!
//! # Walkthrough
//!
//! The same steps stand in ffikit's documentation for Go, C and Python.
//!
//! ```
//! use ffikit::{demangle, version, Error, Report, ReportOptions, Symbolizer};
//! use std::path::Path;
//!
//! #[inline(never)]
//! extern "C" fn greet() {
//!     println!("hello");
//! }
//!
//! # /// The address of a function in the file of this program.
//! # fn virt_addr_of(function: usize) -> u64 {
//! #     let program = std::env::current_exe().unwrap();
//! #     let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
//! #     let line = maps.lines().find(|line| line.ends_with(program.to_str().unwrap())).unwrap();
//! #     let load_bias = usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
//! #     (function - load_bias) as u64
//! # }
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // 1. The version of the loaded library.
//!     assert!(version().starts_with("0.1."));
//!
//!     // 2. Symbolize an address of a binary: this program's own.
//!     let program = std::env::current_exe()?;
//!     let virt_addr = virt_addr_of(greet as extern "C" fn() as usize);
//!     let symbolizer = Symbolizer::new()?;
//!     let addresses = symbolizer.resolve(&program, &[virt_addr])?;
//!     let frame = &addresses[0][0];
//!     assert!(frame.function.as_deref().unwrap().ends_with("greet"));
//!
//!     // 3. Parse a log.
//!     let log = b"\
//! ==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c0de1000 bp 0x7ffd0 sp 0x7ffc8
//! READ of size 4 at 0x602000000010 thread T0
//!     #0 0x55d0c0de0fff in consume /src/app/consumer.c:41:9
//!     #1 0x55d0c0de2000 in main /src/app/main.c:12:3
//!
//! SUMMARY: AddressSanitizer: heap-use-after-free /src/app/consumer.c:41:9 in consume
//! ==7==ABORTING
//! ";
//!     let report = Report::parse(log, &ReportOptions::new().log_name("asan.7").source_root("/src/app"))?;
//!
//!     // 4. Count the reports in it.
//!     assert_eq!(report.count()?, 1);
//!
//!     // 5. Render it: for people, and as JSON.
//!     let text = report.to_text()?;
//!     assert!(text.contains("heap-use-after-free") && text.contains("consumer.c:41"));
//!     assert!(report.to_json()?.contains("\"ffikit.report/1\""));
//!
//!     // 6. Demangle a name.
//!     assert_eq!(demangle("_RNvC7mycrate3foo")?, "mycrate::foo");
//!
//!     // 7. Errors say what went wrong and what to do.
//!     let error = symbolizer.resolve(Path::new("/no/such/file"), &[0]).unwrap_err();
//!     assert!(matches!(error, Error::NotFound(_)));
//!     assert!(error.to_string().contains("/no/such/file"));
//!     Ok(())
//! }
//! ```
//!
//! # Threads and fork
//!
//! Everything here may be used from any thread, and shared between threads.
//! libffikit holds a Go runtime, which is dead in a forked child: there each
//! call gives [`Error::Forked`] at once, and dropping is harmless.
//!
//! # Where libffikit comes from
//!
//! See `ffikit-sys`: from `FFIKIT_LIB_DIR`, else by pkg-config, else it is
//! built from the Go source inside that crate.

mod error;
pub mod panics;
mod report;
mod symbolizer;
#[cfg(feature = "testing")]
pub mod testing;
mod text;

pub use error::Error;
pub use report::{Report, ReportOptions};
pub use symbolizer::{Frame, Symbolizer, SymbolizerOptions};
pub use text::{demangle, version};

// Handles and copies only: threads may share all of it.
const _: () = {
    const fn shared_by_threads<T: Send + Sync + 'static>() {}
    shared_by_threads::<Error>();
    shared_by_threads::<Frame>();
    shared_by_threads::<Report>();
    shared_by_threads::<ReportOptions>();
    shared_by_threads::<Symbolizer>();
    shared_by_threads::<SymbolizerOptions>();
};
