//! malloc and its kin, tracked: the allocator does what it was asked for, and what
//! came of it is kept. An allocator that calls itself by these names is counted once.

use super::counts::Class;
use super::entries::*;
use super::{allocated, count_free, give_back, sampling, take};
use crate::thread::Inside;
use core::ffi::{c_int, c_void};
use ffikit_unwind::Registers;

type Pointer = *mut c_void;

/// Calls the next definition, without what it calls being tracked; then `done`. Where
/// that is how we got here nothing is tracked.
macro_rules! tracked {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) = $entry:ident, $len_bytes:expr) => {
        #[doc = concat!("`", stringify!($name), "`, tracked: gives a block of `", stringify!($len_bytes), "`.")]
        ///
        /// # Safety
        /// As the next definition.
        pub unsafe extern "C-unwind" fn $name<const SAMPLED: bool>($($argument: $type),*) -> Pointer {
            let next: unsafe extern "C-unwind" fn($($type),*) -> Pointer = $entry.next_as();
            if SAMPLED && !sampling::hits($len_bytes) {
                // SAFETY: the caller's arguments.
                return unsafe { next($($argument),*) };
            }
            let Some(inside) = Inside::enter() else {
                // SAFETY: the caller's arguments.
                return unsafe { next($($argument),*) };
            };
            // SAFETY: as above.
            let block = unsafe { next($($argument),*) };
            drop(inside);
            if !block.is_null() {
                allocated(Class::Heap, block as u64, $len_bytes as u64, &Registers::here());
            }
            block
        }
    };
}

macro_rules! freeing {
    ($name:ident($($argument:ident: $type:ty),*) = $entry:ident) => {
        #[doc = concat!("`", stringify!($name), "`, tracked.")]
        ///
        /// # Safety
        /// As the next definition.
        pub unsafe extern "C-unwind" fn $name<const SAMPLED: bool>(block: Pointer $(, $argument: $type)*) {
            let next: unsafe extern "C-unwind" fn(Pointer $(, $type)*) = $entry.next_as();
            if SAMPLED && !sampling::may_be_tracked(block as u64) {
                // SAFETY: the caller's arguments.
                return unsafe { next(block $(, $argument)*) };
            }
            // Before it is given back: then it may be another thread's at once.
            if let Some(inside) = Inside::enter() {
                if let Some(block) = take(block as u64) {
                    count_free(block);
                }
                // SAFETY: the caller's arguments.
                unsafe { next(block $(, $argument)*) };
                return drop(inside);
            }
            // SAFETY: as above.
            unsafe { next(block $(, $argument)*) }
        }
    };
}

tracked!(malloc(len_bytes: usize) = MALLOC, len_bytes);
tracked!(calloc(count: usize, len_bytes: usize) = CALLOC, count.wrapping_mul(len_bytes));
tracked!(aligned_alloc(alignment: usize, len_bytes: usize) = ALIGNED_ALLOC, len_bytes);
tracked!(memalign(alignment: usize, len_bytes: usize) = MEMALIGN, len_bytes);
tracked!(valloc(len_bytes: usize) = VALLOC, len_bytes);
tracked!(pvalloc(len_bytes: usize) = PVALLOC, len_bytes);
tracked!(new(len_bytes: usize) = NEW, len_bytes);
tracked!(new_array(len_bytes: usize) = NEW_ARRAY, len_bytes);
tracked!(new_nothrow(len_bytes: usize, nothrow: Pointer) = NEW_NOTHROW, len_bytes);
tracked!(new_array_nothrow(len_bytes: usize, nothrow: Pointer) = NEW_ARRAY_NOTHROW, len_bytes);
tracked!(new_aligned(len_bytes: usize, alignment: usize) = NEW_ALIGNED, len_bytes);
tracked!(new_array_aligned(len_bytes: usize, alignment: usize) = NEW_ARRAY_ALIGNED, len_bytes);
tracked!(new_aligned_nothrow(len_bytes: usize, alignment: usize, nothrow: Pointer) = NEW_ALIGNED_NOTHROW, len_bytes);
tracked!(new_array_aligned_nothrow(len_bytes: usize, alignment: usize, nothrow: Pointer)
    = NEW_ARRAY_ALIGNED_NOTHROW, len_bytes);

freeing!(free() = FREE);
freeing!(free_sized(len_bytes: usize) = FREE_SIZED);
freeing!(free_aligned_sized(alignment: usize, len_bytes: usize) = FREE_ALIGNED_SIZED);
freeing!(delete() = DELETE);
freeing!(delete_array() = DELETE_ARRAY);
freeing!(delete_sized(len_bytes: usize) = DELETE_SIZED);
freeing!(delete_array_sized(len_bytes: usize) = DELETE_ARRAY_SIZED);
freeing!(delete_nothrow(nothrow: Pointer) = DELETE_NOTHROW);
freeing!(delete_array_nothrow(nothrow: Pointer) = DELETE_ARRAY_NOTHROW);
freeing!(delete_aligned(alignment: usize) = DELETE_ALIGNED);
freeing!(delete_array_aligned(alignment: usize) = DELETE_ARRAY_ALIGNED);
freeing!(delete_aligned_nothrow(alignment: usize, nothrow: Pointer) = DELETE_ALIGNED_NOTHROW);
freeing!(delete_array_aligned_nothrow(alignment: usize, nothrow: Pointer) = DELETE_ARRAY_ALIGNED_NOTHROW);
freeing!(delete_sized_aligned(len_bytes: usize, alignment: usize) = DELETE_SIZED_ALIGNED);
freeing!(delete_array_sized_aligned(len_bytes: usize, alignment: usize) = DELETE_ARRAY_SIZED_ALIGNED);

/// Where a block is moved or resized: it is taken out before, since its place may be
/// another thread's before the allocator has returned, and put back where that failed.
#[inline(always)]
fn resized<const SAMPLED: bool>(
    block: Pointer,
    len_bytes: usize,
    from: &Registers,
    resize: impl FnOnce() -> Pointer,
) -> Pointer {
    let is_hit = !SAMPLED || sampling::hits(len_bytes);
    if !is_hit && !sampling::may_be_tracked(block as u64) {
        return resize();
    }
    let Some(inside) = Inside::enter() else {
        return resize();
    };
    let before = take(block as u64);
    let new = resize();
    drop(inside);
    // realloc(block, 0) frees, and gives null.
    let has_failed = new.is_null() && len_bytes != 0;
    if let Some(before) = before {
        if has_failed {
            give_back(block as u64, before);
        } else {
            count_free(before);
        }
    }
    if is_hit && !new.is_null() {
        allocated(Class::Heap, new as u64, len_bytes as u64, from);
    }
    new
}

/// `realloc`, tracked.
///
/// # Safety
/// As realloc(3).
pub unsafe extern "C-unwind" fn realloc<const SAMPLED: bool>(block: Pointer, len_bytes: usize) -> Pointer {
    let here = Registers::here();
    // SAFETY: the next function of this name, and the caller's arguments.
    resized::<SAMPLED>(block, len_bytes, &here, || unsafe {
        let next: unsafe extern "C-unwind" fn(Pointer, usize) -> Pointer = REALLOC.next_as();
        next(block, len_bytes)
    })
}

/// `reallocarray`, tracked.
///
/// # Safety
/// As reallocarray(3).
pub unsafe extern "C-unwind" fn reallocarray<const SAMPLED: bool>(
    block: Pointer,
    count: usize,
    len_bytes: usize,
) -> Pointer {
    let here = Registers::here();
    // SAFETY: as above. A product that is too large is refused, and the block stays.
    resized::<SAMPLED>(block, count.saturating_mul(len_bytes), &here, || unsafe {
        let next: unsafe extern "C-unwind" fn(Pointer, usize, usize) -> Pointer = REALLOCARRAY.next_as();
        next(block, count, len_bytes)
    })
}

/// `posix_memalign`, tracked.
///
/// # Safety
/// As posix_memalign(3).
pub unsafe extern "C-unwind" fn posix_memalign<const SAMPLED: bool>(
    block: *mut Pointer,
    alignment: usize,
    len_bytes: usize,
) -> c_int {
    let next: unsafe extern "C-unwind" fn(*mut Pointer, usize, usize) -> c_int = POSIX_MEMALIGN.next_as();
    if SAMPLED && !sampling::hits(len_bytes) {
        // SAFETY: the caller's arguments.
        return unsafe { next(block, alignment, len_bytes) };
    }
    let Some(inside) = Inside::enter() else {
        // SAFETY: the caller's arguments.
        return unsafe { next(block, alignment, len_bytes) };
    };
    // SAFETY: as above.
    let status = unsafe { next(block, alignment, len_bytes) };
    drop(inside);
    if status == 0 {
        // SAFETY: it was written there.
        let block = unsafe { *block };
        if !block.is_null() {
            allocated(Class::Heap, block as u64, len_bytes as u64, &Registers::here());
        }
    }
    status
}
