//! Where threads were started: pthread_create is ours before it is the sanitizer's.
//! The call goes on as it came: what the new thread is given LeakSanitizer looks
//! for in the sanitizer's own record of it.

use crate::arena::{Table, Zeroed};
use crate::{capture, thread};
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use ffikit_unwind::memory::copy_u64;
use ffikit_unwind::Registers;

/// A thread that was started, by its control block; that of a thread that ended is
/// used again, and then its entry here too.
pub struct Started {
    control_block: AtomicU64,
    stack: AtomicU32,
    creator_id: AtomicU32,
    creator: AtomicU64,
    /// Threads are counted as ASan does: this is its T1, T2, …; 0: not known.
    number: AtomicU32,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Started {}

const THREADS: usize = 1 << 14;
/// Threads whose place is taken are looked for this far.
const PROBES: usize = 64;

static STARTED: Table<Started> = Table::new();
/// How many threads are being started at this moment: they may run before they are known.
static STARTING: AtomicU32 = AtomicU32::new(0);
/// How many threads were started.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    STARTED.reserve(THREADS)
}

fn places(control_block: u64) -> impl Iterator<Item = &'static Started> {
    let hash = (control_block >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..PROBES).filter_map(move |probe| STARTED.get((hash as usize + probe) % THREADS))
}

/// Starts a thread by `start` and remembers who has.
///
/// # Safety
/// `here` is a live frame of this thread.
pub unsafe fn started(
    here: &Registers,
    new_thread: *const libc::pthread_t,
    start: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    let stack = unsafe { capture::keep(here, capture::note_module) };
    STARTING.fetch_add(1, AcqRel);
    let number = NUMBERS.fetch_add(1, AcqRel) + 1;
    let status = start();
    // The new thread may have freed what the caller has for its name.
    if let Some(control_block) = copy_u64(new_thread as u64).filter(|_| status == 0) {
        remember(control_block, stack, number);
    }
    STARTING.fetch_sub(1, AcqRel);
    status
}

fn remember(control_block: u64, stack: u32, number: u32) {
    for place in places(control_block) {
        let taken = place
            .control_block
            .compare_exchange(0, control_block, AcqRel, Acquire);
        if taken.is_ok() || taken == Err(control_block) {
            place.creator.store(thread::pointer(), Relaxed);
            place.creator_id.store(thread::id(), Relaxed);
            place.number.store(number, Relaxed);
            place.stack.store(stack, Release);
            return;
        }
    }
}

/// A thread of a chain of creators.
pub struct Ancestor {
    /// The kernel's number of the thread.
    pub id: u32,
    /// The stack that started it.
    pub stack: u32,
}

/// Calls `each` with the calling thread, with the thread that started it, and so
/// on, as far as it is known.
pub fn ancestry(mut each: impl FnMut(Ancestor)) {
    // A thread may have failed before its creator was back.
    for _ in 0..20 {
        if STARTING.load(Acquire) == 0 {
            break;
        }
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        // SAFETY: sleeps.
        unsafe { libc::syscall(libc::SYS_nanosleep, &raw const pause, core::ptr::null::<c_void>()) };
    }
    let (mut control_block, mut id) = (thread::pointer(), thread::id());
    for _ in 0..16 {
        let known = places(control_block).find(|place| place.control_block.load(Acquire) == control_block);
        let Some(known) = known else { return };
        each(Ancestor {
            id,
            stack: known.stack.load(Acquire),
        });
        control_block = known.creator.load(Relaxed);
        id = known.creator_id.load(Relaxed);
    }
}

/// The stack that started ASan's thread `number`, where it was started by its thread
/// `creator` (0: the program's first), also when it has ended since.
pub fn started_by(number: u32, creator: u32) -> Option<u32> {
    let known =
        |wanted: &dyn Fn(&Started) -> bool| (0..THREADS).filter_map(|i| STARTED.get(i)).find(|s| wanted(s));
    let started = known(&|started| number != 0 && started.number.load(Relaxed) == number)?;
    let by = started.creator.load(Relaxed);
    let creator_number = known(&|started| by != 0 && started.control_block.load(Acquire) == by);
    let creator_number = creator_number.map_or(0, |started| started.number.load(Relaxed));
    (creator_number == creator).then(|| started.stack.load(Acquire))
}
