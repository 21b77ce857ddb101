//! Linux on x86-64, System V ABI.

use core::arch::asm;

/// Makes a system call of up to four arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall4(number: i64, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result: isize;
    // SAFETY: the kernel clobbers rcx and r11 only; the rest is the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Makes a system call of six arguments; the result is negative errno on failure.
///
/// # Safety
/// As the system call demands.
#[inline(always)]
pub unsafe fn syscall6(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let result: isize;
    // SAFETY: as in syscall4.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}
