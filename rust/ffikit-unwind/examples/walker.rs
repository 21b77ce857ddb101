//! The walker for programs in C: what the tests of native stacks link.
//! See tests/programs/native/walker.h, which declares these.
//!
//! Nothing here allocates or locks either, so that what is called from a hook or a
//! signal handler is the walk and nothing else.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use ffikit_unwind::{forget, memory, module, walk, walk_into, End, Frame, Registers, StackBounds, Trail};

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
        if !is_same_on_trail(registers, bounds, &frames[..walked.len], max, walked.end) {
            std::process::abort();
        }
        end.write(walked.end.code());
        walked.len
    }
}

static COMPARES: AtomicBool = AtomicBool::new(true);

/// Whether each walk is made twice, the second time along the trail of the last one on that stack, and the
/// process aborted where that gives something else. Not where code is unloaded that stacks lead through: there
/// no walk gives the same twice.
#[no_mangle]
pub extern "C" fn walker_compare_trails(compares: bool) {
    COMPARES.store(compares, Ordering::Relaxed);
}

/// A trail, and whether a walk is on it. By the stack's end: threads that share one take turns.
struct Room(AtomicBool, UnsafeCell<Trail>);

// SAFETY: only who has set the flag uses the trail.
unsafe impl Sync for Room {}

static ROOMS: [Room; 64] = [const { Room(AtomicBool::new(false), UnsafeCell::new(Trail::new())) }; 64];

/// Whether the walk gives the same along the trail of whatever walk came before it on this stack.
///
/// # Safety
/// As [`walk`].
unsafe fn is_same_on_trail(
    registers: &Registers,
    bounds: StackBounds,
    frames: &[Frame],
    max: usize,
    end: End,
) -> bool {
    let room = &ROOMS[(bounds.high >> 12 ^ bounds.high >> 20) as usize % ROOMS.len()];
    // Deeper stacks are not compared: signal handlers have little room.
    let mut again = [const { MaybeUninit::uninit() }; 512];
    let Some(again) = again.get_mut(..max).filter(|_| COMPARES.load(Ordering::Relaxed)) else {
        return true;
    };
    if room.0.swap(true, Ordering::Acquire) {
        return true;
    }
    // SAFETY: the caller's promise; the flag is ours.
    let along = unsafe { walk_into(registers, bounds, again, Some(&mut *room.1.get())) };
    let is_same = *along.0 == *frames && along.1 == end;
    room.0.store(false, Ordering::Release);
    // SAFETY: the caller's promise.
    is_same || !unsafe { is_stable(registers, bounds, frames, max, end) }
}

/// Whether a walk gives the same once more: damaged stacks and tables may lead it to where its own frames are.
///
/// # Safety
/// As [`walk`].
#[inline(never)]
unsafe fn is_stable(
    registers: &Registers,
    bounds: StackBounds,
    frames: &[Frame],
    max: usize,
    end: End,
) -> bool {
    let mut again = [Frame::default(); 512];
    // SAFETY: the caller's promise.
    let walked = unsafe { walk(registers, bounds, &mut again[..max]) };
    again[..walked.len] == *frames && walked.end == end
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
