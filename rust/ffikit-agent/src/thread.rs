//! Where the stack of the calling thread lies, known without asking the C library:
//! that may allocate, and we are asked from within the allocator.
//!
//! The thread pointer of every thread that glibc makes lies at the top of that
//! thread's stack, also where the program has provided the stack. From there down
//! to the stack pointer, pages are checked once, and the range is kept in
//! thread-local storage of the initial-exec model: the others may allocate when
//! they are used for the first time.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ffikit_unwind::{memory, StackBounds};

const PAGE_BYTES: u64 = 4096;

/// How far the range is extended at once: more means that this is another stack,
/// a signal's for example.
const PAGES_AT_ONCE: u64 = 2048;

/// Complemented, so that nothing in thread-local storage looks like a pointer
/// into a stack: programs allocate stacks too. Zero: not known yet.
#[repr(C)]
pub struct Own {
    not_low: AtomicU64,
    not_high: AtomicU64,
    /// Whether the thread is in an allocator that we have called.
    is_inside: AtomicU64,
    /// The number of the thread's trail, plus one; 0: not known yet.
    pub trail: AtomicU64,
    /// Whether the thread is walking along it.
    pub is_walking: AtomicU64,
    /// How many bytes the thread may still ask for before one is sampled, and its random numbers' state.
    pub left: AtomicU64,
    pub random: AtomicU64,
    reserved: AtomicU64,
}

const _: () = assert!(size_of::<Own>() == 64);

core::arch::global_asm!(
    ".pushsection .tbss.ffikit_agent_own, \"awT\", @nobits",
    ".p2align 4",
    ".globl ffikit_agent_own",
    ".hidden ffikit_agent_own",
    ".type ffikit_agent_own, @object",
    ".size ffikit_agent_own, 64",
    "ffikit_agent_own:",
    ".zero 64",
    ".popsection",
);

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn own() -> &'static Own {
    let own: *const Own;
    // SAFETY: the offset of our thread-local storage, which the loader has laid out, from the thread pointer.
    unsafe {
        core::arch::asm!(
            "mov {own}, qword ptr fs:[0]",
            "add {own}, qword ptr [rip + ffikit_agent_own@GOTTPOFF]",
            own = out(reg) own,
            options(nostack, readonly),
        );
        &*own
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn own() -> &'static Own {
    let own: *const Own;
    // SAFETY: as on x86-64.
    unsafe {
        core::arch::asm!(
            "adrp {offset}, :gottprel:ffikit_agent_own",
            "ldr {offset}, [{offset}, :gottprel_lo12:ffikit_agent_own]",
            "mrs {own}, tpidr_el0",
            "add {own}, {own}, {offset}",
            own = out(reg) own,
            offset = out(reg) _,
            options(nostack, readonly),
        );
        &*own
    }
}

/// The thread pointer: the address of the thread's control block, which is what a
/// `pthread_t` is.
#[inline(always)]
pub fn pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads a register, or the word that points to itself.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("mov {}, qword ptr fs:[0x10]", out(reg) pointer, options(nostack, readonly));
        #[cfg(target_arch = "aarch64")]
        {
            core::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem));
        }
    }
    pointer
}

/// Keeps the range of the calling thread's stack: for the main thread, whose
/// thread pointer lies elsewhere.
pub fn remember(bounds: StackBounds) {
    if bounds != StackBounds::UNKNOWN {
        own().not_high.store(!bounds.high, Relaxed);
        // Its stack grows when it is touched: what is below is not there yet.
        own().not_low.store(!bounds.high, Relaxed);
    }
}

/// The range of the calling thread's stack that can be read, or UNKNOWN where `sp`
/// is on another stack.
#[inline(always)]
pub fn bounds(sp: u64) -> StackBounds {
    let own = own();
    let (low, high) = (!own.not_low.load(Relaxed), !own.not_high.load(Relaxed));
    if sp >= low && sp < high && high != u64::MAX {
        return StackBounds { low, high };
    }
    extend(own, sp)
}

#[cold]
#[inline(never)]
fn extend(own: &Own, sp: u64) -> StackBounds {
    let mut high = !own.not_high.load(Relaxed);
    let mut low = !own.not_low.load(Relaxed);
    if high == u64::MAX {
        high = pointer() & !7;
        low = high;
    }
    let first = sp & !(PAGE_BYTES - 1);
    if sp >= high || low.saturating_sub(first) > PAGES_AT_ONCE * PAGE_BYTES {
        return StackBounds::UNKNOWN;
    }
    // From the known part down: a stack ends with a page that cannot be read.
    // What begins at its end is not of it.
    let mut page = (low - 1) & !(PAGE_BYTES - 1);
    while page >= first {
        if !memory::copy(page, &mut [0]) {
            return StackBounds::UNKNOWN;
        }
        page -= PAGE_BYTES;
    }
    own.not_high.store(!high, Relaxed);
    own.not_low.store(!first, Relaxed);
    StackBounds { low: first, high }
}

/// The calling thread is in an allocator: what that calls is its own business.
pub struct Inside(&'static Own);

impl Inside {
    /// None: it is in one already.
    #[inline(always)]
    pub fn enter() -> Option<Inside> {
        let own = own();
        if own.is_inside.load(Relaxed) != 0 {
            return None;
        }
        own.is_inside.store(1, Relaxed);
        Some(Inside(own))
    }
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.is_inside.store(0, Relaxed);
    }
}

/// The kernel's number of the calling thread.
pub fn id() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// The process, asked anew each time: vfork's children share our memory.
pub fn process() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::syscall(libc::SYS_getpid) as u32 }
}
