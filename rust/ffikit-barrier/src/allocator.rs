//! The allocator that tells AddressSanitizer what Rust knows.

use std::alloc::{GlobalAlloc, Layout};

/// A global allocator that, in a build for AddressSanitizer, gets its memory
/// from C++'s aligned `operator new` and gives it back to the sized, aligned
/// `operator delete`. In every other build it is [`std::alloc::System`].
///
/// Rust's own allocator calls `malloc` and `free` and throws the size and
/// the alignment away. AddressSanitizer then takes these for right:
///
/// | error | reported as |
/// |---|---|
/// | memory of C's `malloc`, dropped by Rust (`Vec::from_raw_parts`, `Box::from_raw`) | alloc-dealloc-mismatch |
/// | memory of Rust (`mem::forget`, `Box::into_raw`), freed by C's `free` | alloc-dealloc-mismatch |
/// | deallocated with another size than allocated (`Vec` with a wrong capacity) | new-delete-type-mismatch |
/// | deallocated with another alignment (`Vec<u8>` of a `Vec<u64>`) | new-delete-type-mismatch |
///
/// `operator new` is a family of its own to AddressSanitizer, and the sized,
/// aligned `operator delete` is checked against what was asked for. To it,
/// all alignments up to 8 are alike.
///
/// Two Rust libraries that hand memory to each other must both have it, or
/// neither: else each such hand-over is reported.
///
/// Reallocating always moves here, so that a pointer into the old memory is
/// found by its next use.
#[derive(Debug, Default, Clone, Copy)]
pub struct SanitizerAllocator;

/// Makes [`SanitizerAllocator`] the global allocator in a build for
/// AddressSanitizer, and nothing at all in every other one.
///
/// Write it once, at the root of the final library or program:
///
/// ```
/// ffikit_barrier::sanitizer_allocator!();
/// # fn main() {}
/// ```
///
/// A build for AddressSanitizer is one with `-Zsanitizer=address` in
/// `RUSTFLAGS`, with a nightly compiler or a stable one and
/// `RUSTC_BOOTSTRAP=1`. One runtime for C, Go and Rust (clang's, preloaded):
///
/// ```text
/// RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Zexternal-clangrt -Clinker=clang-19 \
///     -Cforce-frame-pointers=yes -Cdebuginfo=2" \
///     cargo build --target x86_64-unknown-linux-gnu
/// ```
///
/// `--target` is needed even for the machine's own: without it Cargo also
/// instruments build scripts, which then do not start. A program, unlike a
/// cdylib, also needs `-Clink-arg=-fsanitize=address
/// -Clink-arg=-shared-libasan`.
#[macro_export]
macro_rules! sanitizer_allocator {
    () => {
        $crate::__sanitizer_allocator!();
    };
}

// The build script knows what is built for only in this crate, so the choice
// is made here and not in what the macro expands to.
#[cfg(ffikit_asan)]
#[doc(hidden)]
#[macro_export]
macro_rules! __sanitizer_allocator {
    () => {
        #[global_allocator]
        static FFIKIT_SANITIZER_ALLOCATOR: $crate::SanitizerAllocator = $crate::SanitizerAllocator;
    };
}

#[cfg(not(ffikit_asan))]
#[doc(hidden)]
#[macro_export]
macro_rules! __sanitizer_allocator {
    () => {};
}

#[cfg(not(ffikit_asan))]
mod source {
    use super::*;
    use std::alloc::System;

    // SAFETY: every call is passed on unchanged to the system's allocator.
    unsafe impl GlobalAlloc for SanitizerAllocator {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are those that System asks for.
            unsafe { System.alloc(layout) }
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: as above; block came from System.
            unsafe { System.dealloc(block, layout) }
        }

        #[inline]
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as above.
            unsafe { System.alloc_zeroed(layout) }
        }

        #[inline]
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            // SAFETY: as above; block came from System.
            unsafe { System.realloc(block, layout, new_size) }
        }
    }
}

#[cfg(ffikit_asan)]
mod source {
    use super::*;

    // The Itanium C++ ABI's names of the operators below; the address
    // sanitizer's runtime exports them, no C++ library is needed.
    extern "C" {
        /// `operator new(size_t, std::align_val_t, const std::nothrow_t&)`:
        /// null where there is no memory, as GlobalAlloc wants it.
        #[link_name = "_ZnwmSt11align_val_tRKSt9nothrow_t"]
        fn operator_new(size: usize, align: usize, nothrow: *const u8) -> *mut u8;

        /// `operator delete(void*, size_t, std::align_val_t)`
        #[link_name = "_ZdlPvmSt11align_val_t"]
        fn operator_delete(block: *mut u8, size: usize, align: usize);
    }

    /// Stands for `std::nothrow`, an empty object that nobody reads.
    static NOTHROW: u8 = 0;

    // SAFETY: operator new gives memory of the layout's size and alignment or
    // null; operator delete takes back what operator new gave. alloc_zeroed
    // and realloc are GlobalAlloc's own, made of these two.
    unsafe impl GlobalAlloc for SanitizerAllocator {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: a layout's alignment is a power of two, as operator new wants.
            unsafe { operator_new(layout.size(), layout.align(), &NOTHROW) }
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller promises that block came from alloc with this
            // layout; where the promise is broken the sanitizer reports it,
            // which is what this allocator is for.
            unsafe { operator_delete(block, layout.size(), layout.align()) }
        }
    }
}
