//! The walk on aarch64, from inside: against glibc's `backtrace`, which unwinds by libgcc, and with registers
//! that lead nowhere. Run by scripts/test-aarch64.
#![cfg(target_arch = "aarch64")]

use ffikit_unwind::{memory, module, walk, End, Frame, Registers, StackBounds};
use std::ffi::{c_int, c_void};

extern "C" {
    fn backtrace(buffer: *mut *mut c_void, len: c_int) -> c_int;
}

/// The stack from here by the walker, and by libgcc; both from the same call up.
#[inline(never)]
fn both(bounds: StackBounds) -> (Vec<u64>, Vec<u64>, End) {
    assert!(module::prepare());
    let mut frames = [Frame::default(); 256];
    // SAFETY: registers of this frame, which stays.
    let walked = unsafe { walk(&Registers::here(), bounds, &mut frames) };
    let mut pointers = [std::ptr::null_mut(); 256];
    // SAFETY: as long as it says.
    let len = unsafe { backtrace(pointers.as_mut_ptr(), 256) } as usize;
    let ours = frames[..walked.len].iter().map(|frame| frame.bits()).collect();
    // libgcc's begins with this function.
    let theirs = pointers[1..len].iter().map(|pointer| *pointer as u64).collect();
    (ours, theirs, walked.end)
}

fn check(bounds: StackBounds, depth_min: usize) {
    let (ours, theirs, end) = both(bounds);
    assert_eq!(end, End::Complete);
    assert!(ours.len() >= depth_min, "{}", ours.len());
    // glibc's start code is where libgcc may stop.
    let len = theirs.len().min(ours.len());
    assert!(ours.len() - len <= 1, "{ours:x?} {theirs:x?}");
    assert_eq!(ours[..len], theirs[..len]);
}

#[inline(never)]
fn deep(left: usize, bounds: StackBounds) -> usize {
    let block = [left; 70];
    if left == 0 {
        check(bounds, 52);
        return 0;
    }
    deep(left - 1, bounds) + std::hint::black_box(block)[left]
}

#[test]
fn as_libgcc_walks() {
    let bounds = StackBounds::of_this_thread();
    assert_ne!(bounds, StackBounds::UNKNOWN);
    deep(50, bounds);
    // Page by page, by way of the kernel.
    deep(50, StackBounds::UNKNOWN);
    let mut numbers: Vec<u32> = (0..64).rev().collect();
    let mut is_checked = false;
    numbers.sort_unstable_by(|a, b| {
        if !std::mem::replace(&mut is_checked, true) {
            check(bounds, 5);
        }
        a.cmp(b)
    });
}

#[test]
fn registers_that_lead_nowhere() {
    assert!(module::prepare());
    let bounds = StackBounds::of_this_thread();
    let wild = [
        0,
        1,
        8,
        0x10,
        4096,
        0xdead_beef,
        u64::MAX,
        u64::MAX - 7,
        1 << 47,
        1 << 48,
        1 << 63,
        0xffff_0000_0000_0000,
        bounds.low,
        bounds.high - 8,
        bounds.high,
    ];
    let mut frames = [Frame::default(); 64];
    let mut ends = std::collections::BTreeSet::new();
    for base in [bounds, StackBounds::UNKNOWN] {
        for value in wild {
            for other in wild {
                for field in 0..4 {
                    let mut registers = Registers::here();
                    let fields = [
                        &mut registers.sp,
                        &mut registers.fp,
                        &mut registers.lr,
                        &mut registers.pc,
                    ];
                    for (index, register) in fields.into_iter().enumerate() {
                        if index == field {
                            *register = value;
                        } else if index == (field + 1) % 4 {
                            *register = other;
                        }
                    }
                    // SAFETY: it is not what it says, which is the point: the walk ends, whatever it is told.
                    let walked = unsafe { walk(&registers, base, &mut frames) };
                    assert!(walked.len <= frames.len());
                    ends.insert(walked.end.code());
                }
            }
        }
    }
    assert!(ends.len() > 2, "{ends:?}");
}

/// qemu-user 7.2 has no process_vm_readv, so this is the second best way: pages are asked for by rt_sigprocmask.
#[test]
fn memory_that_is_not_there() {
    const PAGE: usize = 65536; // the largest that kernels for aarch64 have
                               // SAFETY: a mapping of its own, of which the second half is made inaccessible.
    let start = unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            2 * PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(start, libc::MAP_FAILED);
        start.cast::<u8>().write_bytes(0x5a, PAGE);
        assert_eq!(libc::mprotect(start.byte_add(PAGE), PAGE, libc::PROT_NONE), 0);
        start as u64
    };
    let end = start + PAGE as u64;
    let mut bytes = [0; 4096];
    assert!(memory::copy(start, &mut bytes) && bytes == [0x5a; 4096]);
    for len in [1, 7, 8, 9, 100, 4096] {
        bytes.fill(0);
        assert!(memory::copy(end - len as u64, &mut bytes[..len]), "{len}");
        assert_eq!(bytes[..len], [0x5a; 4096][..len]);
        assert!(!memory::copy(end - len as u64 + 1, &mut bytes[..len]), "{len}");
        assert!(!memory::copy(end, &mut bytes[..len]), "{len}");
    }
    assert_eq!(memory::copy_u64(end - 8), Some(0x5a5a_5a5a_5a5a_5a5a));
    assert_eq!(memory::copy_u64(end - 7), None);
    assert_eq!(memory::load_u64(end), None);
    for nowhere in [0, 8, 4095, u64::MAX, u64::MAX - 7, 1 << 48, 1 << 63] {
        assert_eq!(memory::copy_u64(nowhere), None, "{nowhere:#x}");
    }
    assert!(memory::copy(0, &mut []));
    // SAFETY: the mapping made above.
    unsafe { libc::munmap(start as *mut _, 2 * PAGE) };
    assert_eq!(memory::copy_u64(start), None);
}
