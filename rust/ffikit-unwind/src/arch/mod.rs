//! What differs between processors: registers, raw system calls, how a rule of
//! the cache is packed and applied, signal frames, and how Go crosses into C.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Registers;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(target_arch = "x86_64")]
#[path = "x86_64_crossing.rs"]
pub mod crossing;
