//! The library that ffikit loads into a program: the sanitizers' companion, or the
//! tracker of allocations ([`tracker`]).
//!
//! The companion is for AddressSanitizer, whose own stacks end where another language
//! begins: it is preloaded before its runtime, walks the stack at each allocation,
//! free and report through Python, Go, Rust and C (ffikit-unwind), and writes the stacks
//! that reports need into a file of its own (`go/trace/FORMAT.md`), by which ffikit
//! completes the sanitizer's log.
//!
//! It runs inside of strangers' processes, so: nothing is allocated by the
//! program's allocator, no lock is taken in an allocation or a free or while a stack
//! is walked, errno stays, nothing relies on the process ending in an orderly way,
//! no pointer into the program's heap is kept where LeakSanitizer looks, and
//! whatever is not as expected means less evidence, never an end of the process.

#![cfg_attr(test, allow(dead_code))]

mod arena;
mod audit;
mod blocks;
mod capture;
mod cast;
mod code_objects;
mod evidence;
mod file;
mod hooks;
mod interpose;
mod log;
mod modules;
mod notes;
mod own_stack;
mod report;
mod runtime;
mod sites;
mod stacks;
mod start;
mod thread;
mod threads;
mod tracker;
mod trails;

#[cfg(not(test))]
#[global_allocator]
static ARENA: arena::Arena = arena::Arena;

/// Runs `body` so that no panic leaves it, since there is nobody above who could take
/// it, and so that errno stays: the program that we interrupt may be about to read it.
#[inline(always)]
fn guarded(body: impl FnOnce()) {
    // SAFETY: this thread's own errno.
    let errno = unsafe { *libc::__errno_location() };
    // The bodies have no state that a panic could leave half done: all of it is atomic.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}
