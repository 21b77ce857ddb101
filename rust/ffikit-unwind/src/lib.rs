//! Walks stacks that mix C, C++, Rust, Go and CPython, from inside the process.
//!
//! C, C++, Rust and the interpreter are walked by their CFI (`.eh_frame`), Go by
//! its frame pointers; both crossings, in both directions, are read from the code
//! of Go's own `crosscall2` and `asmcgocall`. Where the interpreter runs Python
//! code, the Python frames stand in the stack.
//!
//! Walking allocates nothing and takes no lock, so it may be done in an allocator,
//! in a signal handler, during dlopen. Memory that may not be there is read by
//! the kernel ([`memory`]): a smashed stack ends with a reason, it does not fault.

#![no_std]
#![warn(missing_docs)]

pub mod arch;
mod bounds;
mod cfi;
mod frame;
pub mod go;
pub mod memory;
pub mod module;
pub mod pclntab;
pub mod python;
mod rules;
mod walk;

pub use arch::Registers;
pub use bounds::StackBounds;
pub use rules::{forget, unload};
pub use walk::{walk, walk_into, End, Frame, Trail, Walk};

/// The README's example runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
