//! What Rust code needs at an `extern "C"` boundary, without libffikit and
//! without any dependency.
//!
//! # The panic barrier
//!
//! A Rust panic must not leave an `extern "C"` function: since Rust 1.81 it
//! ends the process, before that it was undefined behaviour. [`guard`],
//! [`guard_or`] and [`catch`] run a closure, stop a panic there, and turn it
//! into a value that the C side understands, with the panic's message.
//!
//! ```
//! use ffikit_barrier::{guard, Caught, OnPanic};
//!
//! /// The status of this library's C functions: 0 is success.
//! #[repr(transparent)]
//! #[derive(Debug, PartialEq)]
//! pub struct Status(i32);
//!
//! impl OnPanic for Status {
//!     fn on_panic(caught: &Caught) -> Self {
//!         eprintln!("bug in mylib: {caught}");
//!         Status(-1)
//!     }
//! }
//!
//! /// Divides; there is no answer where `by` is 0.
//! pub extern "C" fn mylib_divide(value: i32, by: i32, out: Option<&mut i32>) -> Status {
//!     guard(|| {
//!         let quotient = value / by; // panics where by is 0
//!         match out {
//!             Some(out) => *out = quotient,
//!             None => return Status(-2),
//!         }
//!         Status(0)
//!     })
//! }
//!
//! let mut out = 0;
//! assert_eq!(mylib_divide(12, 3, Some(&mut out)), Status(0));
//! assert_eq!(out, 4);
//! assert_eq!(mylib_divide(1, 0, Some(&mut out)), Status(-1));
//! ```
//!
//! What it cannot stop:
//! - **`panic = "abort"`** in the profile: no panic can be caught at all; the
//!   process ends. [`CATCHES_PANICS`] tells which of the two was built.
//! - a panic in a destructor that runs because of another panic, and a panic
//!   inside the panic hook: Rust ends the process.
//! - a stack overflow and a failed allocation: these are no panics.
//! - a C++ exception that enters Rust through `extern "C-unwind"`: Rust ends
//!   the process rather than let it pass a barrier.
//!
//! # The sanitizer-only allocator
//!
//! [`SanitizerAllocator`] makes AddressSanitizer see the errors that Rust's
//! own allocator hides from it: see there and [`sanitizer_allocator!`].

mod allocator;
mod barrier;

pub use allocator::SanitizerAllocator;
pub use barrier::{catch, guard, guard_or, Caught, OnPanic, CATCHES_PANICS};
