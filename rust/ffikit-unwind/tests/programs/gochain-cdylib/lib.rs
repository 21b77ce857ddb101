//! A Rust library that holds gochain as an archive, as `ffikit-sys` holds libffikit.

use std::ffi::c_char;

extern "C" {
    fn gochainFromC(label: *const c_char);
    fn gochainGoroutine();
}

/// # Safety
/// `label` is a C string.
#[inline(never)]
#[no_mangle]
pub unsafe extern "C" fn c_through_rust(label: *const c_char) {
    // SAFETY: the caller's promise.
    unsafe { gochainFromC(label) };
    std::hint::black_box(());
}

/// The same for a goroutine of the library's own.
#[no_mangle]
pub extern "C" fn gochain_goroutine() {
    // SAFETY: it has no preconditions.
    unsafe { gochainGoroutine() };
}
