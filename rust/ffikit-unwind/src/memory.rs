//! Reading memory that may not be there.
//!
//! What a stack names is not to be trusted: a smashed frame, a goroutine stack
//! that was freed, a module that another thread unloads at this moment. The
//! kernel reads such memory for us and reports a fault as an error
//! (process_vm_readv on the own process), so nothing here ever faults.
//!
//! That costs some hundred nanoseconds, so pages that were found readable are
//! remembered. A page that was unmapped since then would fault: use [`load_u64`]
//! for what the program itself keeps mapped while a thread runs in it (stacks,
//! interpreter frames, Go's runtime), and [`copy`] for everything else.

use crate::arch::{syscall4, syscall6};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The smallest page size of the platforms that are supported.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// How many pages are remembered; a power of two.
const PAGES: usize = 16384;

static READABLE: [AtomicU64; PAGES] = [const { AtomicU64::new(0) }; PAGES];

/// Set where the kernel refuses process_vm_readv (seccomp filters do).
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Fills `into` with the memory at `abs_addr`, or says false and leaves `into`
/// in any state. Takes no lock, leaves errno alone, and is safe in signal handlers.
pub fn copy(abs_addr: u64, into: &mut [u8]) -> bool {
    if abs_addr < PAGE_BYTES || abs_addr.checked_add(into.len() as u64).is_none() {
        return into.is_empty();
    }
    if !REFUSED.load(Relaxed) {
        let local = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        let remote = libc::iovec {
            iov_base: abs_addr as *mut _,
            iov_len: into.len(),
        };
        // SAFETY: the kernel checks both ranges; `into` is ours to write.
        let read = unsafe {
            // Any thread's number names the process, and this thread is alive: the first one may have ended.
            let thread = syscall4(libc::SYS_gettid, 0, 0, 0, 0);
            syscall6(
                libc::SYS_process_vm_readv,
                thread as usize,
                &raw const local as usize,
                1,
                &raw const remote as usize,
                1,
                0,
            )
        };
        const FAULT: isize = -(libc::EFAULT as isize);
        const NO_MEMORY: isize = -(libc::ENOMEM as isize);
        match read {
            FAULT | 0.. => return read == into.len() as isize,
            NO_MEMORY => {}
            // A filter's answer: ENOSYS, EPERM, or whatever else its author liked.
            _ => REFUSED.store(true, Relaxed),
        }
    }
    copy_after_check(abs_addr, into)
}

/// The second best: ask the kernel whether each page can be read, then read it.
/// Only another thread that unmaps the page in between makes this fault.
fn copy_after_check(abs_addr: u64, into: &mut [u8]) -> bool {
    let last = abs_addr + into.len() as u64 - 1;
    let mut at = abs_addr;
    loop {
        if !is_word_readable(at.min(last.saturating_sub(7)).max(abs_addr & !(PAGE_BYTES - 1))) {
            return false;
        }
        at = (at & !(PAGE_BYTES - 1)) + PAGE_BYTES;
        if at > last {
            break;
        }
    }
    // SAFETY: every page of the range was readable just now.
    unsafe { core::ptr::copy_nonoverlapping(abs_addr as *const u8, into.as_mut_ptr(), into.len()) };
    true
}

/// Whether 8 bytes at `abs_addr` can be read: rt_sigprocmask copies the new mask
/// in before it finds that `how` is no operation, so nothing changes.
fn is_word_readable(abs_addr: u64) -> bool {
    const NO_OPERATION: usize = usize::MAX;
    // SAFETY: an invalid `how` changes no mask.
    let status = unsafe { syscall4(libc::SYS_rt_sigprocmask, NO_OPERATION, abs_addr as usize, 0, 8) };
    status != -(libc::EFAULT as isize)
}

/// Whether the byte at `abs_addr`, and so its page, can be read now.
pub(crate) fn is_readable(abs_addr: u64) -> bool {
    copy(abs_addr, &mut [0])
}

/// The word at `abs_addr`, read by the kernel.
pub fn copy_u64(abs_addr: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    copy(abs_addr, &mut bytes).then_some(u64::from_ne_bytes(bytes))
}

/// The 32-bit word at `abs_addr`, read by the kernel.
pub fn copy_u32(abs_addr: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    copy(abs_addr, &mut bytes).then_some(u32::from_ne_bytes(bytes))
}

/// The aligned word at `abs_addr`: a plain load where its page was readable before.
#[inline(always)]
pub fn load_u64(abs_addr: u64) -> Option<u64> {
    if abs_addr & 7 != 0 || !is_page_readable(abs_addr) {
        return None;
    }
    // SAFETY: an aligned word lies within one page, and that page can be read.
    Some(unsafe { (abs_addr as *const u64).read_volatile() })
}

/// The aligned 32-bit word at `abs_addr`, as [`load_u64`].
#[inline(always)]
pub fn load_u32(abs_addr: u64) -> Option<u32> {
    if abs_addr & 3 != 0 || !is_page_readable(abs_addr) {
        return None;
    }
    // SAFETY: as in load_u64.
    Some(unsafe { (abs_addr as *const u32).read_volatile() })
}

/// The byte at `abs_addr`, as [`load_u64`].
#[inline(always)]
pub fn load_u8(abs_addr: u64) -> Option<u8> {
    if !is_page_readable(abs_addr) {
        return None;
    }
    // SAFETY: as in load_u64.
    Some(unsafe { (abs_addr as *const u8).read_volatile() })
}

/// How many places a page may be remembered in, one behind the other. A stack reads
/// some fifty pages, and two of them that take one place from each other, stack after
/// stack, would cost more than all the rest.
const WAYS: usize = 4;

/// The first place where a page is remembered. Allocators with a region for each size
/// of blocks (the sanitizers') differ in high bits only, so all bits count.
#[inline(always)]
fn first_place(page: u64) -> usize {
    let hash = page.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (64 - (PAGES / WAYS).trailing_zeros())) as usize * WAYS
}

/// Whether the page of `abs_addr` can be read, or could be at the first question.
#[inline(always)]
pub fn is_page_readable(abs_addr: u64) -> bool {
    let page = abs_addr / PAGE_BYTES;
    READABLE[first_place(page)].load(Relaxed) == page && page != 0 || check_page(page)
}

#[cold]
#[inline(never)]
fn check_page(page: u64) -> bool {
    let places = &READABLE[first_place(page)..][..WAYS];
    if page != 0 && places[1..].iter().any(|place| place.load(Relaxed) == page) {
        return true;
    }
    let readable = is_readable(page.wrapping_mul(PAGE_BYTES));
    if readable {
        // The oldest one falls out. Threads that do this at once forget a page or two.
        let mut moved = page;
        for place in places {
            moved = place.swap(moved, Relaxed);
        }
    }
    readable
}

/// Forgets which pages were readable: call it when memory was unmapped that
/// stacks or interpreter frames lay in.
pub fn forget_pages() {
    for page in &READABLE {
        page.store(0, Relaxed);
    }
}
