//! ctypes.cast: no audit event tells of it. ctypes calls it as it calls every C
//! function, by libffi's ffi_call, so that one entry of the table by which the
//! module of ctypes finds ffi_call is replaced; what was there is called as before.
//! A CPython with ctypes or libffi built into it has no such entry: there cast is not checked.

use crate::{audit, capture, guarded, modules};
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use ffikit_unwind::memory::{copy, copy_u32, copy_u64};
use ffikit_unwind::module::Module;
use ffikit_unwind::Registers;

type Call = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, *mut c_void, *mut *mut c_void);

static IS_WATCHED: AtomicBool = AtomicBool::new(false);
/// ffi_call, as the loader had found it.
static CALL: AtomicUsize = AtomicUsize::new(0);
/// Where the module of ctypes lies.
static START: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);

/// Called at each audit event of ctypes: the first comes when it is imported, from
/// its module, which is so found.
pub fn watch(here: &Registers) {
    if IS_WATCHED.swap(true, AcqRel) {
        return;
    }
    // SAFETY: the caller's frame is alive.
    let module = unsafe {
        capture::with(here, |frames, _| {
            let addresses = frames.iter().filter_map(|frame| frame.lookup_address());
            addresses
                .filter_map(Module::find)
                .find(|module| modules::is_named(module, b"_ctypes."))
        })
    };
    let Some((module, place)) = module.and_then(|module| Some((module, entry_of(&module, b"ffi_call")?)))
    else {
        return;
    };
    let Some(call) = copy_u64(place).filter(|call| *call != 0) else {
        return;
    };
    CALL.store(call as usize, Relaxed);
    START.store(module.start, Relaxed);
    END.store(module.end, Release);
    let ours: Call = checked_call;
    replace(&module, place, ours as usize as u64);
}

/// The entry by which a module calls a function of another one: of its relocations
/// (DT_JMPREL, DT_RELA) the one with the name of the function.
fn entry_of(module: &Module, name: &[u8]) -> Option<u64> {
    let (mut strings, mut symbols) = (0, 0);
    let (mut jumps, mut jumps_len, mut relocations, mut relocations_len) = (0, 0, 0, 0);
    let mut dynamic = (0, 0);
    module.segments(|segment| {
        if segment.kind == libc::PT_DYNAMIC {
            dynamic = (segment.start, segment.len_bytes.min(1 << 16));
        }
        true
    })?;
    for at in (dynamic.0..dynamic.0.checked_add(dynamic.1)?).step_by(16) {
        let (tag, value) = (copy_u64(at)?, copy_u64(at + 8)?);
        // gABI, "Dynamic Section"; glibc has relocated the addresses.
        match tag {
            0 => break,
            2 => jumps_len = value,
            5 => strings = value,
            6 => symbols = value,
            7 => relocations = value,
            8 => relocations_len = value,
            23 => jumps = value,
            _ => {}
        }
    }
    let named = |start: u64, len_bytes: u64| {
        let entries = (0..(len_bytes / 24).min(1 << 20)).map(|index| start.wrapping_add(24 * index));
        entries.into_iter().find_map(|entry| {
            // Elf64_Rela: r_offset, r_info (symbol << 32 | type), r_addend.
            let (offset, info) = (copy_u64(entry)?, copy_u64(entry + 8)?);
            let is_function = if cfg!(target_arch = "aarch64") {
                matches!(info as u32, 1025 | 1026) // GLOB_DAT, JUMP_SLOT
            } else {
                matches!(info as u32, 6 | 7)
            };
            let symbol = symbols.wrapping_add(24 * (info >> 32));
            let mut found = [0; 16];
            let found = found.get_mut(..name.len() + 1)?;
            let is_it = is_function
                && copy(strings.wrapping_add(copy_u32(symbol)? as u64), found)
                && found.strip_suffix(&[0]) == Some(name);
            is_it.then(|| module.bias.wrapping_add(offset))
        })
    };
    named(jumps, jumps_len).or_else(|| named(relocations, relocations_len))
}

/// Writes one word into a table that the loader may have made read-only (PT_GNU_RELRO).
fn replace(module: &Module, place: u64, value: u64) {
    const PAGE_BYTES: u64 = 4096;
    let page = place & !(PAGE_BYTES - 1);
    let protect = |protection: i32| {
        // SAFETY: a page of the module's data. Not libc::mprotect, which may be intercepted.
        unsafe { libc::syscall(libc::SYS_mprotect, page, PAGE_BYTES, protection as usize) == 0 }
    };
    let mut is_read_only = false;
    module.segments(|segment| {
        // The loader protects whole pages only: the rest of the last one stays writable.
        let end = segment.start.wrapping_add(segment.len_bytes) & !(PAGE_BYTES - 1);
        is_read_only |= segment.kind == libc::PT_GNU_RELRO && place >= segment.start && place < end;
        !is_read_only
    });
    if is_read_only {
        if protect(libc::PROT_READ | libc::PROT_WRITE) {
            copy_over(place, value);
            protect(libc::PROT_READ);
        }
    } else {
        copy_over(place, value);
    }
}

/// Has the kernel write a word, which does nothing where it cannot be written.
fn copy_over(place: u64, value: u64) {
    let mut word = value.to_ne_bytes();
    let local = libc::iovec {
        iov_base: word.as_mut_ptr().cast(),
        iov_len: 8,
    };
    let remote = libc::iovec {
        iov_base: place as *mut c_void,
        iov_len: 8,
    };
    // SAFETY: an entry that only the loader writes, and that it has written: a module of Python's is bound when it is loaded.
    // Each argument is a whole word: what lies on the stack is not extended.
    unsafe {
        let process = libc::syscall(libc::SYS_getpid);
        let (local, remote) = (&raw const local, &raw const remote);
        libc::syscall(
            libc::SYS_process_vm_writev,
            process,
            local,
            1usize,
            remote,
            1usize,
            0usize,
        );
    }
}

/// What ctypes calls in place of ffi_call. Below it a thread may end and exceptions of C++ may pass.
unsafe extern "C-unwind" fn checked_call(
    interface: *mut c_void,
    function: *mut c_void,
    result: *mut c_void,
    arguments: *mut *mut c_void,
) {
    let function_addr = function as u64;
    if function_addr >= START.load(Relaxed) && function_addr < END.load(Relaxed) {
        guarded(|| check(interface as u64, arguments as u64));
    }
    // SAFETY: what the loader had found for ffi_call, with the caller's arguments.
    unsafe {
        let call: Call = core::mem::transmute(CALL.load(Relaxed));
        call(interface, function, result, arguments);
    }
}

/// Of the functions of ctypes' own that it calls so, cast alone has three arguments:
/// the address, an object, and the type to cast to.
fn check(interface: u64, arguments: u64) {
    // ffi_cif: the ABI, the number of arguments (ffi.h).
    let is_cast = copy_u32(interface.wrapping_add(4)) == Some(3);
    let argument = |index: u64| copy_u64(copy_u64(arguments.wrapping_add(8 * index))?);
    if !is_cast {
        return;
    }
    // A cast to c_void_p gives the address as a number: nothing is read through it.
    let is_number = argument(2).is_some_and(|kind| is_type_named(kind, b"c_void_p"));
    if let Some(abs_addr) = argument(0).filter(|_| !is_number) {
        audit::check(abs_addr, None);
    }
}

/// Whether a type object has this name (tp_name, behind PyVarObject's three words).
fn is_type_named(kind: u64, name: &[u8]) -> bool {
    let mut found = [0; 16];
    match (copy_u64(kind.wrapping_add(24)), found.get_mut(..name.len() + 1)) {
        (Some(at), Some(found)) => copy(at, found) && found.strip_suffix(&[0]) == Some(name),
        _ => false,
    }
}
