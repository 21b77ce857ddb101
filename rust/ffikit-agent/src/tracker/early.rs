//! What is answered where there is no allocator behind ours yet: the loader looks for
//! one, and may want memory for that.

use crate::arena::Arena;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// As glibc's.
const ALIGNMENT: usize = 16;
/// Before each block stands its size.
const HEADER_BYTES: usize = 16;

static IS_USED: AtomicBool = AtomicBool::new(false);

/// Whether any block was given out, which may then be given back to us at any time.
pub fn is_used() -> bool {
    IS_USED.load(Acquire)
}

/// `malloc`
pub extern "C" fn malloc(len_bytes: usize) -> *mut c_void {
    if !crate::arena::prepare() {
        return null_mut();
    }
    let Some(layout) = len_bytes
        .checked_add(HEADER_BYTES)
        .and_then(|len| Layout::from_size_align(len, ALIGNMENT).ok())
    else {
        return null_mut();
    };
    // SAFETY: the layout is not empty; the header fits.
    unsafe {
        let start = Arena.alloc(layout);
        if start.is_null() {
            return null_mut();
        }
        IS_USED.store(true, Release);
        start.cast::<usize>().write(len_bytes);
        start.add(HEADER_BYTES).cast()
    }
}

/// `calloc`: the arena's memory is zero, and given out once.
pub extern "C" fn calloc(count: usize, len_bytes: usize) -> *mut c_void {
    count.checked_mul(len_bytes).map_or(null_mut(), |len| malloc(len))
}

/// `realloc`
///
/// # Safety
/// `block` is one of ours, or null.
pub unsafe extern "C" fn realloc(block: *mut c_void, len_bytes: usize) -> *mut c_void {
    let new = malloc(len_bytes);
    if !block.is_null() && !new.is_null() {
        // SAFETY: both are ours; the header says how long the old one is.
        unsafe {
            let known = block.cast::<u8>().sub(HEADER_BYTES).cast::<usize>().read();
            core::ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), known.min(len_bytes));
        }
    }
    new
}

/// `free`: nothing is given back.
pub extern "C" fn free(_block: *mut c_void) {}

/// Functions that give null where they can give no memory.
pub extern "C" fn nothing() -> *mut c_void {
    null_mut()
}

/// `posix_memalign`
pub extern "C" fn no_memory() -> c_int {
    libc::ENOMEM
}

macro_rules! of_the_kernel {
    ($($name:ident $number:ident;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, as the kernel does it.")]
            ///
            /// # Safety
            /// As the function of this name.
            pub unsafe extern "C" fn $name(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> usize {
                // SAFETY: the caller's arguments, and what lies where it has passed fewer: the kernel takes
                // no more than it wants. It sets errno, and gives -1, as the C library's does.
                unsafe { libc::syscall(libc::$number, a, b, c, d, e, f) as usize }
            }
        )*
    };
}

of_the_kernel! {
    mmap SYS_mmap;
    mremap SYS_mremap;
    munmap SYS_munmap;
}

/// Where blocks go that are not ours.
pub static FREE_OTHERS: AtomicUsize = AtomicUsize::new(0);
/// As [`FREE_OTHERS`].
pub static REALLOC_OTHERS: AtomicUsize = AtomicUsize::new(0);

/// `free`, of a block that may be ours.
///
/// # Safety
/// As free(3).
pub unsafe extern "C-unwind" fn free_any(block: *mut c_void) {
    if !crate::arena::contains(block.cast()) {
        // SAFETY: a function of this type, and the caller's argument.
        unsafe {
            let next: unsafe extern "C-unwind" fn(*mut c_void) =
                core::mem::transmute(FREE_OTHERS.load(Relaxed));
            next(block)
        }
    }
}

/// `realloc`, of a block that may be ours.
///
/// # Safety
/// As realloc(3).
pub unsafe extern "C-unwind" fn realloc_any(block: *mut c_void, len_bytes: usize) -> *mut c_void {
    if crate::arena::contains(block.cast()) {
        // SAFETY: one of ours.
        return unsafe { realloc(block, len_bytes) };
    }
    // SAFETY: a function of this type, and the caller's arguments.
    unsafe {
        let next: unsafe extern "C-unwind" fn(*mut c_void, usize) -> *mut c_void =
            core::mem::transmute(REALLOC_OTHERS.load(Relaxed));
        next(block, len_bytes)
    }
}
