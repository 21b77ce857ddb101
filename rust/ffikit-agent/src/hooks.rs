//! The sanitizer's hooks: called after each allocation and before each free, in any
//! thread, in signal handlers, and while the loader is at work. They allocate
//! nothing, take no lock and leave errno alone.

use crate::{blocks, capture, thread};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering::*};
use ffikit_unwind::Registers;

/// Threads count in different places, so as not to wait for each other's cache lines.
const COUNTERS: usize = 64;

#[repr(align(128))]
struct Counters {
    mallocs: AtomicU64,
    frees: AtomicU64,
    lost: AtomicU64,
}

static COUNTS: [Counters; COUNTERS] = [const {
    Counters {
        mallocs: AtomicU64::new(0),
        frees: AtomicU64::new(0),
        lost: AtomicU64::new(0),
    }
}; COUNTERS];

#[inline(always)]
fn counters() -> &'static Counters {
    let thread = thread::pointer();
    &COUNTS[(thread >> 12 ^ thread >> 20) as usize % COUNTERS]
}

/// How many allocations and frees there were, and how many have no stack.
pub fn counts() -> (u64, u64, u64) {
    COUNTS.iter().fold((0, 0, 0), |(mallocs, frees, lost), of| {
        (
            mallocs.wrapping_add(of.mallocs.load(Relaxed)),
            frees.wrapping_add(of.frees.load(Relaxed)),
            lost.wrapping_add(of.lost.load(Relaxed)),
        )
    })
}

/// `malloc_hook` of __sanitizer_install_malloc_and_free_hooks.
pub unsafe extern "C" fn allocated(block: *const c_void, _len_bytes: usize) {
    let here = Registers::here();
    crate::guarded(|| {
        let counters = counters();
        counters.mallocs.fetch_add(1, Relaxed);
        // SAFETY: `here` is this function's frame.
        let stack = unsafe { capture::keep(&here) };
        if !blocks::allocated(block as u64, stack) || stack == 0 {
            counters.lost.fetch_add(1, Relaxed);
        }
    });
}

/// `free_hook` of __sanitizer_install_malloc_and_free_hooks. It is called with
/// whatever the program passes to free.
pub unsafe extern "C" fn freed(block: *const c_void) {
    let here = Registers::here();
    crate::guarded(|| {
        let counters = counters();
        counters.frees.fetch_add(1, Relaxed);
        if !blocks::is_live(block as u64) {
            return;
        }
        // SAFETY: `here` is this function's frame.
        let stack = unsafe { capture::keep(&here) };
        if stack == 0 {
            counters.lost.fetch_add(1, Relaxed);
        }
        blocks::freed(block as u64, stack);
    });
}
