//! Memory of our own, taken from the kernel: the program's allocator is what we
//! watch, and what lies in its heap, in our globals or in thread-local storage
//! LeakSanitizer would search for pointers.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};

/// Types of which zero bytes are a value, and that threads may share.
///
/// # Safety
/// Both must hold: atomics, and structs and arrays of them.
pub unsafe trait Zeroed: Sync {}

// SAFETY: atomics of integers.
unsafe impl Zeroed for core::sync::atomic::AtomicU8 {}
// SAFETY: as above.
unsafe impl Zeroed for core::sync::atomic::AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroed for core::sync::atomic::AtomicU64 {}
// SAFETY: as above; zero is null.
unsafe impl<T> Zeroed for AtomicPtr<T> where T: Sync {}

/// Reserves zeroed memory that costs nothing until it is touched. None where the
/// kernel refuses. errno stays.
pub fn reserve(len_bytes: usize) -> Option<*mut u8> {
    // SAFETY: a new anonymous mapping. libc::syscall is not intercepted by sanitizers as mmap is.
    unsafe {
        let errno = *libc::__errno_location();
        let start = libc::syscall(
            libc::SYS_mmap,
            0usize,
            len_bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1isize,
            0usize,
        );
        if start > 0 {
            // Tables are sparse: a huge page for each touched byte would be most of
            // their cost. And core dumps are the program's, not ours.
            libc::syscall(libc::SYS_madvise, start, len_bytes, libc::MADV_NOHUGEPAGE);
            libc::syscall(libc::SYS_madvise, start, len_bytes, libc::MADV_DONTDUMP);
        }
        *libc::__errno_location() = errno;
        (start > 0).then_some(start as *mut u8)
    }
}

/// A table in memory of its own; all its entries are zero at first. It has none
/// before [`Table::reserve`].
pub struct Table<T> {
    start: AtomicPtr<T>,
    len: AtomicUsize,
}

impl<T: Zeroed> Table<T> {
    pub const fn new() -> Table<T> {
        Table {
            start: AtomicPtr::new(null_mut()),
            len: AtomicUsize::new(0),
        }
    }

    /// Makes room for `len` entries, once. False: there is no memory.
    pub fn reserve(&self, len: usize) -> bool {
        let Some(start) = len.checked_mul(size_of::<T>()).and_then(reserve) else {
            return false;
        };
        self.start.store(start.cast(), Release);
        self.len.store(len, Release);
        true
    }

    /// Takes memory that is there already, of a file: `len` entries from `start`.
    pub fn adopt(&self, start: *mut T, len: usize) {
        self.start.store(start, Release);
        self.len.store(len, Release);
    }

    pub fn len(&self) -> usize {
        self.len.load(Acquire)
    }

    /// The entry at `index`, None beyond the end.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len.load(Acquire) {
            return None;
        }
        // SAFETY: the memory has `len` entries and stays for ever; zero bytes are a value of T.
        Some(unsafe { &*self.start.load(Relaxed).add(index) })
    }

    /// Where the entries are; null before [`Table::reserve`].
    pub fn start(&self) -> *mut T {
        self.start.load(Acquire)
    }

    /// Sets all entries to zero again. No other thread uses the table meanwhile.
    pub fn clear(&self) {
        let len_bytes = self.len() * size_of::<T>();
        // SAFETY: our own private mapping: its pages come back as zeros.
        unsafe {
            libc::syscall(
                libc::SYS_madvise,
                self.start.load(Relaxed),
                len_bytes,
                libc::MADV_DONTNEED,
            );
        }
    }
}

/// What std allocates from, which is next to nothing: it only keeps the program's
/// allocator out of it should std ever want memory. Nothing is given back.
pub struct Arena;

const ARENA_BYTES: usize = 1 << 24;
static ARENA: Table<core::sync::atomic::AtomicU8> = Table::new();
static ARENA_USED: AtomicUsize = AtomicUsize::new(0);

/// Reserves the arena, when the library is loaded or, if the loader wants memory
/// before, then: one thread is there.
pub fn prepare() -> bool {
    ARENA.len() != 0 || ARENA.reserve(ARENA_BYTES)
}

/// Whether a block is the arena's.
#[inline(always)]
pub fn contains(block: *const u8) -> bool {
    let start = ARENA.start.load(Relaxed) as usize;
    (block as usize).wrapping_sub(start) < ARENA.len.load(Relaxed)
}

// SAFETY: each block is a part of the arena that is given out once.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(padded) = layout.size().checked_add(layout.align()) else {
            return null_mut();
        };
        if padded > ARENA.len() {
            return null_mut();
        }
        let at = ARENA_USED.fetch_add(padded, Relaxed);
        if at > ARENA.len() - padded {
            ARENA_USED.fetch_sub(padded, Relaxed);
            return null_mut();
        }
        let start = ARENA.start.load(Relaxed) as usize + at;
        start.next_multiple_of(layout.align()) as *mut u8
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}
