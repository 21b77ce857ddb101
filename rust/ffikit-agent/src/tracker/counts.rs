//! What was counted for each stack: in the file, so that others see it at once.

use super::ledger::{self, Region};
use crate::arena::{Table, Zeroed};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};

/// One stack's counters. A cache line, and what HEAP.md calls a count.
#[repr(C, align(64))]
pub struct Count {
    allocations: AtomicU64,
    frees: AtomicU64,
    allocated_bytes: AtomicU64,
    freed_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    first_ms: AtomicU32,
    last_ms: AtomicU32,
    last_free_ms: AtomicU32,
    /// The stack; 0: of what has none, since there was no more room.
    node: AtomicU32,
    class: AtomicU32,
    reserved: AtomicU32,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Count {}

/// What a block is, by who gave it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// malloc and its kin.
    Heap = 1,
    /// mmap, of no file.
    Mapping = 2,
    /// mmap of a file.
    FileMapping = 3,
}

/// All classes, in the order of their numbers.
const CLASSES: [Class; 3] = [Class::Heap, Class::Mapping, Class::FileMapping];

/// The first count that is a stack's. Those below are of what has none: each class's has its number.
const FIRST: u32 = 4;

/// A slot of a live block has this many bits for its count.
pub const NUMBER_BITS: u32 = 24;

static COUNTS: Table<Count> = Table::new();
static USED: AtomicU32 = AtomicU32::new(FIRST);
/// The count of each node that is a whole stack, for each class; 0: none yet.
static OF_NODE: [Table<AtomicU32>; 3] = [const { Table::new() }; 3];

extern "C" {
    /// Not zero as long as the process has one thread (sys/single_threaded.h, glibc 2.32).
    static __libc_single_threaded: AtomicU8;
}

/// Reserves what lies beside the file. False: there is no memory.
pub fn prepare(nodes: usize) -> bool {
    OF_NODE.iter().all(|table| table.reserve(nodes))
}

/// Takes the region of the file. False: there is no room for a single stack.
pub fn begin(capacity: usize) -> bool {
    COUNTS.adopt(
        ledger::start_of(Region::Counts).cast(),
        capacity.min(1 << NUMBER_BITS),
    );
    USED.store(FIRST, Relaxed);
    for table in &OF_NODE {
        table.clear();
    }
    if !ledger::ready(Region::Counts, FIRST as u64 * size_of::<Count>() as u64) {
        return false;
    }
    for class in CLASSES {
        if let Some(count) = COUNTS.get(class as usize) {
            count.class.store(class as u32, Relaxed);
        }
    }
    ledger::publish(Region::Counts, FIRST as u64);
    true
}

/// The number of the count of a stack (0: it was not kept). Never 0.
#[inline(always)]
pub fn number_of(node: u32, class: Class) -> u32 {
    let known = of_node(node, class).map_or(0, |number| number.load(Relaxed));
    if known != 0 {
        return known;
    }
    make(node, class)
}

fn of_node(node: u32, class: Class) -> Option<&'static AtomicU32> {
    OF_NODE.get(class as usize - 1)?.get(node as usize)
}

#[cold]
#[inline(never)]
fn make(node: u32, class: Class) -> u32 {
    let lost = || {
        if let Some(header) = ledger::header() {
            header.lost_stacks.fetch_add(1, Relaxed);
        }
        class as u32
    };
    let Some(place) = of_node(node, class).filter(|_| node != 0) else {
        return lost();
    };
    let number = USED.fetch_add(1, Relaxed);
    let len_bytes = (number as u64 + 1) * size_of::<Count>() as u64;
    let room = COUNTS.get(number as usize);
    let Some(count) = room.filter(|_| ledger::ready(Region::Counts, len_bytes)) else {
        USED.fetch_sub(1, Relaxed);
        return lost();
    };
    count.class.store(class as u32, Relaxed);
    count.first_ms.store(now_ms(), Relaxed);
    count.node.store(node, Release);
    ledger::publish(Region::Counts, number as u64 + 1);
    match place.compare_exchange(0, number, AcqRel, Acquire) {
        Ok(_) => number,
        // Another thread has the same stack: this count stays empty.
        Err(others) => others,
    }
}

#[inline(always)]
fn add(counter: &AtomicU64, by: u64) -> u64 {
    // SAFETY: the C library's, a byte that it alone writes.
    if unsafe { __libc_single_threaded.load(Relaxed) } != 0 {
        let sum = counter.load(Relaxed).wrapping_add(by);
        counter.store(sum, Relaxed);
        return sum;
    }
    counter.fetch_add(by, Relaxed).wrapping_add(by)
}

/// Counts an allocation. What is live is computed, so it may be seen between two steps.
#[inline(always)]
pub fn allocated(number: u32, allocations: u64, len_bytes: u64) {
    let Some(count) = COUNTS.get(number as usize) else {
        return;
    };
    add(&count.allocations, allocations);
    let live = add(&count.allocated_bytes, len_bytes).wrapping_sub(count.freed_bytes.load(Relaxed));
    if live > count.peak_bytes.load(Relaxed) && live >> 63 == 0 {
        count.peak_bytes.store(live, Relaxed);
    }
    count.last_ms.store(now_ms(), Relaxed);
}

/// Counts a free.
#[inline(always)]
pub fn freed(number: u32, frees: u64, len_bytes: u64) {
    let Some(count) = COUNTS.get(number as usize) else {
        return;
    };
    add(&count.frees, frees);
    add(&count.freed_bytes, len_bytes);
}

/// When the process was first tracked, by the clock that [`now_ms`] reads.
static STARTED_NS: AtomicU64 = AtomicU64::new(0);

/// Sets the beginning of time.
pub fn start_clock() {
    STARTED_NS.store(coarse_ns(), Relaxed);
}

#[inline(always)]
fn coarse_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is ours to write. The kernel's clock of some milliseconds, without entering it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Milliseconds since the start; they stand still after 49 days.
#[inline(always)]
pub fn now_ms() -> u32 {
    let ns = coarse_ns().saturating_sub(STARTED_NS.load(Relaxed));
    (ns / 1_000_000).min(u32::MAX as u64) as u32
}
