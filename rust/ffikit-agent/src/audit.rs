//! ctypes: it reads memory at addresses that Python code gives it, and CPython is
//! not built with the sanitizer, so nobody checks them. CPython tells its audit
//! hooks (PEP 578) where ctypes takes an address; one in freed memory is reported
//! there, by the sanitizer, as if it had been read.
//!
//! Memory that is freed later, while an object of ctypes still points to it, is not noticed.

use crate::{cast, guarded, runtime};
use core::ffi::{c_char, c_int, c_void, CStr};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use ffikit_unwind::memory::load_u8;
use ffikit_unwind::module::Module;
use ffikit_unwind::Registers;

type Hook = unsafe extern "C" fn(*const c_char, *mut c_void, *mut c_void) -> c_int;
type AddAuditHook = unsafe extern "C" fn(Hook, *mut c_void) -> c_int;
type PendingCall = unsafe extern "C" fn(*mut c_void) -> c_int;
type AddPendingCall = unsafe extern "C" fn(PendingCall, *mut c_void) -> c_int;
type GetItem = unsafe extern "C" fn(*mut c_void, isize) -> *mut c_void;
type AsSsize = unsafe extern "C" fn(*mut c_void) -> isize;

static IS_SEEN: AtomicBool = AtomicBool::new(false);
static ADD_AUDIT_HOOK: AtomicUsize = AtomicUsize::new(0);
static GET_ITEM: AtomicUsize = AtomicUsize::new(0);
static AS_SSIZE: AtomicUsize = AtomicUsize::new(0);

/// The interpreter's loop is at `abs_addr`: called for each stack that has Python
/// frames, in an allocation. The first time the interpreter is asked to add our hook
/// where it may, between two instructions. It is not asked by the loader: that
/// would take its lock.
#[inline(always)]
pub fn seen(abs_addr: u64) {
    if !IS_SEEN.load(Relaxed) {
        see(abs_addr);
    }
}

#[cold]
#[inline(never)]
fn see(abs_addr: u64) {
    if IS_SEEN.swap(true, AcqRel) {
        return;
    }
    let Some(module) = Module::find(abs_addr) else {
        return;
    };
    let find = |name: &[u8]| module.symbol(name).unwrap_or(0) as usize;
    let pending = find(b"Py_AddPendingCall");
    ADD_AUDIT_HOOK.store(find(b"PySys_AddAuditHook"), Relaxed);
    GET_ITEM.store(find(b"PyTuple_GetItem"), Relaxed);
    AS_SSIZE.store(find(b"PyLong_AsSsize_t"), Release);
    let all = [&ADD_AUDIT_HOOK, &GET_ITEM, &AS_SSIZE];
    if pending != 0 && all.iter().all(|found| found.load(Relaxed) != 0) {
        // SAFETY: CPython's function of this name; any thread may call it, at any time.
        unsafe {
            let pending: AddPendingCall = core::mem::transmute(pending);
            pending(install, core::ptr::null_mut());
        }
    }
}

unsafe extern "C" fn install(_argument: *mut c_void) -> c_int {
    // SAFETY: CPython's function of this name, called with the GIL.
    unsafe {
        let add: AddAuditHook = core::mem::transmute(ADD_AUDIT_HOOK.load(Relaxed));
        add(audited, core::ptr::null_mut());
    }
    // Where an older hook refuses ours it has set an exception, which CPython raises only if we ask for it.
    0
}

unsafe extern "C" fn audited(event: *const c_char, arguments: *mut c_void, _data: *mut c_void) -> c_int {
    // SAFETY: CPython's own string. Nearly all events are others: look no further than needed.
    let event = unsafe { CStr::from_ptr(event) }.to_bytes();
    if event.starts_with(b"ctypes.") {
        let here = Registers::here();
        guarded(|| {
            cast::watch(&here);
            if matches!(
                event,
                b"ctypes.cdata" | b"ctypes.string_at" | b"ctypes.wstring_at"
            ) {
                if let Some(abs_addr) = number(arguments, 0) {
                    let len = (event == b"ctypes.string_at")
                        .then(|| number(arguments, 1))
                        .flatten();
                    check(abs_addr, len);
                }
            }
        });
    }
    0
}

/// An argument of an event: the address, or behind it the length.
fn number(arguments: *mut c_void, index: isize) -> Option<u64> {
    if arguments.is_null() {
        return None;
    }
    // SAFETY: CPython's functions of these names, called with the GIL. The tuples of these events have
    // an int there (Modules/_ctypes), for which neither fails.
    unsafe {
        let get: GetItem = core::mem::transmute(GET_ITEM.load(Relaxed));
        let number: AsSsize = core::mem::transmute(AS_SSIZE.load(Relaxed));
        let first = get(arguments, index);
        (!first.is_null()).then(|| number(first) as u64)
    }
}

/// Has the sanitizer report a read of freed memory, if there is some at `abs_addr`.
/// `len_bytes` is how much will be read, where that is known and no string's end decides it.
pub fn check(abs_addr: u64, len_bytes: Option<u64>) {
    if is_freed(abs_addr) {
        if let Some(report) = runtime::REPORT_LOAD.get() {
            // SAFETY: it reads nothing at the address.
            unsafe {
                report(
                    abs_addr,
                    len_bytes.filter(|len| (1..1 << 40).contains(len)).unwrap_or(1) as usize,
                )
            };
        }
    }
}

/// Whether the sanitizer's shadow says that the memory was freed, or was a stack's
/// that has been left. Other poison is left alone: an address one behind the end of an array is no fault.
fn is_freed(abs_addr: u64) -> bool {
    // asan_internal.h of compiler-rt: freed heap, stack after return, stack out of scope.
    const FREED: [u8; 3] = [0xfd, 0xf5, 0xf8];
    let Some(mapping) = runtime::SHADOW_MAPPING.get() else {
        return false;
    };
    let (mut scale, mut offset) = (0, 0);
    // SAFETY: both are ours to write.
    unsafe { mapping(&mut scale, &mut offset) };
    if abs_addr == 0 || abs_addr >> 48 != 0 || scale >= 8 {
        return false;
    }
    let shadow = (abs_addr >> scale).wrapping_add(offset as u64);
    load_u8(shadow).is_some_and(|shadow| FREED.contains(&shadow))
}
