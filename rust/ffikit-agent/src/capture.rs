//! The stack of the calling thread, as it is kept and written.

use crate::arena::{Table, Zeroed};
use crate::{evidence, modules, notes, runtime, sites, stacks, thread, trails};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use ffikit_unwind::{walk, walk_into, End, Frame, Registers};

/// Enough for nearly every stack, and small enough for the smallest thread.
const FRAMES: usize = 256;

/// Room for the few that are deeper.
struct Deep {
    is_taken: AtomicBool,
    frames: [AtomicU64; evidence::MAX_FRAMES],
}

// SAFETY: only atomics; zero is false.
unsafe impl Zeroed for Deep {}

/// As many threads may record a deep stack at a time; for more it is cut.
const DEEP: usize = 64;
static DEEP_ROOMS: Table<Deep> = Table::new();

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    DEEP_ROOMS.reserve(DEEP) && trails::prepare()
}

/// Calls `with` with the callers of `from`, leaf first; in place of the
/// interpreter's frames stand sites.
///
/// # Safety
/// `from` are the registers of a frame of this thread that is still alive.
#[inline(always)]
pub unsafe fn with<R>(from: &Registers, with: impl FnOnce(&mut [Frame], End) -> R) -> R {
    let bounds = thread::bounds(from.sp);
    let mut frames = [const { MaybeUninit::uninit() }; FRAMES];
    let mut taken = trails::Taken::take();
    let trail = taken.as_mut().map(trails::Taken::get);
    // SAFETY: the caller's promise; the bounds and the trail are this thread's.
    let (frames, end) = unsafe { walk_into(from, bounds, &mut frames, trail) };
    drop(taken);
    if end == End::Full {
        if let Some(deep) = Room::take() {
            // SAFETY: as above.
            let walked = unsafe { walk(from, bounds, deep.frames()) };
            let frames = deep.frames().get_mut(..walked.len).unwrap_or_default();
            sites::replace(frames);
            return with(frames, walked.end);
        }
    }
    sites::replace(frames);
    with(frames, end)
}

/// A room for a deep stack, given back when it is dropped.
struct Room(&'static Deep);

impl Room {
    #[cold]
    fn take() -> Option<Room> {
        (0..DEEP)
            .filter_map(|index| DEEP_ROOMS.get(index))
            .find(|deep| !deep.is_taken.swap(true, Acquire))
            .map(Room)
    }

    #[allow(clippy::mut_from_ref)]
    fn frames(&self) -> &mut [Frame] {
        let start = self.0.frames.as_ptr().cast_mut().cast::<Frame>();
        // SAFETY: a frame is one word, and the room is this thread's until it is given back.
        unsafe { core::slice::from_raw_parts_mut(start, evidence::MAX_FRAMES) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Release);
    }
}

/// Keeps the stack of the calling thread; its number, 0 where there is no more room.
/// `is_new` is called for each frame that was not known in its place, with its node's number.
///
/// # Safety
/// As [`with`].
#[inline(always)]
pub unsafe fn keep(from: &Registers, is_new: impl FnMut(u64, u32)) -> u32 {
    // SAFETY: the caller's promise.
    unsafe {
        with(from, |frames, end| {
            let stack = stacks::intern(words(without_runtime(frames)), end, is_new);
            if stack == 0 {
                notes::note(notes::Note::StacksFull);
            }
            stack
        })
    }
}

/// Keeps the module that a frame lies in, so that it has a name when it is gone.
pub fn note_module(bits: u64, _node: u32) {
    if let Some(abs_addr) = Frame::from_bits(bits).lookup_address() {
        modules::note(abs_addr);
    }
}

/// The frames without the runtime's own, but for the one that the program has
/// called: malloc, free, operator new.
#[inline(always)]
fn without_runtime(frames: &[Frame]) -> &[Frame] {
    let is_runtime = |frame: &&Frame| runtime::contains(frame.bits());
    let own = frames.iter().take_while(is_runtime).count();
    frames.get(own.saturating_sub(1)..).unwrap_or_default()
}

#[inline(always)]
fn words(frames: &[Frame]) -> &[u64] {
    // SAFETY: a frame is one word.
    unsafe { core::slice::from_raw_parts(frames.as_ptr().cast(), frames.len()) }
}
