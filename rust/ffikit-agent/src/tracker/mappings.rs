//! mmap and its kin, tracked: memory that is asked of the kernel, in ranges that may
//! be given back in parts. All of them are tracked, also where others are sampled.
//!
//! The ranges are kept in one sorted list behind a lock. It is held while the kernel
//! does its work, so that the list is always what the kernel has; signals wait
//! meanwhile, so nobody interrupts who holds it. No stack is walked under it.

use super::counts::{self, Class};
use super::entries::{MMAP, MMAP64, MREMAP, MUNMAP};
use super::{is_counting, is_own, ledger, stack_of};
use crate::arena::{Table, Zeroed};
use crate::thread::Inside;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use ffikit_unwind::Registers;

const PAGE_BYTES: u64 = 4096;

/// A mapped range, by its page numbers. Only who holds the lock reads and writes it.
struct Range {
    start: AtomicU64,
    end: AtomicU64,
    count: AtomicU64,
}

// SAFETY: only atomics.
unsafe impl Zeroed for Range {}

const RANGES: usize = 1 << 16;
static KNOWN: Table<Range> = Table::new();
static USED: AtomicUsize = AtomicUsize::new(0);
static LOCK: AtomicBool = AtomicBool::new(false);

/// Makes room. False: there is no memory.
pub fn prepare() -> bool {
    KNOWN.reserve(RANGES)
}

/// Forgets all ranges: in a child of fork, where nobody else is.
pub fn clear() {
    USED.store(0, Relaxed);
    LOCK.store(false, Release);
}

/// The lock, held with all signals blocked.
struct Held {
    signals: MaybeUninit<libc::sigset_t>,
}

/// The kernel's signal sets have 8 bytes.
const SIGNAL_SET_BYTES: usize = 8;

impl Held {
    fn take() -> Held {
        let mut signals = MaybeUninit::uninit();
        let all = !0u64;
        // SAFETY: both sets are long enough for the kernel.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const all,
                signals.as_mut_ptr(),
                SIGNAL_SET_BYTES,
            )
        };
        while LOCK.swap(true, Acquire) {
            // SAFETY: no arguments.
            unsafe { libc::syscall(libc::SYS_sched_yield) };
        }
        Held { signals }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        LOCK.store(false, Release);
        // SAFETY: what the kernel has written there.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                self.signals.as_ptr(),
                core::ptr::null_mut::<c_void>(),
                SIGNAL_SET_BYTES,
            )
        };
    }
}

/// The list, in the hands of who holds the lock.
struct Ranges<'a> {
    _held: &'a Held,
}

impl Ranges<'_> {
    fn at(&self, index: usize) -> Option<(u64, u64, u32)> {
        let range = KNOWN.get(index).filter(|_| index < USED.load(Relaxed))?;
        Some((
            range.start.load(Relaxed),
            range.end.load(Relaxed),
            range.count.load(Relaxed) as u32,
        ))
    }

    fn set(&self, index: usize, (start, end, count): (u64, u64, u32)) {
        if let Some(range) = KNOWN.get(index) {
            range.start.store(start, Relaxed);
            range.end.store(end, Relaxed);
            range.count.store(count as u64, Relaxed);
        }
    }

    /// The first range that ends behind `start`.
    fn first_behind(&self, start: u64) -> usize {
        let (mut low, mut high) = (0, USED.load(Relaxed));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle).is_some_and(|(_, end, _)| end <= start) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Puts a range where it belongs; false: there is no more room.
    fn insert(&self, start: u64, end: u64, count: u32) -> bool {
        let used = USED.load(Relaxed);
        if used >= RANGES {
            return false;
        }
        let index = self.first_behind(start);
        USED.store(used + 1, Relaxed);
        for at in (index..used).rev() {
            if let Some(moved) = self.at(at) {
                self.set(at + 1, moved);
            }
        }
        self.set(index, (start, end, count));
        true
    }

    fn remove(&self, index: usize) {
        let used = USED.load(Relaxed);
        for at in index + 1..used {
            if let Some(moved) = self.at(at) {
                self.set(at - 1, moved);
            }
        }
        USED.store(used.saturating_sub(1), Relaxed);
    }

    /// Counts what lies in a range as given back. A range of which a part stays was
    /// not freed yet: only its bytes are fewer.
    fn unmap(&self, start: u64, end: u64) {
        let mut index = self.first_behind(start);
        while let Some((known_start, known_end, count)) = self.at(index) {
            if known_start >= end {
                break;
            }
            let gone = known_end.min(end) - known_start.max(start);
            let is_whole = start <= known_start && end >= known_end;
            counts::freed(count, is_whole as u64, gone * PAGE_BYTES);
            match (start > known_start, end < known_end) {
                (false, false) => {
                    self.remove(index);
                    continue;
                }
                (true, false) => self.set(index, (known_start, start, count)),
                (false, true) => self.set(index, (end, known_end, count)),
                (true, true) => {
                    self.set(index, (known_start, start, count));
                    if self.insert(end, known_end, count) {
                        // There are two from now on, which will be given back one by one.
                        counts::allocated(count, 1, 0);
                    } else {
                        lost();
                    }
                }
            }
            index += 1;
        }
    }

    fn map(&self, start: u64, end: u64, count: u32) {
        self.unmap(start, end);
        if self.insert(start, end, count) {
            counts::allocated(count, 1, (end - start) * PAGE_BYTES);
        } else {
            lost();
        }
    }
}

fn lost() {
    if let Some(header) = ledger::header() {
        header.lost_blocks.fetch_add(1, Relaxed);
    }
}

fn pages(start: u64, len_bytes: usize) -> (u64, u64) {
    let len = (len_bytes as u64).div_ceil(PAGE_BYTES);
    (start / PAGE_BYTES, start / PAGE_BYTES + len)
}

type Map = unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, i64) -> *mut c_void;

/// Has the kernel map `len_bytes`, by `ask`, for the caller of `from`.
#[inline(always)]
fn map(len_bytes: usize, flags: c_int, from: &Registers, ask: impl FnOnce() -> *mut c_void) -> *mut c_void {
    let Some(_inside) = Inside::enter().filter(|_| is_counting()) else {
        return ask();
    };
    let class = if flags & libc::MAP_ANONYMOUS != 0 {
        Class::Mapping
    } else {
        Class::FileMapping
    };
    let count = counts::number_of(stack_of(from), class);
    let held = Held::take();
    let mapped = ask();
    if mapped != libc::MAP_FAILED {
        let (first, behind) = pages(mapped as u64, len_bytes);
        crate::guarded(|| Ranges { _held: &held }.map(first, behind, count));
    }
    mapped
}

/// `mmap`, tracked.
///
/// # Safety
/// As mmap(2).
pub unsafe extern "C" fn mmap<const SAMPLED: bool>(
    start: *mut c_void,
    len_bytes: usize,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: i64,
) -> *mut c_void {
    let next: Map = MMAP.next_as();
    // SAFETY: the caller's arguments.
    map(len_bytes, flags, &Registers::here(), || unsafe {
        next(start, len_bytes, protection, flags, descriptor, offset)
    })
}

/// `mmap64`, tracked.
///
/// # Safety
/// As mmap(2).
pub unsafe extern "C" fn mmap64<const SAMPLED: bool>(
    start: *mut c_void,
    len_bytes: usize,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: i64,
) -> *mut c_void {
    let next: Map = MMAP64.next_as();
    // SAFETY: the caller's arguments.
    map(len_bytes, flags, &Registers::here(), || unsafe {
        next(start, len_bytes, protection, flags, descriptor, offset)
    })
}

/// `munmap`, tracked.
///
/// # Safety
/// As munmap(2).
pub unsafe extern "C" fn munmap<const SAMPLED: bool>(start: *mut c_void, len_bytes: usize) -> c_int {
    // SAFETY: the next function of this name, and the caller's arguments.
    let ask = || unsafe {
        let next: unsafe extern "C" fn(*mut c_void, usize) -> c_int = MUNMAP.next_as();
        next(start, len_bytes)
    };
    let Some(_inside) = Inside::enter().filter(|_| is_own()) else {
        return ask();
    };
    let held = Held::take();
    let status = ask();
    if status == 0 {
        let (first, behind) = pages(start as u64, len_bytes);
        crate::guarded(|| Ranges { _held: &held }.unmap(first, behind));
    }
    status
}

/// `mremap`, tracked: what comes of it counts for who asked for it now.
///
/// # Safety
/// As mremap(2).
pub unsafe extern "C" fn mremap<const SAMPLED: bool>(
    old: *mut c_void,
    old_len_bytes: usize,
    new_len_bytes: usize,
    flags: c_int,
    wanted: *mut c_void,
) -> *mut c_void {
    let here = Registers::here();
    // SAFETY: as above. Where `wanted` was not passed the kernel does not look at it.
    let ask = || unsafe {
        let next: unsafe extern "C" fn(*mut c_void, usize, usize, c_int, *mut c_void) -> *mut c_void =
            MREMAP.next_as();
        next(old, old_len_bytes, new_len_bytes, flags, wanted)
    };
    let Some(_inside) = Inside::enter().filter(|_| is_counting()) else {
        return ask();
    };
    let class = Class::Mapping;
    let count = counts::number_of(stack_of(&here), class);
    let held = Held::take();
    let mapped = ask();
    if mapped != libc::MAP_FAILED {
        crate::guarded(|| {
            let ranges = Ranges { _held: &held };
            let (first, behind) = pages(old as u64, old_len_bytes);
            if flags & libc::MREMAP_DONTUNMAP == 0 {
                ranges.unmap(first, behind);
            }
            let (first, behind) = pages(mapped as u64, new_len_bytes);
            ranges.map(first, behind, count);
        });
    }
    mapped
}
