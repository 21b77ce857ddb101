//! The walker for programs in C: what the tests of native stacks link.
//! See tests/programs/native/walker.h, which declares these.
//!
//! Nothing here allocates or locks either, so that what is called from a hook or a
//! signal handler is the walk and nothing else.

use ffikit_unwind::{forget, memory, module, walk, Frame, Registers, StackBounds};

/// See [`module::prepare`].
#[no_mangle]
pub extern "C" fn walker_prepare() -> bool {
    module::prepare()
}

/// The calling thread's stack: low, high.
///
/// # Safety
/// `bounds` has room for two words.
#[no_mangle]
pub unsafe extern "C" fn walker_bounds(bounds: *mut [u64; 2]) {
    let StackBounds { low, high } = StackBounds::of_this_thread();
    // SAFETY: the caller's promise.
    unsafe { bounds.write([low, high]) };
}

/// Walks from its caller on. `bounds` may be NULL: unknown. Gives the number of frames.
///
/// # Safety
/// `frames` has room for `max` words, `end` for one.
#[no_mangle]
#[inline(never)]
pub unsafe extern "C" fn walker_here(
    bounds: *const [u64; 2],
    frames: *mut u64,
    max: usize,
    end: *mut u32,
) -> usize {
    let registers = Registers::here();
    // SAFETY: these registers are this function's own, and it stays until the walk is done.
    unsafe { walk_from(&registers, bounds, frames, max, end) }
}

/// Walks from any registers: pc, sp, fp, then rbx, r12, r13, r14, r15.
///
/// # Safety
/// As [`walker_here`]. The registers may be anything: that is what is tested.
#[no_mangle]
pub unsafe extern "C" fn walker_from(
    registers: *const [u64; 8],
    bounds: *const [u64; 2],
    frames: *mut u64,
    max: usize,
    end: *mut u32,
) -> usize {
    // SAFETY: the caller's promise.
    let [pc, sp, fp, saved @ ..] = unsafe { *registers };
    let registers = Registers { pc, sp, fp, saved };
    // SAFETY: the caller's promise.
    unsafe { walk_from(&registers, bounds, frames, max, end) }
}

#[inline(always)]
unsafe fn walk_from(
    registers: &Registers,
    bounds: *const [u64; 2],
    frames: *mut u64,
    max: usize,
    end: *mut u32,
) -> usize {
    // SAFETY: the caller's promise; a Frame is a word.
    unsafe {
        let bounds = match bounds.as_ref() {
            Some(&[low, high]) => StackBounds { low, high },
            None => StackBounds::UNKNOWN,
        };
        let frames = std::slice::from_raw_parts_mut(frames.cast::<Frame>(), max);
        let walked = walk(registers, bounds, frames);
        end.write(walked.end.code());
        walked.len
    }
}

/// See [`forget`].
#[no_mangle]
pub extern "C" fn walker_forget() {
    forget();
}

/// See [`memory::forget_pages`].
#[no_mangle]
pub extern "C" fn walker_forget_pages() {
    memory::forget_pages();
}

/// See [`memory::copy`].
///
/// # Safety
/// `into` has room for `len` bytes. `abs_addr` may be anything.
#[no_mangle]
pub unsafe extern "C" fn walker_copy(abs_addr: u64, into: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    memory::copy(abs_addr, unsafe { std::slice::from_raw_parts_mut(into, len) })
}
