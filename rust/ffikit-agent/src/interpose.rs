//! Functions that the loader finds here before it finds the sanitizer's or the C
//! library's, which are then called.

use crate::runtime::{self, NEXT_DLCLOSE, NEXT_PTHREAD_CREATE, NEXT_SUMMARY};
use crate::{code_objects, guarded, modules, report, start, threads, tracker};
use core::ffi::{c_char, c_int, c_void};
use ffikit_unwind::Registers;

/// The next definition of a function. It is looked up in the constructor; who calls
/// earlier, from another library's, has it looked up then.
fn next<F: Copy>(function: &runtime::Function<F>) -> Option<F> {
    if function.address() == 0 {
        function.find(true);
    }
    function.get()
}

/// Starts a thread, and remembers which stack has.
///
/// # Safety
/// As pthread_create(3).
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    routine: runtime::Routine,
    argument: *mut c_void,
) -> c_int {
    let Some(create) = next(&NEXT_PTHREAD_CREATE) else {
        return libc::EAGAIN;
    };
    if !start::is_active() {
        // SAFETY: the caller's arguments.
        return unsafe { create(thread, attributes, routine, argument) };
    }
    let here = Registers::here();
    // SAFETY: the caller's arguments; `here` is this function's frame.
    unsafe { threads::started(&here, thread, || create(thread, attributes, routine, argument)) }
}

/// Unloads a module; what was learned of its code is then forgotten.
///
/// # Safety
/// As dlclose(3).
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    let Some(close) = next(&NEXT_DLCLOSE) else {
        return -1;
    };
    if tracker::is_active() {
        let before = unloads();
        // SAFETY: the caller's argument.
        let status = ffikit_unwind::unload(|| unsafe { close(handle) });
        // Most calls only count one user less.
        if unloads() != before {
            tracker::unloaded();
        }
        return status;
    }
    if !start::is_active() {
        // SAFETY: the caller's argument.
        return unsafe { close(handle) };
    }
    // SAFETY: the caller's argument.
    let status = ffikit_unwind::unload(|| unsafe { close(handle) });
    modules::unloaded();
    code_objects::count_freed();
    status
}

/// How many modules the loader has unloaded so far (`dlpi_subs`).
fn unloads() -> u64 {
    extern "C" fn first(info: *mut libc::dl_phdr_info, _len_bytes: usize, unloads: *mut c_void) -> c_int {
        // SAFETY: the loader's, and our own variable.
        unsafe { *unloads.cast::<u64>() = (*info).dlpi_subs };
        1
    }
    let mut unloads = 0u64;
    // SAFETY: the callback ends at the first module.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut unloads).cast()) };
    unloads
}

/// UBSan calls this, through the loader, with each finding; by default it does nothing.
#[cfg_attr(not(test), no_mangle)]
pub extern "C" fn __ubsan_on_report() {
    if start::is_active() {
        let here = Registers::here();
        guarded(|| report::undefined(&here));
    }
}

/// The sanitizers call this, through the loader, with the last line of a report;
/// by default it is logged. LeakSanitizer calls no other function of ours when
/// leaks do not end the process.
///
/// # Safety
/// As the sanitizers do: a C string.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn __sanitizer_report_error_summary(summary: *const c_char) {
    if let Some(log) = next(&NEXT_SUMMARY) {
        // SAFETY: the caller's argument.
        unsafe { log(summary) };
    }
    if start::is_active() && !summary.is_null() {
        // SAFETY: a C string.
        let summary = unsafe { core::ffi::CStr::from_ptr(summary) }.to_bytes();
        if crate::log::find(summary, b" leaked in ").is_some() {
            guarded(report::leaks);
        }
    }
}
