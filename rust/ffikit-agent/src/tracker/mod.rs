//! The tracker: who asks for memory and never gives it back. The allocators'
//! functions arrive here first ([`entries`]); what they did is kept block by block
//! ([`live`]) and counted stack by stack ([`counts`]) in a file that others read
//! meanwhile ([`ledger`]).
//!
//! Nothing is locked in an allocation or a free, so a signal handler may come at any
//! time, and a process that is killed leaves a file that is whole.

mod counts;
mod early;
pub mod entries;
mod heap;
mod ledger;
mod live;
mod mappings;
mod records;
mod sampling;

use crate::{capture, code_objects, modules, stacks};
use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use counts::Class;
use ffikit_unwind::Registers;
use ledger::{Region, WipedOnFork};
use live::Block;

/// Frames of all stacks together, distinct stacks, and bytes of records: as much may be kept. The file is
/// sparse: only what is used takes room.
const NODES: usize = 1 << 22;
const COUNTS: usize = 1 << 20;
const LOG_BYTES: u64 = 32 << 20;

static IS_ACTIVE: AtomicBool = AtomicBool::new(false);

/// Whether this process counts: [`COUNTING`], [`STOPPED`], or, in a child of fork that has
/// not begun yet, 0.
static STATE: WipedOnFork = WipedOnFork::new();
const COUNTING: u32 = 1;
const STOPPED: u32 = 2;
const ENDED: u32 = 3;
const REFUSED: u32 = 4;

/// Whether the process is tracked, be it stopped or not.
#[inline(always)]
pub fn is_active() -> bool {
    IS_ACTIVE.load(Relaxed)
}

/// How tracking begins.
pub struct Options {
    /// One in so many bytes is tracked; 0: all.
    pub sample_bytes: u64,
    /// Whether it counts from the start.
    pub is_counting: bool,
}

/// Begins to track. Err: why it cannot be done.
pub fn start(options: &Options, started_ns: u64) -> Result<(), &'static [u8]> {
    const NO_MEMORY: &[u8] = b"the kernel gives no memory to track allocations in";
    if !entries::are_used() {
        return Err(b"the program brings its own malloc, which cannot be tracked");
    }
    let prepared = stacks::prepare_lookup()
        && counts::prepare(NODES)
        && live::prepare(entries::is_glibc())
        && mappings::prepare()
        && records::prepare()
        && STATE.prepare();
    if !prepared {
        return Err(NO_MEMORY);
    }
    sampling::set(options.sample_bytes);
    counts::start_clock();
    if !begin(started_ns) {
        return Err(b"the file for the heap trace cannot be made");
    }
    IS_ACTIVE.store(true, Release);
    set_state(if options.is_counting { COUNTING } else { STOPPED });
    // SAFETY: a function that stays.
    unsafe { crate::start::__cxa_atexit(exiting, core::ptr::null_mut(), core::ptr::null_mut()) };
    entries::track(options.sample_bytes != 0);
    Ok(())
}

/// Leaves a file that says why there is nothing else in it.
pub fn refuse(reason: &[u8]) {
    const REASON_BYTES: u64 = 64 << 10;
    if ledger::create(
        [0, 0, REASON_BYTES],
        0,
        crate::evidence::now(libc::CLOCK_REALTIME),
    ) {
        records::prepare();
        records::process();
        records::note(reason);
        if let Some(header) = ledger::header() {
            header.state.store(REFUSED, Release);
        }
    }
}

/// Makes the file of this process.
fn begin(started_ns: u64) -> bool {
    let lens = [
        (NODES * stacks::NODE_BYTES) as u64,
        (COUNTS * size_of::<counts::Count>()) as u64,
        LOG_BYTES,
    ];
    if !ledger::create(lens, sampling::sample_bytes(), started_ns) {
        return false;
    }
    stacks::begin_in(ledger::start_of(Region::Nodes), NODES, |used_bytes| {
        let is_ready = ledger::ready(Region::Nodes, used_bytes);
        if is_ready {
            ledger::publish(Region::Nodes, used_bytes / stacks::NODE_BYTES as u64);
        }
        is_ready
    });
    records::begin();
    records::process();
    counts::begin(COUNTS)
}

fn set_state(state: u32) {
    STATE.store(state);
    if let Some(header) = ledger::header() {
        header.state.store(state, Release);
    }
}

unsafe extern "C" fn exiting(_argument: *mut c_void) {
    crate::guarded(|| {
        if STATE.load() != 0 {
            if let Some(header) = ledger::header() {
                header.now_ms.store(counts::now_ms() as u64, Relaxed);
                header.state.store(ENDED, Release);
            }
        }
    });
}

/// Whether allocations are counted now.
#[inline(always)]
fn is_counting() -> bool {
    let state = STATE.load();
    let wanted = ledger::header().map_or(0, |header| header.wanted.load(Relaxed));
    if state == COUNTING && wanted != STOPPED {
        return true;
    }
    change(state, wanted)
}

/// Whether what is known is this process's own: frees are counted then.
#[inline(always)]
fn is_own() -> bool {
    if STATE.load() != 0 {
        return true;
    }
    change(0, 0);
    STATE.load() != 0
}

/// Takes a block out that is being freed, or moved.
#[inline(always)]
fn take(abs_addr: u64) -> Option<Block> {
    if !is_own() {
        return None;
    }
    let block = live::take(abs_addr)?;
    if sampling::sample_bytes() != 0 {
        sampling::gone(abs_addr);
    }
    Some(block)
}

/// Does what others want of us, or begins anew in a child of fork.
#[cold]
#[inline(never)]
fn change(state: u32, wanted: u32) -> bool {
    match (state, wanted) {
        (0, _) => return begin_child(),
        (COUNTING, STOPPED) => set_state(STOPPED),
        (STOPPED, COUNTING) => set_state(COUNTING),
        _ => {}
    }
    STATE.load() == COUNTING
}

/// Which process has begun anew, or tried to.
static CHILD: AtomicU32 = AtomicU32::new(0);

/// A child of fork has its parent's file mapped, and its parent's blocks. It makes a file of
/// its own, for what it allocates itself. It has one thread.
fn begin_child() -> bool {
    let process = crate::thread::process();
    if CHILD.swap(process, AcqRel) == process {
        return false;
    }
    counts::start_clock();
    live::clear();
    mappings::clear();
    sampling::clear();
    modules::unloaded();
    if !begin(crate::evidence::now(libc::CLOCK_REALTIME)) {
        // What is mapped is the parent's: nothing more is written.
        return false;
    }
    set_state(COUNTING);
    true
}

/// The stack of an allocation: of the callers of `from`.
#[inline(always)]
fn stack_of(from: &Registers) -> u32 {
    let mut stack = 0;
    crate::guarded(|| {
        // SAFETY: `from` is the frame of the function that was called.
        stack = unsafe { capture::keep(from, records::new_frame) };
    });
    stack
}

/// An allocation has succeeded: it is counted, and its block kept.
#[inline(always)]
fn allocated(class: Class, abs_addr: u64, len_bytes: u64, from: &Registers) {
    if !is_counting() {
        return;
    }
    let count = counts::number_of(stack_of(from), class);
    match live::put(abs_addr, Block { count, len_bytes }) {
        Ok(before) => {
            let weight = sampling::weight(len_bytes);
            counts::allocated(count, weight.blocks, weight.len_bytes);
            if let Some(before) = before {
                count_free(before);
            } else if sampling::sample_bytes() != 0 {
                sampling::kept(abs_addr);
            }
        }
        Err(()) => {
            if let Some(header) = ledger::header() {
                header.lost_blocks.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Puts a block back that was taken out, and is still there.
fn give_back(abs_addr: u64, block: Block) {
    // There is room: it was there before.
    let _ = live::put(abs_addr, block);
    if sampling::sample_bytes() != 0 {
        sampling::kept(abs_addr);
    }
}

#[inline(always)]
fn count_free(block: Block) {
    let weight = sampling::weight(block.len_bytes);
    counts::freed(block.count, weight.blocks, weight.len_bytes);
}

/// Counts from now on, or does not. False: nothing is tracked here.
fn want(state: u32) -> bool {
    let Some(header) = ledger::header().filter(|_| is_active()) else {
        return false;
    };
    // A child of fork has to begin before it writes into what is its parent's.
    if !is_own() {
        return false;
    }
    header.wanted.store(state, Release);
    change(STATE.load(), state);
    true
}

/// `int ffikit_hunt_start(void)`: counts allocations from now on. 0, or −1 where the process is not tracked.
/// Programs find it by dlsym.
#[cfg_attr(not(test), no_mangle)]
pub extern "C" fn ffikit_hunt_start() -> c_int {
    want(COUNTING) as c_int - 1
}

/// `int ffikit_hunt_stop(void)`: counts no allocations any more; that what was counted is freed still is.
/// 0, or −1 where the process is not tracked.
#[cfg_attr(not(test), no_mangle)]
pub extern "C" fn ffikit_hunt_stop() -> c_int {
    want(STOPPED) as c_int - 1
}

/// `size_t ffikit_hunt_path(char *path, size_t len_bytes)`: the file that this process is counted in, with a
/// zero behind it. Gives its length without that, 0 where the process is not tracked or there is no room.
///
/// # Safety
/// `path` has room for `len_bytes`.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn ffikit_hunt_path(path: *mut c_char, len_bytes: usize) -> usize {
    if !is_active() || !is_own() {
        return 0;
    }
    let known = ledger::path();
    let bytes = known.bytes();
    if bytes.len() >= len_bytes {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), path.cast(), bytes.len());
        path.add(bytes.len()).write(0);
    }
    bytes.len()
}

/// A module was unloaded: other code may come to lie at its place.
pub fn unloaded() {
    stacks::forget();
    modules::unloaded();
    code_objects::count_freed();
}

/// A code object lies in the block at `abs_addr`.
pub fn watch_code(abs_addr: u64) -> bool {
    live::watch_code(abs_addr)
}
