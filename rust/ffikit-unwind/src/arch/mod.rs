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

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::Registers;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64_crossing.rs"]
pub mod crossing;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("ffikit-unwind knows the stacks of x86-64 and aarch64 only");
