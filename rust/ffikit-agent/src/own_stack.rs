//! A stack for reports. They are made on whatever stack the fault was met: that of a
//! signal handler may have 8 KiB, of which the kernel's frame and the sanitizer's
//! have taken most.

use crate::arena;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

const STACK_BYTES: usize = 512 << 10;
const GUARD_BYTES: usize = 64 << 10;

/// Its upper end; 0: there is none. Complemented, as LeakSanitizer looks here.
static NOT_HIGH: AtomicU64 = AtomicU64::new(!0);
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Makes room. Reports stay on the stacks that they are met on where there is none.
pub fn prepare() {
    let Some(start) = arena::reserve(STACK_BYTES) else {
        return;
    };
    // SAFETY: memory that nobody uses yet; its lower end stays unreadable.
    if unsafe { libc::syscall(libc::SYS_mprotect, start, GUARD_BYTES, libc::PROT_NONE) } != 0 {
        return;
    }
    NOT_HIGH.store(!(start as u64 + STACK_BYTES as u64), Relaxed);
}

/// Calls `body` on that stack, or, where another report is on it, on this one.
pub fn run(body: impl FnOnce()) {
    let high = !NOT_HIGH.load(Relaxed);
    if high == 0 || IS_TAKEN.swap(true, Acquire) {
        return body();
    }
    let mut body = Some(body);
    // SAFETY: nobody else is on the stack, `body` outlives the call, and no panic leaves it.
    unsafe { switch(high, (&raw mut body).cast(), trampoline_of(&body)) };
    IS_TAKEN.store(false, Release);
}

type Trampoline = unsafe extern "C" fn(*mut c_void);

fn trampoline_of<F: FnOnce()>(_: &Option<F>) -> Trampoline {
    call::<F>
}

unsafe extern "C" fn call<F: FnOnce()>(body: *mut c_void) {
    // SAFETY: run's own variable.
    if let Some(body) = unsafe { (*body.cast::<Option<F>>()).take() } {
        crate::guarded(body);
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn switch(stack: u64, body: *mut c_void, call: Trampoline) {
    // SAFETY: the caller's promise; the stack pointer comes back from a register that calls preserve.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp",
            "mov rsp, {stack}",
            "call {call}",
            "mov rsp, r12",
            stack = in(reg) stack,
            call = in(reg) call,
            in("rdi") body,
            out("r12") _,
            clobber_abi("C"),
        );
    }
}

#[cfg(target_arch = "aarch64")]
unsafe fn switch(stack: u64, body: *mut c_void, call: Trampoline) {
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "mov x20, sp",
            "mov sp, {stack}",
            "blr {call}",
            "mov sp, x20",
            stack = in(reg) stack,
            call = in(reg) call,
            in("x0") body,
            out("x20") _,
            clobber_abi("C"),
        );
    }
}
