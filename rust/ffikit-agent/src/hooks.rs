//! The sanitizer's hooks: called after each allocation and before each free, in any
//! thread, in signal handlers, and while the loader is at work. They allocate
//! nothing, take no lock and leave errno alone.

use crate::blocks::Hidden;
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

/// Clears the vector registers that a function may change. Copies of what the
/// program has in its registers went through them, and LeakSanitizer takes what it
/// finds there for pointers in use, long after the program has dropped its own.
#[inline(always)]
fn clear_vectors() {
    // SAFETY: the calling convention saves none of them, and the compiler is told.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3",
            "pxor xmm4, xmm4", "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
            "pxor xmm8, xmm8", "pxor xmm9, xmm9", "pxor xmm10, xmm10", "pxor xmm11, xmm11",
            "pxor xmm12, xmm12", "pxor xmm13, xmm13", "pxor xmm14, xmm14", "pxor xmm15, xmm15",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    // SAFETY: as above; of v8 to v15 the lower halves belong to the caller.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0",
            "movi v4.2d, #0", "movi v5.2d, #0", "movi v6.2d, #0", "movi v7.2d, #0",
            "movi v16.2d, #0", "movi v17.2d, #0", "movi v18.2d, #0", "movi v19.2d, #0",
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// `malloc_hook` of __sanitizer_install_malloc_and_free_hooks.
pub unsafe extern "C" fn allocated(block: *const c_void, _len_bytes: usize) {
    let here = Registers::here();
    let block = Hidden::new(block as u64);
    crate::guarded(|| {
        let counters = counters();
        counters.mallocs.fetch_add(1, Relaxed);
        // SAFETY: `here` is this function's frame.
        let stack = unsafe { capture::keep(&here, capture::note_module) };
        if !blocks::allocated(block, stack) || stack == 0 {
            counters.lost.fetch_add(1, Relaxed);
        }
    });
    clear_vectors();
}

/// `free_hook` of __sanitizer_install_malloc_and_free_hooks. It is called with
/// whatever the program passes to free.
pub unsafe extern "C" fn freed(block: *const c_void) {
    let here = Registers::here();
    let block = Hidden::new(block as u64);
    crate::guarded(|| {
        let counters = counters();
        counters.frees.fetch_add(1, Relaxed);
        if !blocks::is_live(block) {
            return;
        }
        // SAFETY: `here` is this function's frame.
        let stack = unsafe { capture::keep(&here, capture::note_module) };
        if stack == 0 {
            counters.lost.fetch_add(1, Relaxed);
        }
        blocks::freed(block, stack);
    });
    clear_vectors();
}
